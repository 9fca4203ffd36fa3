"""Programming: what the loader is told, and what its failures mean."""

import sys
from pathlib import Path

import numpy as np
import pytest

from openwork_fpga.boards.catalogue import BOARDS
from openwork_fpga.boards.programmer import ProgrammingError, program, program_image

ULX3S = BOARDS["ulx3s-85f"]


def loader(folder: Path, said: str, status: int) -> list[str]:
    """A loader that writes down what it was told, says something and ends."""
    script = folder / "loader.py"
    script.write_text(
        f"import sys\nopen({str(folder / 'told')!r}, 'w').write(' '.join(sys.argv[1:]))\n"
        f"print({said!r}, file=sys.stderr)\nsys.exit({status})\n"
    )
    return [sys.executable, str(script)]


@pytest.fixture
def bitstream(tmp_path: Path) -> Path:
    path = tmp_path / "top.bit"
    path.write_bytes(b"bits")
    return path


def test_the_loader_is_told_the_board(tmp_path: Path, bitstream: Path) -> None:
    program(ULX3S, bitstream, flash=True, command=loader(tmp_path, "done", 0))
    assert (tmp_path / "told").read_text() == f"--board ulx3s --write-flash {bitstream}"


def test_a_tang_nano_takes_another_kind_of_file(tmp_path: Path) -> None:
    board = BOARDS["tang-nano-9k"]
    bitstream = tmp_path / "top.fs"
    bitstream.write_bytes(b"bits")
    program(board, bitstream, command=loader(tmp_path, "done", 0))
    assert (tmp_path / "told").read_text() == f"--board tangnano9k {bitstream}"
    with pytest.raises(
        ProgrammingError, match=r"top\.bit is no bitstream for tang-nano-9k: openwork build writes top\.fs"
    ):
        program(board, tmp_path / "top.bit", command=["false"])


def test_an_image_goes_into_the_flash(tmp_path: Path) -> None:
    words = np.array([0x4F574C31, 2], np.uint32)
    program_image(BOARDS["icebreaker"], words, command=loader(tmp_path, "done", 0))
    *told, file = (tmp_path / "told").read_text().split()
    assert told == ["--board", "ice40_generic", "--write-flash", "--offset", str(1 << 20)]
    assert not Path(file).exists()
    with pytest.raises(ProgrammingError, match=r"ulx3s-85f does not read its image out of flash"):
        program_image(ULX3S, words, command=["false"])
    with pytest.raises(ProgrammingError, match=r"the image has 262,145 words, and icebreaker reads 262,144"):
        program_image(BOARDS["icebreaker"], np.zeros((1 << 18) + 1, np.uint32), command=["false"])


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (
            "unable to open ftdi device: -3 (device not found)\nJTAG init failed",
            "no board was found",
        ),
        ("usb_open() failed\nunable to open ftdi device: -4", "you may not use the board's USB port"),
        ("libftdi1.so.2: error while loading shared libraries", "lacks a system library"),
        ("Something else", "openFPGALoader says: Something else"),
    ],
)
def test_a_failure_is_a_sentence(tmp_path: Path, bitstream: Path, said: str, meaning: str) -> None:
    with pytest.raises(ProgrammingError, match=f"^ulx3s-85f was not programmed: .*{meaning}"):
        program(ULX3S, bitstream, command=loader(tmp_path, said, 1))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgrammingError, match=r"top\.bin is no bitstream for ulx3s-85f"):
        program(ULX3S, tmp_path / "top.bin", command=["false"])
    with pytest.raises(ProgrammingError, match=r"there is no .*top\.bit: openwork build --board ulx3s-85f writes it"):
        program(ULX3S, tmp_path / "top.bit", command=["false"])
