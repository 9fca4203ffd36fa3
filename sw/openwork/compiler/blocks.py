"""Rows that run together, their columns numbered so that a row passes few numbers that it does not use.

A column number is a tap and a channel, and a packed stream pays for every number between two nonzeros. A residual reads one
channel in a row, and another one in each, so that all rows of a layer together use as many numbers of its map as there are rows.
Therefore a tap may be cut into ranges of channels, each with its own entry of the tap table, and the rows into blocks of as
many, each with passes of its own; ranges that no row of a block reads have no number.
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
"""Of a range. Narrower ones need more entries of the tap table than they save bits."""


@dataclass(frozen=True, eq=False)
class RowBlock:
    """Some rows of a step.

    Attributes:
        rows: int64 [rows], their numbers.
        layout: what a column number says.
        taps: for each tap of the layout, what it reads.
        nonzeros: of the rows; taps and channels are those of the layout.
    """

    rows: NDArray[np.int64]
    layout: ColumnLayout
    taps: tuple[Tap, ...]
    nonzeros: Nonzeros

    def stream(self, part: NDArray[np.int64]) -> SparseRows:
        """The rows at these places of the block, in that order, as a stream; a dummy where there are none."""
        if not len(part):
            return dummy_rows()
        chosen = self.nonzeros.select(part)
        columns = chosen.taps << self.layout.channel_bits | chosen.channels
        return SparseRows(self.rows[part], chosen.lengths, columns, chosen.values)


def row_block(form: Form, rows: NDArray[np.int64], channels: int) -> RowBlock:
    """Rows of a step, its taps cut into ranges of `channels`.

    Raises:
        CompileError: too many taps or columns.
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


def ways_to_cut(form: Form) -> Iterator[tuple[RowBlock, ...]]:
    """Not at all, and then every way that leaves fewer column numbers.

    Raises:
        CompileError: as `row_block`, if no way works.
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
