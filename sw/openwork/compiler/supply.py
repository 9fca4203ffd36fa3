"""Predicts when a slow weight stream ends. A slow stream gives fewer nonzeros than the array could replay.

Two decoders are slower than one nonzero per cycle. The decoder of triplets gives four nonzeros in five cycles. The decoder of a
compact array takes one byte of CSR per cycle, which is three nonzeros in about eleven cycles. Nonzeros that wait between
decoder and replay hide a part of this, and no formula says how much. Therefore the functions here follow the decoders of the
gateware event by event.

A decoder here is a generator. For each nonzero, it yields the first cycle in which its output register holds the nonzero. It is
sent the cycle in which the nonzero leaves that register. Cycles count from the start of the feeder, and no word is late.
"""

from collections import deque
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import (
    FREED_CYCLES,
    LEFT_CYCLES,
    QUEUED_ROWS,
    VISIBLE_CYCLES,
    first_word_cycle,
    write_cycles,
)

Decoder = Generator[int, int, None]

WORD_BYTES = 4
LENGTH_BYTES = 2
CSR_BYTES = 3
TRIPLET_BYTES = 5


class Replay:
    """The cycles in which nonzeros leave a row buffer: one nonzero per cycle, if nothing holds it up.

    A row is replayed once per local pixel. The last nonzero of a replayed row leaves at least `row_spacing` cycles after the
    last nonzero of the row before, because a PE drains one lane per cycle. If the memory has one port, nothing leaves in the
    cycle of a write, which is `write_cycles` cycles after the last nonzero of a row.

    Attributes:
        last: the cycle in which the last nonzero of the latest replayed row left.
    """

    def __init__(self, config: ArrayConfig, *, pooled: bool) -> None:
        self._spacing = config.row_spacing
        self._write = write_cycles(config, pooled=pooled) if config.single_port else None
        self._writes: deque[int] = deque()
        self.last = -self._spacing
        self._next = 0

    def nonzero(self, there: int, *, ends: bool) -> int:
        """The cycle in which the next nonzero leaves. It can leave from cycle `there` on; `ends` says that it ends its row."""
        cycle = max(self._next, there, self.last + self._spacing if ends else 0)
        while self._writes and self._writes[0] <= cycle:
            cycle += self._writes.popleft() == cycle
        self._next = cycle + 1
        if ends:
            self._end(cycle)
        return cycle

    def pixel(self, length: int) -> None:
        """Let all nonzeros of a row leave for one local pixel. All of them are in the row buffer."""
        unspaced, spaced_end = self._next + length - 1, self.last + self._spacing
        while self._writes and self._writes[0] <= max(unspaced, spaced_end):
            write = self._writes.popleft()
            unspaced += write <= unspaced
            spaced_end += write == spaced_end
        self._next = max(unspaced, spaced_end) + 1
        self._end(self._next - 1)

    def _end(self, cycle: int) -> None:
        self.last = cycle
        if self._write is not None:
            self._writes.append(cycle + self._write)


def followed_end(
    config: ArrayConfig, decoder: Decoder, hold: int, lengths: NDArray[np.int64], *, pooled: bool = False
) -> int:
    """The cycle in which a stream's last nonzero leaves the row buffer for the last time.

    Args:
        decoder: the decoder of the stream. Nothing has been sent to it yet.
        hold: how often each row is replayed.
        lengths: int64 [rows], nonzeros per row.
        pooled: whether the pass adds up sums over lanes and PEs.
    """
    replay = Replay(config, pooled=pooled)
    freed: list[int] = []  # for each nonzero, the cycle in which it leaves the row buffer for the last time
    finished: list[int] = []  # for each row, the cycle in which it leaves the row buffer for the last time
    offer = next(decoder)
    shown, accepted = 0, 0  # the cycles in which the nonzero before reached the row buffer, and was taken
    shown_before, accepted_before = 0, 0  # the same cycles of the nonzero before that
    entered = -1  # the cycle in which the nonzero before moved into the first of two registers
    for row, length in enumerate(lengths.tolist()):
        first = len(freed)
        left_over = config.row_buffer_nonzeros - first  # entries of the ring that no nonzero has used yet
        for index in range(length):
            # The nonzero leaves the decoder. In a large array, it may wait in a register beside the way. Then it enters the first
            # of two registers that move together, unless the second register holds a nonzero that is not taken yet.
            left = max(offer, entered + 1)
            entered = left
            if shown_before <= entered < accepted_before:
                entered = accepted_before
            if shown <= entered < accepted:
                entered = accepted
            shown_before, accepted_before = shown, accepted
            shown = max(entered + 1, accepted) + 1
            accepted = shown
            if index >= left_over:
                accepted = max(accepted, freed[index - left_over] + FREED_CYCLES)
            if row >= QUEUED_ROWS:
                accepted = max(accepted, finished[row - QUEUED_ROWS] + LEFT_CYCLES)
            if row + 1 < len(lengths) or index + 1 < length:
                offer = decoder.send(entered if config.compact else left)
            cycle = replay.nonzero(accepted + VISIBLE_CYCLES, ends=index == length - 1)
            if hold == 1:
                freed.append(cycle)
        for _ in range(hold - 2):
            replay.pixel(length)
        if hold > 1:
            freed += [replay.nonzero(0, ends=index == length - 1) for index in range(length)]
        finished.append(replay.last)
    return replay.last


def slow_decoder(config: ArrayConfig, encoding: Encoding, lengths: NDArray[np.int64]) -> Decoder | None:
    """The decoder of a slow stream, given the lengths of its rows; None if the stream gives one nonzero per cycle."""
    if config.compact:
        return _serial_csr(first_word_cycle(config), lengths)
    if encoding is Encoding.TRIPLET:
        return _triplet(first_word_cycle(config), int(lengths.sum()))
    return None


def _serial_csr(first_word: int, lengths: NDArray[np.int64]) -> Decoder:
    """A decoder that takes one cycle per byte and one per word. It stops while a nonzero waits in the output register."""
    end = steps_before = 0
    cycle = left = first_word
    for length in lengths.tolist():
        end += LENGTH_BYTES
        for _ in range(length):
            end += CSR_BYTES
            steps = end + (end - 1) // WORD_BYTES  # up to the nonzero's last byte; the first word is taken before
            cycle = max(cycle + 1, left) + steps - steps_before - 1
            steps_before = steps
            left = yield cycle + 1


def _triplet(first_word: int, nonzeros: int) -> Decoder:
    """A decoder that takes five bytes per nonzero from a buffer of two words.

    A nonzero leaves only when the next nonzero shows whether the row ends.
    """
    taken = first_word - 1  # the cycle in which the latest word was taken
    words = 0
    left = cycle = 0
    uses: deque[tuple[int, int]] = deque()  # last byte and cycle of each nonzero that may still hold up a word
    for index in range(nonzeros):
        end = TRIPLET_BYTES * (index + 1)
        while words * WORD_BYTES < end:
            room = 0
            while uses and room == 0 and words > 1:
                used, at = uses[0]
                if used >= (words - 1) * WORD_BYTES:
                    room = at
                else:
                    uses.popleft()
            taken = max(taken + 1, room)
            words += 1
        cycle = max(cycle + 1, left, taken + 1) if index else taken + 1
        uses.append((end, cycle))
        if index:
            left = yield cycle + 1
    yield max(cycle + 1, left) + 1
