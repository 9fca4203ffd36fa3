"""What a weight stream and its row records need: prepared rows, checked sums, records, and the pixels of each pass."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.errors import CompileError
from openwork_hw.arch import encodings
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.encodings import PreparedRows
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, RowRecord, SparseRows


def dummy_rows() -> SparseRows:
    """The dummy row, for a stream that has no row to compute. Its result is dropped."""
    one = np.ones(1, dtype=np.int64)
    return SparseRows(0 * one, one, 0 * one, np.zeros(1, dtype=np.int8))


def prepare_streams(
    name: str, encoding: Encoding, streams: Sequence[SparseRows], columns: ColumnLayout
) -> tuple[PreparedRows, ...]:
    """The rows of each stream as the array sees them, fillers included.

    Raises:
        CompileError: the encoding cannot write these rows.
    """
    try:
        return tuple(encodings.prepared(encoding, rows, columns) for rows in streams)
    except ValueError as error:
        raise CompileError(f"layer {name!r}: {error}") from None


def check_sums(
    name: str,
    config: ArrayConfig,
    magnitudes: NDArray[np.int64],
    offsets: NDArray[np.int64],
    shifts: NDArray[np.int64],
) -> None:
    """Prove that every sum fits its accumulator, and that no shift is too large.

    Args:
        name: name of the step, for messages.
        magnitudes: for each row the sum of the absolute values of its weights. A weight counts as often as one sum uses it.
        offsets: offset of each row.
        shifts: shift of each row.

    Raises:
        CompileError: a sum may not fit, or a shift is too large. The message gives the row, the need and the limit.
    """
    if shifts.max() > config.max_shift:
        row = int(shifts.argmax())
        raise CompileError(
            f"layer {name!r}, row {row}: the shift is {shifts[row]}, and {config.sum_bits}-bit accumulators "
            f"allow {config.max_shift}: use larger weight scales or wider accumulators"
        )
    reach = magnitudes * 128 + np.abs(offsets)
    limit = 1 << (config.sum_bits - 1)
    if reach.max() >= limit:
        row = int(reach.argmax())
        raise CompileError(
            f"layer {name!r}, row {row}: sums can reach {reach[row]}, and {config.sum_bits}-bit accumulators "
            f"hold less than {limit}: use smaller weights, a larger bias scale or wider accumulators"
        )


def row_records(
    rows: NDArray[np.int64],
    offsets: NDArray[np.int64],
    shifts: NDArray[np.int64],
    write: bool,
    positions: NDArray[np.int64] | None = None,
) -> tuple[RowRecord, ...]:
    """The row records of a stream.

    Args:
        rows: numbers of the rows of the stream.
        offsets, shifts: offset and shift of each row of the matrix.
        write: whether the results are written.
        positions: the word at which each row of the matrix is written; None means the row's own number.
    """
    return tuple(
        RowRecord(
            row=row if positions is None else int(positions[row]),
            offset=int(offsets[row]),
            shift=int(shifts[row]),
            write=write,
            last=index == len(rows) - 1,
        )
        for index, row in enumerate(rows.tolist())
    )


def even_passes(pixels: int, limit: int) -> tuple[int, ...]:
    """The pixels of each pass: as few passes as possible, each of at most `limit` pixels, and as equal as possible.

    >>> even_passes(10, 4)
    (3, 3, 4)
    """
    passes = -(-pixels // limit)
    return tuple((pixels * (index + 1)) // passes - (pixels * index) // passes for index in range(passes))
