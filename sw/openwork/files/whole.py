"""A file is there as a whole or not at all."""

import os
from pathlib import Path

from openwork_hw.arch.refusal import Refusal


class FileError(Refusal):
    """A file that is missing, damaged or of another kind; the message names it and the reason."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it, so that nobody ever sees half of it.

    Raises:
        FileError: there is no folder to write it into.
        OSError: it cannot be written; what was there before still is.
    """
    if not path.parent.is_dir():
        raise FileError(f"{path} cannot be written: there is no folder {path.parent}")
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def read_whole(path: Path) -> bytes:
    """A file's content.

    Raises:
        FileError: there is no such file, or it is a folder.
    """
    if not path.exists():
        raise FileError(f"there is no file {path}")
    if path.is_dir():
        raise FileError(f"{path} is a folder, not a file")
    return path.read_bytes()
