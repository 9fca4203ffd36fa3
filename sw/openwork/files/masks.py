"""Masks in files of others: `.npz` with dense arrays or one CSR matrix, `.npy`, and `.smtx`. All of them are checked here.

The formats are in `docs/formats.md`. Whatever a file says of its sizes is compared with `openwork.limits` before memory is
taken, and the parts of a sparse matrix are compared with each other.
"""

import re
import zipfile
import zlib
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwork.files.arrays import decode_array
from openwork.files.whole import FileError, read_whole
from openwork.limits import FREE_WEIGHTS, MAX_FILE, MAX_STEPS, MAX_UNPACKING, MAX_WEIGHTS, check_limit
from openwork.masks import Mask
from openwork_hw.arch.nonzeros import MAX_ROWS

SUFFIXES = (".npz", ".npy", ".smtx")

CSR_ARRAYS = {"format", "shape", "data", "indices", "indptr"}
"""What `scipy.sparse.save_npz` writes for a CSR matrix; newer versions add `_is_array`."""

LONGEST_NUMBER = 10
"""Digits of the longest number of a `.smtx` file: no index and no count of ours has more."""

BYTES_PER_WEIGHT = 8
"""Of the widest numbers that a dense mask can have."""


def read_masks(path: Path) -> tuple[Mask, ...]:
    """The masks of a file, each with its name: one per dense array, and one per sparse matrix.

    Raises:
        FileError: there is no such file, or it is of another kind, not whole, too large, or contradicts itself.
    """
    if path.suffix not in SUFFIXES:
        raise FileError(f"{path} must be a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file of masks")
    content = read_whole(path)
    if path.suffix == ".smtx":
        found = {path.stem: _smtx(str(path), content)}
    elif path.suffix == ".npy":
        found = {path.stem: _dense(str(path), decode_array(str(path), content, MAX_FILE))}
    else:
        arrays = _members(str(path), content)
        if arrays.keys() >= CSR_ARRAYS:
            found = {path.stem: _scipy(str(path), arrays, len(content))}
        elif "indptr" in arrays or "format" in arrays:
            raise FileError(
                f"{path} holds the arrays {', '.join(sorted(arrays))}, and a CSR matrix of scipy has "
                f"{', '.join(sorted(CSR_ARRAYS))}: save matrix.tocsr() with scipy.sparse.save_npz"
            )
        else:
            found = {name: _dense(f"{path}, array {name!r},", array) for name, array in arrays.items()}
    if not found:
        raise FileError(f"{path} holds no array")
    weights = 0
    for stays in found.values():
        weights += stays.size
        _check_weights(str(path), weights, len(content))
    return tuple(Mask(name, stays) for name, stays in found.items())


def _check_weights(name: str, weights: int, file_bytes: int) -> None:
    limit = min(MAX_WEIGHTS, max(FREE_WEIGHTS, MAX_UNPACKING * file_bytes))
    check_limit(FileError, f"{name}, of {file_bytes:,} bytes,", weights, limit, "bytes of weights, zeros included")


def _members(name: str, content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of a `.npz` file by name. Nothing is unpickled, and nothing is unpacked before its size is known."""
    try:
        archive = zipfile.ZipFile(BytesIO(content))
        members = archive.infolist()
        check_limit(FileError, name, len(members), MAX_STEPS, "arrays")
        limit = min(MAX_FILE, BYTES_PER_WEIGHT * max(FREE_WEIGHTS, MAX_UNPACKING * len(content)))
        unpacked = sum(member.file_size for member in members)
        check_limit(FileError, f"{name}, of {len(content):,} bytes,", unpacked, limit, "bytes when it is unpacked")
        names = [member.filename.removesuffix(".npy") for member in members]
        if len(set(names)) < len(names):
            raise FileError(f"{name} holds two arrays of one name")
        arrays = {}
        for key, member in zip(names, members, strict=True):
            if not key or not key.isprintable() or not member.filename.endswith(".npy"):
                raise FileError(f"{name} is not a whole .npz file: it holds {member.filename!r}, which is no array")
            what = f"{name}, array {key!r},"
            text = key == "format"  # the one array of letters that scipy writes
            arrays[key] = decode_array(what, archive.read(member), MAX_FILE, "S" if text else "biuf")
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError, ValueError) as error:
        if isinstance(error, FileError):
            raise
        first = str(error).strip().partition("\n")[0]
        raise FileError(f"{name} is not a whole .npz file: {first or type(error).__name__}") from None
    return arrays


def _dense(what: str, array: NDArray[Any]) -> NDArray[np.bool_]:
    """What stays, of an array of truth values or numbers: whatever is not 0."""
    if array.ndim not in (2, 4) or not array.size:
        raise FileError(
            f"{what} must be [rows, columns] or [rows, channels, kernel_h, kernel_w], not empty, not {list(array.shape)[:8]}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise FileError(f"{what} holds NaN or infinite numbers")
    _check_rows(what, len(array))
    stays: NDArray[np.bool_] = array != 0
    return stays


def _scipy(name: str, arrays: dict[str, NDArray[Any]], file_bytes: int) -> NDArray[np.bool_]:
    """What stays, of a CSR matrix as `scipy.sparse.save_npz` writes it. Stored zeros do not stay."""
    kind, shape, data = arrays["format"], arrays["shape"], arrays["data"]
    text = b"".join(kind.reshape(-1)[:1].tolist())
    if text != b"csr":
        said = ascii(text.decode(errors="replace"))
        raise FileError(f"{name} holds a matrix of the format {said}: save matrix.tocsr() instead")
    for key in ("shape", "indices", "indptr"):
        if arrays[key].dtype.kind not in "iu" or arrays[key].ndim != 1:
            raise FileError(f"{name}: {key} must be a row of whole numbers, not {arrays[key].dtype}")
    if shape.shape != (2,) or data.shape != arrays["indices"].shape:
        raise FileError(f"{name}: shape must be two numbers, and data as long as indices")
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        raise FileError(f"{name}: data holds NaN or infinite numbers")
    rows, columns = (int(size) for size in shape)
    return _matrix(name, rows, columns, arrays["indptr"], arrays["indices"], data != 0, file_bytes)


def _smtx(name: str, content: bytes) -> NDArray[np.bool_]:
    """What stays, of a file of the Deep Learning Matrix Collection.

    Its lines are: rows, columns and nonzeros; where each row begins, and the end of the last; the column of each nonzero.
    """
    if strange := content.translate(None, b"0123456789 \t\r\n,"):
        raise FileError(
            f"{name} is no .smtx file: it holds {strange[:20].decode('latin-1')!a}, and only numbers may be there"
        )
    if re.search(rb"\d{%d}" % (LONGEST_NUMBER + 1), content):
        raise FileError(f"{name} is no .smtx file: a number has more than {LONGEST_NUMBER} digits")
    lines = content.replace(b",", b" ").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) == 2:
        lines.append(b"")  # a matrix of zeros
    if len(lines) != 3:
        raise FileError(f"{name} is no .smtx file: it has {len(lines)} lines, and must have three")
    head, offsets, indices = (np.array(line.split(), dtype="S10").astype(np.int64) for line in lines)
    if len(head) != 3 or len(indices) != head[2]:
        raise FileError(
            f"{name} is no .smtx file: its first line must be rows, columns and nonzeros, and the third line holds "
            f"{len(indices):,} of them"
        )
    return _matrix(name, int(head[0]), int(head[1]), offsets, indices, np.ones(len(indices), np.bool_), len(content))


def _matrix(
    name: str,
    rows: int,
    columns: int,
    offsets: NDArray[Any],
    indices: NDArray[Any],
    stays: NDArray[np.bool_],
    file_bytes: int,
) -> NDArray[np.bool_]:
    """The dense matrix of a CSR matrix, bool [rows, columns], after its parts were compared with each other."""
    if rows < 1 or columns < 1:
        raise FileError(f"{name} holds a matrix of {rows} x {columns}: both must be 1 or more")
    _check_rows(name, rows)
    _check_weights(name, prod((rows, columns)), file_bytes)
    starts = offsets.astype(np.int64)
    ends = len(starts) == rows + 1 and starts[0] == 0 and starts[-1] == len(indices)
    if not ends or starts.min() < 0 or starts.max() > len(indices) or (np.diff(starts) < 0).any():
        raise FileError(
            f"{name}: where its {rows:,} rows begin must be {rows + 1:,} numbers from 0 to {len(indices):,}, none less than "
            "the one before"
        )
    wrong = indices[(indices < 0) | (indices >= columns)]
    if wrong.size:
        raise FileError(f"{name}: a nonzero is in column {wrong[0]}, and there are {columns:,} columns")
    places = np.repeat(np.arange(rows, dtype=np.int64), np.diff(starts)) * columns + indices.astype(np.int64)
    matrix = np.zeros(rows * columns, np.bool_)
    matrix[places] = True
    if np.count_nonzero(matrix) < len(places):
        raise FileError(f"{name}: a row names a column twice")
    matrix[places[~stays]] = False
    return matrix.reshape(rows, columns)


def _check_rows(name: str, rows: int) -> None:
    check_limit(FileError, name, rows, MAX_ROWS, "rows")
