"""Documents say what the record, the code and the tests say."""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


FOLDERS = (".ci", "benchmarks", "docs", "examples", "fpga", "hw", "sw", "tests", "tools", "verification")
SUFFIXES = {"", ".core", ".il", ".json", ".md", ".py", ".sh", ".toml", ".txt", ".v", ".ys"}


def our_files() -> list[Path]:
    found = [*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return [path for path in found if path.is_file() and path.suffix in SUFFIXES and "_cache" not in str(path)]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def test_every_generated_block_is_fresh() -> None:
    command = [sys.executable, "tools/documents.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_begin_marker_has_its_end() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        begins = re.findall(r"<!-- begin: ([^(]+?) \([^)]*\) -->", text_of(path))
        assert begins == re.findall(r"<!-- end: (.+?) -->", text_of(path)), path


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
