"""A record is a JSON file of runs. What a run was stands in it once, and then its figures, a line for each."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from openwork.files import naming, read_whole, write_whole
from openwork_hw.arch.refusal import Refusal

Value = int | float | str | list[tuple[str, str, float]]
"""A number; a word; or a critical path: kind, name and delay in ns of each step."""

Configuration = str | dict[str, bool | int | str | list[int | str]]
"""What was measured, in words; or the fields of an `ArrayConfig` and the encodings that it decodes."""


class RecordError(Refusal):
    """A file that is not a record; the message names the file and the place in it."""


class Figure(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One measured quantity.

    Attributes:
        name: of the quantity.
        unit: of the value; empty for a count.
        value: what was measured; the mean, if the run was repeated.
        low, high: the least and the largest value of the repetitions.
    """

    name: str
    unit: str
    value: Value
    low: float | None = None
    high: float | None = None


class Run(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """One measurement of one configuration.

    Attributes:
        device, part, speed: the FPGA or the board, if the run had one: its name, its options for nextpnr, its speed grade.
        configuration: what was measured.
        command: makes the figures again.
        commit: that was checked out, with ``-dirty`` behind it if files differed from it; empty if nobody knows it.
        sources: the fingerprint of the sources that the run measured; empty if nobody knows it.
        tools: names and versions.
        figures: what was measured.
    """

    device: str = ""
    part: str = ""
    speed: str = ""
    configuration: Configuration
    command: str
    commit: str = ""
    sources: str = ""
    tools: tuple[str, ...] = ()
    figures: tuple[Figure, ...]

    @property
    def setting(self) -> str:
        """The device, if there is one, and the configuration, in words: what a table calls this run."""
        words = self.configuration
        if isinstance(words, dict):
            encodings = words["encodings"]
            assert isinstance(encodings, list)
            words = f"{words['pes']} x {words['lanes']}, {' + '.join(str(one) for one in encodings)}"
        return f"{self.device}: {words}" if self.device else words

    @property
    def subject(self) -> str:
        """What the setting names first, up to a semicolon: the network, where the rest is the array."""
        return self.setting.partition("; ")[0]

    def value(self, name: str) -> Value | None:
        """The value of the figure of this name; None if the run has no such figure."""
        return next((figure.value for figure in self.figures if figure.name == name), None)


def read_record(path: Path) -> list[Run]:
    """The runs of a record; none if there is no file.

    Raises:
        RecordError: the file is not a record.
        FileError: the file cannot be read.
    """
    if not path.exists():
        return []
    try:
        return msgspec.json.decode(read_whole(path), type=list[Run])
    except msgspec.MsgspecError as error:
        raise RecordError(f"{path} is not a record of runs: {error}") from None


def write_record(path: Path, runs: Sequence[Run]) -> None:
    """Write a record, and the folder that it stands in; the file is complete or stays as it was.

    Raises:
        FileError: the file cannot be written.
    """
    with naming(path, "written"):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, encode(runs))


def encode(runs: Sequence[Run]) -> bytes:
    """The text of a record: a line for each field of a run, and a line for each figure."""
    texts = []
    for run in runs:
        fields = msgspec.to_builtins(run)
        figures = ",\n".join(f"   {_line(figure)}" for figure in fields.pop("figures"))
        lines = "".join(f'  "{name}": {_line(value)},\n' for name, value in fields.items())
        texts.append(f' {{\n{lines}  "figures": [\n{figures}\n  ]\n }}')
    return ("[\n" + ",\n".join(texts) + "\n]\n").encode()


def merged(
    kept: Iterable[Run], new: Sequence[Run], key: Callable[[Run], str], order: Sequence[str] | None = None
) -> list[Run]:
    """The runs of a record with new ones in the place of those that have the same key.

    Args:
        kept: what the record holds.
        new: what was measured now.
        key: what a run is about; runs of one key are measured together.
        order: all keys, in the order of the record; a run of another key is dropped. Without it, runs are sorted by key.
    """
    keys = {key(one) for one in new}
    runs = [*(one for one in kept if key(one) not in keys), *new]
    if order is None:
        return sorted(runs, key=key)
    return sorted((one for one in runs if key(one) in order), key=lambda one: order.index(key(one)))


def run_values(run: Run) -> dict[str, object]:
    """A run as JSON values."""
    values: dict[str, object] = msgspec.to_builtins(run)
    return values


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
