"""Write what documents quote from the record and the code between their markers, or list the blocks that are stale.

A block stands between ``<!-- begin: NAME (COMMAND) -->`` and ``<!-- end: NAME -->``; COMMAND is what makes its figures
again. NAME says what is quoted:

- a record of `fpga/results` or `docs/results`: its figures, a row for each run; ``RECORD with TEXT`` leaves out the runs whose
  setting does not have the text, and ``RECORD showing NAME; NAME`` all figures but these;
- a folder of records: the figures of all;
- ``RECORD by board``: inputs per second, a row for each network and a column for each board; ``RECORD by board without TEXT``
  leaves out the networks whose name has the text;
- ``presets``: the arrays that have a name;
- ``decisions``: the titles of the decision records;
- ``registers``: the bus shell's register map;
- ``operators``, ``ends`` and ``onnx``: the operators of a model that are supported, what the host computes, ONNX's operators;
- ``docstring NAME``: what a component, class or module says of itself;
- ``diagram NAME``: a timing diagram of `diagrams.py`, printed by a simulation.

A row is marked if the sources that it measures have changed since. The pictures of `pictures.py` are drawn, too.
"""

import argparse
import inspect
import pkgutil
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from textwrap import fill

from diagrams import DIAGRAMS
from pictures import PICTURES

from openwork.frontend.supported import AT_THE_END, SUPPORTED
from openwork.records import Run, Sources, Value, read_record
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.registers import REGISTERS

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(
    r"(?P<begin><!-- begin: (?P<name>[^(]+?) \([^)]*\) -->\n)(?P<text>.*?)(?P<end><!-- end: (?P=name) -->)", re.S
)
FENCE = "```"
DETAILS = ("clock_seed_", "critical_path")
"""What a record keeps and a table leaves out."""

RECORD = re.compile(r"(?P<path>\S+)(?: with (?P<text>.+?))?(?: showing (?P<names>.+))?")
MARK = "†"
MEANING = f"""
{MARK} A row with this mark is of an older version (its commit follows the mark): the sources that it measures have changed since.
"""


def documents() -> list[Path]:
    """Every document that may hold blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def number(value: Value) -> str:
    """A measured value as people read it: thousands apart, at most four digits after the point."""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


@cache
def sources() -> Sources:
    """Ours, as they are now."""
    return Sources.here(ROOT / "benchmarks")


def label(run: Run, now: Sources) -> str:
    """What a table calls a run: its setting, and a mark and the commit if it is of an older version."""
    return f"{run.setting} {MARK} {run.commit or 'unknown'}" if now.is_older(run) else run.setting


def headings(names: Sequence[str], units: dict[str, set[str]]) -> list[str]:
    """Headings of a table: the words that all names begin with, then the rest of each, with the unit that it has."""
    first = names[0].split(" ")
    while first and not (len(names) > 1 and all(name.startswith(" ".join(first) + " ") for name in names)):
        first.pop()
    short = [name.removeprefix(" ".join(first)).strip().replace("_", " ") for name in names]
    return [
        " ".join(first).rstrip(",:"),
        *(
            f"{text} ({unit})" if len(units[name]) == 1 and (unit := next(iter(units[name]))) not in text else text
            for name, text in zip(names, short, strict=True)
        ),
    ]


def measured(path: Path, now: Sources, text: str = "", names: Sequence[str] = ()) -> str:
    """A record, or all records of a folder, as tables: a row for each run, a column for each name.

    Runs that have a name in common stand in one table. Empty while nothing is recorded.

    Args:
        path: of the record or the folder.
        now: the sources as they are now.
        text: that the setting of a run must have.
        names: of the figures that are shown; all of them by default.
    """
    files = [path] if path.suffix == ".json" else sorted(path.glob("*.json"))
    kept = [
        (label(run, now), one)
        for file in files
        for run in read_record(file)
        if text in run.setting
        for one in run.figures
        if (one.name in names if names else not one.name.startswith(DETAILS))
    ]
    if missing := (set(names) or {text} - {""}) - {one.name for _, one in kept} - ({text} if kept else set()):
        raise SystemExit(f"{path.name} has no figure or run called {', '.join(sorted(missing))}")
    units: dict[str, set[str]] = {}
    for _, one in kept:
        units.setdefault(one.name, set()).add(one.unit)
    cells = {
        (row, one.name): number(one.value) + (f" {one.unit}" if len(units[one.name]) > 1 else "") for row, one in kept
    }
    groups: list[tuple[dict[str, str], list[str]]] = []  # rows with their latest names, and all names in order
    for row, name in cells:
        rows, order = next((group for group in groups if row in group[0] or name in group[1]), ({}, []))
        if not order:
            groups.append((rows, order))
        if name not in order:
            # It stands behind the one that comes before it in its own row.
            order.insert(order.index(rows[row]) + 1 if row in rows else len(order), name)
        rows[row] = name
    tables = [
        table(headings(order, units), [(row, *(cells.get((row, name), "") for name in order)) for row in rows])
        for rows, order in groups
    ]
    marked = any(MARK in row for row, _ in cells)
    return "\n".join(tables) + (MEANING if marked else "")


def by_board(path: Path, now: Sources, without: str = "") -> str:
    """Inputs per second of a record whose settings begin with "network, board;": with the serial line, and of the array alone.

    Args:
        without: networks that have this in their name are left out; "" leaves out none.
    """
    cells: dict[tuple[str, str], str] = {}
    marks: dict[str, str] = {}
    for run in read_record(path):
        network, _, board = run.setting.partition(";")[0].rpartition(", ")
        if without and without in network:
            continue
        figures = {one.name: one.value for one in run.figures}
        array = figures["inputs per second of the array"]
        line = figures["inputs per second with the serial line"]
        assert isinstance(array, int | float) and isinstance(line, int | float)
        cells[network, board] = f"{number(float(min(line, array)))} ({number(float(array))})"
        if now.is_older(run):
            marks[network] = f" {MARK} {run.commit or 'unknown'}"
    boards = dict.fromkeys(board for _, board in cells)
    networks = dict.fromkeys(network for network, _ in cells)
    rows = [(f"{one}{marks.get(one, '')}", *(cells.get((one, board), "") for board in boards)) for one in networks]
    return table(("", *boards), rows) + (MEANING if marks else "")


def presets() -> str:
    """The arrays that have a name."""
    names = [field.name for field in fields(ArrayConfig)]
    rows = [
        (f"`{name}`", *(str(getattr(config, field)) for field in names), str(config.macs))
        for name, config in PRESETS.items()
    ]
    return table(("preset", *names, "MACs"), rows)


def decisions() -> str:
    """The titles of the decision records."""
    paths = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    return "".join(
        f"- [{path.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ')}]({path.name})\n" for path in paths
    )


def registers() -> str:
    """The bus shell's register map: a table of the registers, and one of their fields."""
    bits = {
        (register, field): str(field.low) if field.bits == 1 else f"{field.low + field.bits - 1}:{field.low}"
        for register in REGISTERS
        for field in register.fields
    }
    overview = table(
        ("address", "register", "access", "meaning"),
        [
            (f"`{register.address:#05x}`", f"`{register.name}`", register.access, register.meaning)
            for register in REGISTERS
        ],
    )
    fields_of_all = table(
        ("register", "bits", "field", "meaning"),
        [(f"`{register.name}`", place, f"`{field.name}`", field.meaning) for (register, field), place in bits.items()],
    )
    return f"{overview}\n{fields_of_all}"


def operators() -> str:
    """The operators of a model that the array takes."""
    rows = [
        (", ".join(f"`{name}`" for name in row.operators), row.becomes, row.limits, f"`{row.example}`")
        for row in SUPPORTED
    ]
    return table(("operators", "become", "possible", "example"), rows)


def onnx_operators() -> str:
    """The operators of ONNX that are read."""
    from openwork.frontend.onnx.operators import TRANSLATIONS

    text = ", ".join(f"`{name}`" for name in sorted(TRANSLATIONS))
    return f"{fill(text, 100, break_long_words=False, break_on_hyphens=False)}\n"


def docstring(dotted: str) -> str:
    """The datasheet of a component, as its class carries it, or what a module says of itself."""
    return f"{FENCE}text\n{inspect.getdoc(pkgutil.resolve_name(dotted))}\n{FENCE}\n"


def render(name: str) -> str:
    """What belongs into the block of this name."""
    if name == "presets":
        return presets()
    if name == "decisions":
        return decisions()
    if name == "registers":
        return registers()
    if name == "onnx":
        return onnx_operators()
    if name == "operators":
        return operators()
    if name == "ends":
        return "".join(f"- `{example}`\n" for example in AT_THE_END)
    if name.startswith("docstring "):
        return docstring(name.removeprefix("docstring "))
    if name.startswith("diagram "):
        return f"{FENCE}text\n{DIAGRAMS[name.removeprefix('diagram ')]()}{FENCE}\n"
    path, by, without = name.partition(" by board")
    if by:
        return by_board(ROOT / path, sources(), without.removeprefix(" without "))
    match = RECORD.fullmatch(name)
    assert match, name
    names = match["names"].split("; ") if match["names"] else ()
    return measured(ROOT / match["path"], sources(), match["text"] or "", names)


def update(text: str) -> str:
    """A document with every block as it should be."""
    return BLOCK.sub(lambda block: f"{block['begin']}{render(block['name'])}{block['end']}", text)


def main() -> int:
    """Write blocks and pictures, or with ``--check`` only name what is stale."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit status 1 if something is stale")
    check = parser.parse_args().check
    fresh = {path: update(path.read_text(encoding="utf-8")) for path in documents()}
    fresh |= {ROOT / name: draw(ROOT / record) for name, (draw, record) in PICTURES.items()}
    stale = [path for path, text in fresh.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} {'is stale: run make documents' if check else 'written'}")
        if not check:
            path.write_text(fresh[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
