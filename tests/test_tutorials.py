"""The tutorials, run as they are written: each block in turn, in one folder, and every line that a page shows is looked for."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

DOCS = Path(__file__).parents[1] / "docs" / "tutorials"
FENCE = re.compile(
    r"^(?P<not_run><!-- not run -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A block of a page."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, but those that are marked as not run."""
    return [Block(one["language"], one["text"]) for one in FENCE.finditer(page.read_text()) if not one["not_run"]]


def plain(text: str) -> str:
    """Text in which numbers are alike, and so is all white space and what frames a table."""
    return " ".join(re.sub(r"\d[\d,.]*", "0", re.sub(r"[^\x00-\x7f]", " ", text)).split())


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_a_tutorial_runs_as_written(page: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "100"}
    said = ""
    for block in blocks(page):
        if block.language in ("python", "toml"):
            name = block.text.splitlines()[0].removeprefix("# ")
            (tmp_path / name).write_text(block.text)
        elif block.language == "sh":
            command = ["bash", "-euc", block.text]
            done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            said = done.stdout + done.stderr
            assert done.returncode == 0, f"{block.text}{said}"
        else:
            assert block.language == "text"
            for line in block.text.splitlines():
                assert plain(line) in plain(said), f"{line}\nis not in\n{said}"


def test_a_line_that_a_command_does_not_print_is_found() -> None:
    said = "model.int8: 22 KiB.\n10 inputs."
    assert plain("model.int8:  23 KiB.") in plain(said)
    assert plain("model.int8: 22 MiB.") not in plain(said)


def test_every_tutorial_has_blocks_that_run_and_lines_that_are_looked_for() -> None:
    pages = sorted(DOCS.glob("*.md"))
    assert pages
    for page in pages:
        assert {"sh", "text"} <= {block.language for block in blocks(page)}, page.name
