"""Cuts the rows of a run into blocks, so that the column numbers of each block are few.

A column number consists of a tap and a channel, and a packed stream pays for every number between two nonzeros. A residual,
for example, reads a single channel per row, and another channel in each row: every row then passes the numbers of all channels.
Therefore a tap may be cut into ranges of channels, each with an entry of its own in the tap table. The rows are cut into
blocks of the same size, each with passes of its own. A range that no row of a block reads gets no column numbers.

A block whose words are too many for an image memory that passes share is cut again.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.errors import CompileError
from openwork.compiler.rows import dummy_rows
from openwork.network import MAX_TAPS
from openwork.operations.form import Form, Nonzeros, Tap
from openwork_hw.arch.config import bits_for
from openwork_hw.arch.nonzeros import ColumnLayout, SparseRows

LEAST_CHANNELS = 8
"""Least channels per range. Narrower ranges cost more entries of the tap table than they save bits."""


@dataclass(frozen=True, eq=False)
class RowBlock:
    """Rows of a run that share passes, and their column numbers.

    Attributes:
        rows: int64 [rows], the numbers of the rows.
        layout: how column numbers hold taps and channels.
        taps: what each tap of the layout reads.
        nonzeros: the nonzeros of the rows, with the taps and channels of the layout.
    """

    rows: NDArray[np.int64]
    layout: ColumnLayout
    taps: tuple[Tap, ...]
    nonzeros: Nonzeros

    def stream(self, part: NDArray[np.int64]) -> SparseRows:
        """The rows at the given indices of the block as a stream, in the given order; a dummy row if there are none."""
        if not len(part):
            return dummy_rows()
        chosen = self.nonzeros.select(part)
        columns = chosen.taps << self.layout.channel_bits | chosen.channels
        return SparseRows(self.rows[part], chosen.lengths, columns, chosen.values)


def row_block(form: Form, rows: NDArray[np.int64], channels: int) -> RowBlock:
    """Some rows of a form as a block whose taps are cut into ranges of `channels` channels.

    Raises:
        CompileError: the block has too many taps or columns.
    """
    chosen = form.nonzeros.select(rows)
    ranges = int(chosen.channels.max()) // channels + 1
    numbers = chosen.taps * ranges + chosen.channels // channels
    used = np.flatnonzero(np.bincount(numbers))
    within = chosen.channels % channels
    if len(used) > MAX_TAPS:
        raise CompileError(
            f"layer {form.name!r}: a row has at most {MAX_TAPS} taps, not {len(used)}: use a smaller kernel"
        )
    try:
        layout = ColumnLayout(len(used), int(within.max()) + 1)
    except ValueError as error:
        raise CompileError(f"layer {form.name!r}: {error}") from None
    taps = tuple(form.taps[number // ranges]._replace(channel=number % ranges * channels) for number in used.tolist())
    return RowBlock(rows, layout, taps, Nonzeros(chosen.lengths, np.searchsorted(used, numbers), within, chosen.values))


def cut_again(form: Form, block: RowBlock, parts: int) -> list[RowBlock]:
    """The rows of a block as several blocks, with about the same number of nonzeros in each of them.

    Args:
        parts: how many blocks; at most as many as the block has rows.
    """
    ends = np.cumsum(block.nonzeros.lengths)
    cuts = np.searchsorted(ends, ends[-1] * np.arange(1, parts) / parts, side="left") + 1
    # Every part has a row, however long the rows beside it are.
    cuts = np.maximum.accumulate(cuts - np.arange(1, parts)) + np.arange(1, parts)
    cuts = np.minimum(cuts, len(block.rows) - parts + np.arange(1, parts))
    return [row_block(form, rows, 1 << block.layout.channel_bits) for rows in np.split(block.rows, cuts)]


def ways_to_cut(form: Form) -> Iterator[tuple[RowBlock, ...]]:
    """The ways to cut the rows of a form: first uncut, then every way with fewer column numbers than all ways before.

    Raises:
        CompileError: no way works, for the reason that `row_block` gives.
    """
    count = len(form.offsets)
    rows = np.arange(count)
    channels = 1 << bits_for(int(form.nonzeros.channels.max()) + 1)
    fewest: int | None = None
    reason: CompileError | None = None
    while fewest is None or channels >= LEAST_CHANNELS:
        for size in (count, channels):
            if size > count:
                continue
            try:
                blocks = tuple(row_block(form, rows[first : first + size], channels) for first in range(0, count, size))
            except CompileError as error:
                reason = reason or error
                continue
            columns = sum(block.layout.columns * len(block.rows) for block in blocks)
            if fewest is None or columns < fewest:
                fewest = columns
                yield blocks
        if channels == 1:
            break
        channels //= 2
    if fewest is None and reason is not None:
        raise reason
