"""Predicts the exact cycles of a command: the cycles that its report gives if no stream from outside stalls.

The array behind a feeder never stalls. Therefore a pass ends a fixed time after the last nonzero of its slowest stream has left
the row buffer. If nonzeros arrive as fast as they are replayed (`csr` and `packed`), this time follows from the lengths of the
rows alone. For slower streams (`triplet`, and `csr` in a compact array), `supply` follows every nonzero.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.supply import Replay, followed_end, slow_decoder
from openwork_hw.arch.commands import TABLE_VALUES, LoadCommand, MoveCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import move_period
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import (
    DECODER_CYCLES,
    HEADER_CYCLES,
    LOAD_CYCLES,
    LOADED_CYCLES,
    ORDER_CYCLES,
    STORE_CYCLES,
    VISIBLE_CYCLES,
    WORD_CYCLES,
    held_cycles,
    pass_overhead,
    way_cycles,
)

MOVED_CYCLES = 4
"""From asking for a word to its beat, and from the sequencer's queue to its first byte's: besides `way_cycles`."""


def pass_cycles(
    config: ArrayConfig,
    encoding: Encoding,
    hold: int,
    tap_entries: int,
    streams: Sequence[NDArray[np.int64]],
    *,
    pooled: bool = False,
) -> int:
    """Cycles of a pass over `hold` local pixels.

    Args:
        tap_entries: entries of the pass's tap table. The array loads one entry per cycle.
        streams: for each stream, int64 [rows]: the lengths of its rows, padding and fillers included (`encodings.prepare`).
        pooled: whether the pass adds up sums over lanes and PEs.
    """
    slowest = max(stream_end(config, encoding, hold, lengths, pooled=pooled) for lengths in streams)
    return pass_overhead(config) + tap_entries + slowest


def stream_end(
    config: ArrayConfig, encoding: Encoding, hold: int, lengths: NDArray[np.int64], *, pooled: bool = False
) -> int:
    """The cycle in which a stream's last nonzero leaves the row buffer for the last time, counted from the feeder's start."""
    if (decoder := slow_decoder(config, encoding, lengths)) is not None:
        return followed_end(config, decoder, hold, lengths, pooled=pooled)
    first = 1 + WORD_CYCLES + HEADER_CYCLES + DECODER_CYCLES[encoding] + VISIBLE_CYCLES
    return first - 1 + steady_cycles(config, hold, lengths, pooled=pooled)


def steady_cycles(config: ArrayConfig, hold: int, lengths: NDArray[np.int64], *, pooled: bool = False) -> int:
    """Cycles from a stream's first nonzero to its last nonzero, both counted, if one nonzero arrives per cycle.

    A row takes max(nonzeros, spacing) cycles per local pixel, because a PE drains one lane per cycle. Only the first row on the
    first local pixel finds the drain idle, and takes as many cycles as it has nonzeros. If the memory has one port, nothing
    leaves the row buffer `write_cycles` cycles after the last nonzero of a row.

    >>> steady_cycles(ArrayConfig(1, 4), hold=2, lengths=np.array([2, 9]))     # 2 + 4 + 9 + 9
    24
    """
    if not config.single_port:
        spaced = np.maximum(lengths, config.row_spacing)
        return int(hold * spaced.sum() - spaced[0] + lengths[0])
    replay = Replay(config, pooled=pooled)
    for length in np.repeat(lengths, hold).tolist():
        replay.pixel(length)
    return replay.last + 1


def load_cycles(config: ArrayConfig, load: LoadCommand) -> int:
    """Cycles that a LOAD reports: one per byte, if it is not one of an external memory."""
    if load.pieces:
        return ORDER_CYCLES
    return LOAD_CYCLES + load.words * config.lanes + held_cycles(config)


def table_cycles(config: ArrayConfig) -> int:
    """Cycles that a TABLE reports: one per value."""
    return LOAD_CYCLES + TABLE_VALUES + held_cycles(config)


def store_cycles(config: ArrayConfig, store: StoreCommand) -> int:
    """Cycles that a STORE reports: `row_spacing` per word, and the way of the last word, if it is not one of an external memory."""
    if store.pieces:
        return ORDER_CYCLES
    return (
        STORE_CYCLES + (store.words - 1) * config.row_spacing + way_cycles(config) + config.lanes + held_cycles(config)
    )


def move_cycles(config: ArrayConfig, move: MoveCommand) -> int:
    """Cycles that a MOVE reports: `move_period` per word, and the way of the last word and of its bytes.

    A memory with one port writes no byte in the cycle in which the next word would be read, LOADED_CYCLES before the end of a
    period. After the last word no word is read, but a byte that is due in this cycle still waits.
    """
    period = move_period(config, move)
    last = config.lanes - move.lanes + move.lanes * config.lanes
    waits = config.single_port and period - LOADED_CYCLES >= way_cycles(config) + MOVED_CYCLES
    way = way_cycles(config) + last + held_cycles(config)
    return STORE_CYCLES + (move.words - 1) * period + way + waits
