"""Cycles of one pass, exactly: what the report of its RUN command says, if no stream from outside stalls.

The array never stalls behind a feeder, so a pass is over a fixed time after the last nonzero of its slowest stream has
left the row buffer. When that is follows from the lengths of the stream's rows alone, where nonzeros arrive as fast as they
are replayed (`csr` and `packed`). Slower streams (`triplet`, and `csr` of a compact array) are followed (`supply`).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.supply import Replay, followed_end, slow_decoder
from openwork_hw.arch.commands import LoadCommand, MoveCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import move_period
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import (
    DECODER_CYCLES,
    HEADER_CYCLES,
    LOAD_CYCLES,
    LOADED_CYCLES,
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
        tap_entries: entries of the pass's tap table, loaded one a cycle.
        streams: for each stream, int64 [rows]: the lengths of its rows, padding and fillers included (`encodings.prepare`).
        pooled: its sums are taken over lanes and PEs.
    """
    slowest = max(stream_end(config, encoding, hold, lengths, pooled=pooled) for lengths in streams)
    return pass_overhead(config) + tap_entries + slowest


def stream_end(
    config: ArrayConfig, encoding: Encoding, hold: int, lengths: NDArray[np.int64], *, pooled: bool = False
) -> int:
    """Cycle, counted from the feeder's start, in which a stream's last nonzero leaves the row buffer for the last time."""
    if (decoder := slow_decoder(config, encoding, lengths)) is not None:
        return followed_end(config, decoder, hold, lengths, pooled=pooled)
    first = 1 + WORD_CYCLES + HEADER_CYCLES + DECODER_CYCLES[encoding] + VISIBLE_CYCLES
    return first - 1 + steady_cycles(config, hold, lengths, pooled=pooled)


def steady_cycles(config: ArrayConfig, hold: int, lengths: NDArray[np.int64], *, pooled: bool = False) -> int:
    """Cycles from a stream's first nonzero to its last one, both counted, where nonzeros arrive one a cycle.

    A (row, pixel) takes max(nonzeros, spacing) cycles, since an element drains one lane a cycle; only the first one,
    which finds the drain idle, takes as many as it has nonzeros. With one memory port nothing leaves write_cycles cycles
    after a last nonzero.

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
    """Cycles of a LOAD's report: a byte a cycle."""
    return LOAD_CYCLES + load.words * config.lanes + held_cycles(config)


def store_cycles(config: ArrayConfig, store: StoreCommand) -> int:
    """Cycles of a STORE's report: a word in `row_spacing` cycles, and the way of the last one."""
    return (
        STORE_CYCLES + (store.words - 1) * config.row_spacing + way_cycles(config) + config.lanes + held_cycles(config)
    )


def move_cycles(config: ArrayConfig, move: MoveCommand) -> int:
    """Cycles of a MOVE's report: a word in `move_period` cycles, and the way of the last one and its bytes.

    In a memory with one port no byte is written in the cycle that the next word would be read in, LOADED_CYCLES before a period's
    end. After the last word nothing is read, and yet a byte that is due there waits.
    """
    period = move_period(config, move)
    last = config.lanes - move.lanes + move.lanes * config.lanes
    waits = config.single_port and period - LOADED_CYCLES >= way_cycles(config) + MOVED_CYCLES
    way = way_cycles(config) + last + held_cycles(config)
    return STORE_CYCLES + (move.words - 1) * period + way + waits
