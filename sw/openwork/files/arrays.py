"""Arrays as NumPy's `.npy` files."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwork.files.whole import FileError, read_whole, write_whole


def read_array(path: Path) -> NDArray[Any]:
    """The array in a `.npy` file; nothing is unpickled.

    Raises:
        FileError: there is no such file, or it is not a whole `.npy` file of numbers.
    """
    content = BytesIO(read_whole(path))
    try:
        array: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
    except (ValueError, EOFError, TypeError, SyntaxError, MemoryError) as error:
        first = str(error).strip().partition("\n")[0]
        raise FileError(f"{path} is not a whole .npy file of numbers: {first}") from None
    if content.read(1):
        raise FileError(f"{path} is not a whole .npy file of numbers: something follows the array")
    return array


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write a `.npy` file, as a whole or not at all."""
    content = BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=False)
    write_whole(path, content.getvalue())
