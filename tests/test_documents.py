"""Documents say what the record, the code and the tests say."""

import ast
import importlib
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from openwork.records import Origin, Run, Sources, Value, write_record

ROOT = Path(__file__).parents[1]


FOLDERS = (".ci", "benchmarks", "docs", "examples", "fpga", "hw", "sw", "tests", "tools", "verification")
SUFFIXES = {"", ".core", ".il", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".v", ".ys"}


def our_files() -> list[Path]:
    found = [*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    # The file .git stands where a worktree is checked out, and says where the repository is.
    ours = [path for path in found if path.is_file() and path.name != ".git" and "_cache" not in str(path)]
    return [path for path in ours if path.suffix in SUFFIXES]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def test_every_generated_block_is_fresh(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tool = documents(monkeypatch)
    monkeypatch.setattr(sys, "argv", ["documents.py", "--check"])
    assert tool.main() == 0, capsys.readouterr().out


def test_no_figure_in_the_readme_is_of_an_older_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the row again with the command beside its table, or take the row out of the README."""
    mark = documents(monkeypatch).MARK
    assert [line for line in text_of(ROOT / "README.md").splitlines() if line.startswith("|") and mark in line] == []


def documents(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool that writes the blocks."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("documents")


def test_rows_of_older_sources_are_marked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool, path = documents(monkeypatch), tmp_path / "speed.json"
    command, before = "python benchmarks/speed.py", Sources({"speed.py": "SPEED = 1\n"})
    now = Sources({"speed.py": "SPEED = 2  # faster\n"})
    write_record(
        path,
        [
            Origin(command, "0123abcd", before.fingerprint(command)).measured("slow", [("time", "ms", 3)]),
            Origin(command, "4567cdef", now.fingerprint(command)).measured("fast", [("time", "ms", 2)]),
            Origin(command).measured("lost", [("time", "ms", 1)]),
        ],
    )
    head = "|  | time (ms) |\n| --- | --- |\n"
    table, _, sentence = tool.measured(path, now).partition("\n\n")
    assert f"{table}\n" == f"{head}| slow † 0123abcd | 3 |\n| fast | 2 |\n| lost † unknown | 1 |\n"
    assert sentence.startswith("† A row with this mark is of an older version") and sentence.count("\n") == 1
    assert tool.measured(path, now, "fast") == f"{head}| fast | 2 |\n", "no mark, no sentence"
    assert "| slow | 3 |" in tool.measured(path, Sources({"speed.py": '"""It is 1."""\n\nSPEED = 1\n'}))


def test_a_block_shows_the_runs_and_the_figures_that_it_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool, path, now = documents(monkeypatch), tmp_path / "speed.json", Sources({"speed.py": "SPEED = 1\n"})
    origin = Origin("python benchmarks/speed.py", "0123abcd", now.fingerprint("python benchmarks/speed.py"))
    figures: list[tuple[str, str, Value]] = [("time", "ms", 3), ("clock_seed_1", "MHz", 100.5), ("size", "bytes", 7)]
    write_record(path, [origin.measured(name, figures) for name in ("small", "large")])
    assert tool.measured(path, now).splitlines()[2:] == ["| small | 3 | 7 |", "| large | 3 | 7 |"]
    assert tool.measured(path, now, "arg", ["size", "clock_seed_1"]).splitlines()[2:] == ["| large | 100.5 | 7 |"]
    for text, names, missing in (("huge", (), "huge"), ("", ("weight", "time"), "weight"), ("huge", ("time",), "time")):
        with pytest.raises(SystemExit, match=f"has no figure or run called {missing}"):
            tool.measured(path, now, text, names)


def test_a_table_of_boards_has_a_row_for_each_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool, path, now = documents(monkeypatch), tmp_path / "boards.json", Sources({"speed.py": "SPEED = 1\n"})
    origin = Origin("python benchmarks/speed.py", "0123abcd", now.fingerprint("python benchmarks/speed.py"))

    def run(setting: str, array: float, line: float) -> Run:
        names = ("inputs per second of the array", "inputs per second with the serial line")
        return origin.measured(setting, [(names[0], "", array), (names[1], "", line)])

    runs = [
        run("LeNet, MNIST, one; 3 MACs", 1000.5, 98),
        run("MLP, one; 3 MACs", 10, 11),
        run("MLP, two; 4 MACs", 20, 5),
    ]
    write_record(path, runs)
    rows = ["| LeNet, MNIST | 98 (1,000) |  |", "| MLP | 10 (10) | 5 (20) |"]
    assert tool.by_board(path, now).splitlines() == ["|  | one | two |", "| --- | --- | --- |", *rows]
    older = tool.by_board(path, Sources({"speed.py": "SPEED = 2\n"}))
    assert "| MLP † 0123abcd | 10 (10) |" in older and "† A row with this mark" in older


def test_every_begin_marker_has_its_end() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        begins = re.findall(r"<!-- begin: ([^(]+?) \([^)]*\) -->", text_of(path))
        assert begins == re.findall(r"<!-- end: (.+?) -->", text_of(path)), path


@cache
def names_in(path: Path) -> set[str]:
    tree = ast.parse(text_of(path))
    return {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }


def test_every_test_of_the_test_plan_exists() -> None:
    promised = re.findall(r"`([\w/]+\.py)::(\w+)`", text_of(ROOT / "docs" / "testplan.md"))
    assert promised
    assert [f"{file}::{name}" for file, name in promised if name not in names_in(ROOT / file)] == []


def test_every_file_that_a_document_links_to_exists() -> None:
    broken = []
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text_of(path)):
            if not (path.parent / target).exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
    assert broken == []


def test_no_file_holds_a_path_or_a_host_of_some_machine() -> None:
    paths = re.compile(r"(?<![\w.~$}/-])/(?:root|work|farm|home|opt)/\w")
    hosts = re.compile(
        r"(?:file|ssh)://|://[^/\s]*(?:index|pypi|mirror|proxy|registry|simple)|--(?:extra-)?index-url|@[\w-]+\.example"
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in our_files()
        if path != Path(__file__)
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if paths.search(line) or hosts.search(line)
    ]
    assert found == []
