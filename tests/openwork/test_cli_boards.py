"""Commands for boards: what they list, and their refusals."""

from pathlib import Path

import pytest
from tests.openwork.command_line import run

from openwork_fpga.boards.catalogue import BOARDS


def test_all_boards_are_listed(tmp_path: Path) -> None:
    result = run(tmp_path, "boards")
    assert result.returncode == 0, result.stderr
    assert all(name in result.stdout for name in BOARDS)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("build", "--board", "icestick"), "openwork: there is no board icestick: there are ulx3s-85f, "),
        (("build", "--board", "ulx3s-12f", "--image", "no.image"), "openwork: there is no file no.image"),
        (("program", "--board", "ulx3s-85f", "top.bin"), "openwork: top.bin is no bitstream for ulx3s-85f: "),
        (
            ("program", "--board", "ulx3s-85f", "no.bit"),
            "openwork: there is no no.bit: openwork build --board ulx3s-85f",
        ),
    ],
)
def test_a_refusal_is_one_sentence_and_status_2(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    output = ("-o", str(tmp_path / "build")) if arguments[0] == "build" else ()
    result = run(tmp_path, *arguments, *output)
    assert result.returncode == 2
    assert result.stderr.startswith(sentence) and result.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*"))


def test_a_board_stands_for_its_array(tmp_path: Path) -> None:
    """With its encodings; a preset besides is refused where it is another one."""
    assert run(tmp_path, "verilog", "--board", "tang-nano-9k", "--name", "nano", "-o", ".").returncode == 0
    board = BOARDS["tang-nano-9k"]
    text = (tmp_path / "nano.v").read_text()[:2000]
    assert f"{board.config.pes} x {board.config.lanes}" in text
    assert "Weight encodings: csr.\n" in text
    result = run(tmp_path, "verilog", "--board", "tang-nano-9k", "--preset", "ecp5-85k", "-o", ".")
    assert result.returncode == 2
    assert "tang-nano-9k has the array of the preset gw1nr-9: leave --preset out, or the board" in result.stderr
