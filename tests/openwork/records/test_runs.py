"""Records hold runs, come back as they were written, and are read strictly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openwork.files import FileError
from openwork.records import Figure, Origin, RecordError, Run, merged, read_record, write_record

ROOT = Path(__file__).parents[3]
RECORDS = sorted([*(ROOT / "docs" / "results").glob("*.json"), *(ROOT / "fpga" / "results").rglob("*.json")])
ORIGIN = Origin("python benchmarks/networks.py", "0123abcd", "fedc", ("torch 2",))


def run(name: str, value: float = 1.0) -> Run:
    return ORIGIN.measured(f"{name}; 4 x 4", [("cycles", "cycles", value)])


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_every_record_of_ours_is_read_and_written_as_it_stands(path: Path, tmp_path: Path) -> None:
    runs = read_record(path)
    assert runs
    assert [one for one in runs if not one.figures or not one.command] == []
    assert len({(one.setting, one.command) for one in runs}) == len(runs), "one configuration is one run"
    write_record(tmp_path / "copy.json", runs)
    assert (tmp_path / "copy.json").read_bytes() == path.read_bytes()


def test_what_is_written_is_read_again_to_the_last_bit(tmp_path: Path) -> None:
    path_of_signal: list[tuple[str, str, float]] = [("logic", "a.b", 0.1), ("routing", "c", 2.0)]
    runs = [
        ORIGIN.measured(
            {"pes": 4, "lanes": 7, "group_sizes": [2, 4], "single_port": True, "encodings": ["csr", "packed"]},
            [Figure("accuracy", "%", 0.1 + 0.2, 0.1, 1 / 3), ("met", "", "yes"), ("path", "ns", path_of_signal)],
            device="lfe5u-25f",
            speed="6",
        ),
        run("digits", 1e-300),
        run("whole", 16701.0),
        run("count", 16701),
    ]
    write_record(tmp_path / "x.json", runs)
    read = read_record(tmp_path / "x.json")
    assert read == runs
    assert [type(one.value("cycles")) for one in read] == [type(None), float, float, int]
    assert [one.setting for one in read[:2]] == ["lfe5u-25f: 4 x 7, csr + packed", "digits; 4 x 4"]


def test_what_a_run_was_stands_once(tmp_path: Path) -> None:
    runs = [ORIGIN.measured("digits", [("cycles", "cycles", 1), ("time", "ms", 2.0)])]
    write_record(tmp_path / "x.json", runs)
    text = (tmp_path / "x.json").read_text()
    assert [text.count(what) for what in ("digits", "0123abcd", "fedc", "torch 2", "networks.py")] == [1] * 5
    assert sum('"value"' in line for line in text.splitlines()) == 2, "a line for each figure"


def test_a_record_that_is_not_there_has_no_runs(tmp_path: Path) -> None:
    assert read_record(tmp_path / "x.json") == []


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    one = {"configuration": "x", "command": "y", "figures": [{"name": "a", "unit": "", "value": 1}]}
    change(one)
    return json.dumps([one]).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[1]",
        changed(lambda one: one.update(machine="mine")),
        changed(lambda one: one.pop("command")),
        changed(lambda one: one.update(commit=7)),
        changed(lambda one: one["figures"][0].pop("unit")),
        changed(lambda one: one["figures"][0].update(value=None)),
        changed(lambda one: one["figures"][0].update(remark="")),
        # What records were before runs: a figure with all that its run had.
        json.dumps([{"name": "a", "unit": "", "value": 1, "configuration": "x", "command": "y"}]).encode(),
    ],
)
def test_what_is_no_record_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"x\.json is not a record of runs: "):
        read_record(path)


def test_a_record_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    write_record(tmp_path / "x.json", [run("digits")])
    before = (tmp_path / "x.json").read_bytes()
    with pytest.raises(TypeError):
        write_record(tmp_path / "x.json", [ORIGIN.measured("digits", [("a", "", object())])])  # type: ignore[list-item]
    assert (tmp_path / "x.json").read_bytes() == before
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="is a folder"):
        write_record(tmp_path / "folder", [run("digits")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "x.json"]


def test_new_runs_take_the_place_of_those_of_the_same_key() -> None:
    kept = [run("b"), run("a"), run("gone")]
    found = merged(kept, [run("b", 2.0)], lambda one: one.subject, ["a", "b", "c"])
    assert [(one.subject, one.value("cycles")) for one in found] == [("a", 1.0), ("b", 2.0)]
    found = merged(kept, [run("c", 3.0)], lambda one: one.subject)
    assert [one.subject for one in found] == ["a", "b", "c", "gone"]
