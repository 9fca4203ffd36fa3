"""Arrays as NumPy's `.npy` files."""

import warnings
import zipfile
from collections.abc import Mapping
from io import BytesIO
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from openwork.files.whole import FileError, read_whole, write_whole
from openwork.limits import MAX_ARRAY_FILE, check_limit

KINDS = "biuf"
"""NumPy's letters of the dtypes that hold numbers: truth values, whole numbers, floating point."""

MAX_DIMENSIONS = 32
"""More than any array of ours has; NumPy takes up to 64."""


def read_array(path: Path) -> NDArray[Any]:
    """The array in a `.npy` file; nothing is unpickled.

    Raises:
        FileError: there is no such file, or it is not a whole `.npy` file of numbers.
    """
    return decode_array(str(path), read_whole(path, MAX_ARRAY_FILE), MAX_ARRAY_FILE)


def decode_array(name: str, content: bytes, limit: int, kinds: str = KINDS) -> NDArray[Any]:
    """The array of a `.npy` file's content.

    Args:
        name: of the file, or of the array in a file, for messages.
        content: of the file.
        limit: values that the array may have.
        kinds: NumPy's letters of the dtypes that it may have.

    Raises:
        FileError: it is not a whole `.npy` file of numbers.
    """
    shape, fortran_order, dtype, start = _header(name, content)
    if dtype.kind not in kinds:
        raise FileError(f"{name} is not a whole .npy file of numbers: it holds {dtype}")
    if min(shape, default=0) < 0 or len(shape) > MAX_DIMENSIONS:
        raise FileError(f"{name} is not a whole .npy file of numbers: its shape is {list(shape)[:8]}")
    # Of an array without a value, NumPy still multiplies the other sizes.
    check_limit(FileError, f"the array of {name}", prod(filter(None, shape)), limit, "values")
    need, found = prod(shape) * dtype.itemsize, len(content) - start
    if need != found:
        raise FileError(
            f"{name} is not a whole .npy file of numbers: its header says {dtype} {list(shape)[:8]}, {need:,} bytes, "
            f"and {found:,} follow"
        )
    array = np.frombuffer(content, dtype, offset=start)
    return array.reshape(shape, order="F" if fortran_order else "C").astype(dtype.newbyteorder("="), order="C")


def _header(name: str, content: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, Fortran order, dtype, and where the data begins."""
    file = BytesIO(content)
    try:
        with warnings.catch_warnings(action="ignore"):  # of the parser, about a header that it does not like
            version = npy.read_magic(file)
            read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
            shape, fortran_order, dtype = read(file)
    except KeyError:
        raise FileError(f"{name} is not a whole .npy file of numbers: it is of version {version[0]}") from None
    except (
        ValueError,
        EOFError,
        TypeError,
        SyntaxError,
        TokenError,
        OverflowError,
        RecursionError,
        MemoryError,
    ) as error:
        first = str(error).strip().partition("\n")[0]
        raise FileError(f"{name} is not a whole .npy file of numbers: {first or type(error).__name__}") from None
    return shape, fortran_order, dtype, file.tell()


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write a `.npy` file, as a whole or not at all."""
    content = BytesIO()
    npy.write_array(content, array, allow_pickle=False)
    write_whole(path, content.getvalue())


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a `.npz` file of arrays with names, as a whole or not at all; equal arrays give equal bytes."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = BytesIO()
            npy.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    write_whole(path, content.getvalue())
