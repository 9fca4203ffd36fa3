"""What our safetensors files share: JSON text in the metadata that says which format and version they are."""

from typing import Any, TypeVar

import msgspec
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from openwork.files.whole import FileError

METADATA_KEY = "openwork"

Entries = TypeVar("Entries")


class _Kind(msgspec.Struct, frozen=True):
    """What every file of ours says of itself, whatever else its format and version have."""

    format: str
    version: int


def open_container(
    content: bytes, name: str, *, suffix: str, file_format: str, version: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The tensors and the header of a file.

    Args:
        content: of the file.
        name: of the file, for messages.
        suffix: that such files have.
        file_format, version: that the header must name.

    Returns:
        The tensors by name; the header as JSON values that nobody has looked at yet, see `decode_entries`.

    Raises:
        FileError: the file is not whole, or of another format or version.
    """
    try:
        arrays = load(content)
        length = int.from_bytes(content[:8], "little")
        text = msgspec.json.decode(content[8 : 8 + length])["__metadata__"][METADATA_KEY]
        header = msgspec.json.decode(text)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        first = str(error).strip().partition("\n")[0]
        raise FileError(f"{name} is not a whole {suffix} file: {type(error).__name__}: {first}") from None
    try:
        kind = msgspec.convert(header, _Kind)
    except msgspec.ValidationError:
        kind = _Kind("", 0)
    if kind.format != file_format:
        raise FileError(f"{name} is not a whole {suffix} file: it is a file of another kind")
    if kind.version != version:
        raise FileError(
            f"{name} is a {suffix} file of version {kind.version}, and this Openwork reads version {version}"
        )
    return arrays, header


def decode_entries(entries: Any, kind: type[Entries], name: str, what: str) -> Entries:
    """JSON values as a structure, strictly: no key more or less, no other type, no number out of its range.

    Args:
        entries: JSON values.
        kind: a structure of msgspec.
        name: of the file, for messages.
        what: the entries are, for messages: "a network".

    Raises:
        FileError: they are another structure; the message says where.
    """
    try:
        return msgspec.convert(entries, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        reason, _, place = str(error).replace("`", "").partition(" - at $")
        where = f"in {place.removeprefix('.')}, " if place else ""
        raise FileError(f"{name} holds {what} that means nothing: {where}{reason[:1].lower()}{reason[1:]}") from None
