"""What our safetensors files share: JSON text in the metadata that says which format and version they are."""

import json
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from openwork.files.whole import FileError

METADATA_KEY = "openwork"


def open_container(
    content: bytes, name: str, *, suffix: str, file_format: str, version: int
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The tensors and the header of a file.

    Args:
        content: of the file.
        name: of the file, for messages.
        suffix: that such files have.
        file_format, version: that the header must name.

    Raises:
        FileError: the file is not whole, or of another format or version.
    """
    try:
        arrays = load(content)
        length = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][METADATA_KEY])
        found = header["version"] if header["format"] == file_format else None
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        first = str(error).strip().partition("\n")[0]
        raise FileError(f"{name} is not a whole {suffix} file: {type(error).__name__}: {first}") from None
    if found is None:
        raise FileError(f"{name} is not a whole {suffix} file: it is a file of another kind")
    if found != version:
        raise FileError(f"{name} is a {suffix} file of version {found}, and this Openwork reads version {version}")
    return arrays, header
