"""A file is there as a whole or not at all; what cannot be read or written is a sentence that names the file."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openwork.limits import MAX_FILE, check_limit
from openwork_hw.arch.refusal import Refusal


class FileError(Refusal):
    """A file that is missing, damaged or of another kind, or cannot be written; the message names it and the reason."""


@contextmanager
def naming(path: Path, what: str) -> Iterator[None]:
    """What the system says against a file becomes a sentence.

    Args:
        path: of the file.
        what: cannot be done with it: read, written.

    Raises:
        FileError: for every OSError, and for a path that no file can have.
    """
    if "\0" in str(path):
        raise FileError("the name of a file cannot hold a null character")
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        other = error.filename if isinstance(error.filename, str) and error.filename != str(path) else None
        where = f" ({other})" if other and not Path(other).name.endswith(".part") else ""
        raise FileError(f"{path} cannot be {what}: {reason[:1].lower()}{reason[1:]}{where}") from None


def check_output(path: Path) -> Path:
    """Make sure, before any work is done, that a file can be written.

    Args:
        path: of the file; where it is a link, the file that it leads to is written.

    Returns:
        Where the file itself is or will be, links followed.

    Raises:
        FileError: the path is a folder, or what is no regular file, or there is no folder for it, or nothing may be
            written into that.
    """
    with naming(path, "written"):
        target = Path(os.path.realpath(path))
        found = _mode(target)
        if found is not None and stat.S_ISDIR(found):
            raise FileError(f"{path} is a folder: name the file to write")
        if found is not None and not stat.S_ISREG(found):
            raise FileError(f"{path} is {_kind(found)}, not a file: name the file to write")
        folder = target.parent if path.is_symlink() else path.parent
        if not target.parent.is_dir():
            raise FileError(f"{path} cannot be written: there is no folder {folder}")
        if not os.access(target.parent, os.W_OK | os.X_OK):
            raise FileError(f"{path} cannot be written: nothing may be written into the folder {folder}")
    return target


def check_folder(path: Path) -> None:
    """Make sure, before any work is done, that files can be written into a folder, which may not be there yet.

    Raises:
        FileError: the path is a file, or leads through one, or nothing may be written there.
    """
    with naming(path, "written into"):
        above = Path(os.path.realpath(path))
        while (found := _mode(above)) is None:
            above = above.parent
        if not stat.S_ISDIR(found):
            raise FileError(f"{path} must be a folder, and {above} is {_kind(found)}")
        if not os.access(above, os.W_OK | os.X_OK):
            raise FileError(f"{path} cannot be written into: nothing may be written into the folder {above}")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it, so that nobody ever sees half of it. Links stay, and are followed.

    Raises:
        FileError: it cannot be written; what was there before still is.
    """
    target = check_output(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    with naming(path, "written"):
        _remove_leftovers(target)
        try:
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def check_input(path: Path, limit: int = MAX_FILE) -> None:
    """Make sure that there is a file to read.

    Args:
        path: of the file.
        limit: bytes that it may have.

    Raises:
        FileError: there is no such file, or it is a folder, no regular file, or too large.
    """
    with naming(path, "read"):
        found = _mode(Path(os.path.realpath(path)))
        if found is None:
            raise FileError(f"there is no file {path}")
        if stat.S_ISDIR(found):
            raise FileError(f"{path} is a folder, not a file")
        if not stat.S_ISREG(found):
            raise FileError(f"{path} is {_kind(found)}, not a file")
        check_limit(FileError, f"reading {path}", path.stat().st_size, limit, "bytes")


def read_whole(path: Path, limit: int = MAX_FILE) -> bytes:
    """A file's content; the arguments are those of `check_input`.

    Raises:
        FileError: see `check_input`; or the file cannot be read.
    """
    check_input(path, limit)
    with naming(path, "read"):
        try:
            return path.read_bytes()
        except MemoryError:
            raise FileError(
                f"{path} has {path.stat().st_size:,} bytes, more than this machine has memory for"
            ) from None


def _mode(path: Path) -> int | None:
    """What is at a path, as `os.lstat` says it; None if nothing is."""
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _kind(mode: int) -> str:
    """In words, what is at a path."""
    kinds = (
        (stat.S_ISREG, "a file"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISLNK, "a link that leads nowhere"),
    )
    return next((words for test, words in kinds if test(mode)), "of an unknown kind")


def _remove_leftovers(target: Path) -> None:
    """Remove what processes left beside a file when they were killed while they wrote it."""
    prefix, suffix = f".{target.name}.", ".part"
    for one in os.scandir(target.parent):
        process = one.name.removeprefix(prefix).removesuffix(suffix)
        if one.name == f"{prefix}{process}{suffix}" and process.isdecimal() and not _runs(int(process)):
            Path(one.path).unlink(missing_ok=True)


def _runs(process: int) -> bool:
    """Whether a process of this number is there."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
