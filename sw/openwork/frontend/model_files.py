"""The content of a model's file, before anybody looks at it."""

from pathlib import Path

from openwork_hw.arch.refusal import Refusal


class LoadingError(Refusal):
    """A model that cannot be loaded. The message gives its name and the reason."""


def content_of(path: Path, most: int) -> bytes:
    """The content of a file.

    Args:
        most: bytes that it may have.

    Raises:
        LoadingError: there is no such file, it cannot be read, or it is larger.
    """
    try:
        if not path.is_file():
            raise LoadingError(f"there is no file {path}")
        if path.stat().st_size > most:
            raise LoadingError(f"{path} is of {path.stat().st_size:,} bytes, and {most:,} are possible")
        return path.read_bytes()
    except OSError as error:
        raise LoadingError(f"{path} cannot be read: {error.strerror}") from None
