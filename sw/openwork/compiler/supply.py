"""When the decoders offer the nonzeros of a stream, if words come every cycle: the gateware's decoders, event by event.

A decoder here is a generator. It yields, for each nonzero, the first cycle in which its output register holds it, and is
sent the cycle in which the nonzero leaves that register. Cycles count from a feeder's start; the header is taken in cycle 1.
"""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import DECODER_CYCLES

Decoder = Generator[int, int, None]

FIRST_WORD = 4
"""Cycle in which the first word after the header is taken."""

WORD_BYTES = 4


def decoder(encoding: Encoding, lengths: NDArray[np.int64]) -> Decoder:
    """The decoder of one stream, by the lengths of its rows, padding and fillers included."""
    nonzeros = int(lengths.sum())
    match encoding:
        case Encoding.CSR:
            return _csr(lengths)
        case Encoding.TRIPLET:
            return _triplet(nonzeros)
        case Encoding.PACKED:
            return _packed(nonzeros)


class _Gearbox:
    """Words in, bytes out: a buffer of two words."""

    def __init__(self) -> None:
        self._taken = FIRST_WORD - 1  # cycle of the latest word
        self._words = 0
        self._uses: list[tuple[int, int]] = []  # end byte and cycle of what was used and may still hold up a word
        self._ahead = 0

    def ready(self, end: int) -> int:
        """First cycle in which all bytes before `end` show."""
        while self._words * WORD_BYTES < end:
            room = 0
            while self._ahead < len(self._uses) and room == 0 and self._words > 1:
                used, cycle = self._uses[self._ahead]
                if used >= (self._words - 1) * WORD_BYTES:
                    room = cycle
                else:
                    self._ahead += 1
            self._taken = max(self._taken + 1, room)
            self._words += 1
        return self._taken + 1

    def use(self, end: int, cycle: int) -> None:
        """Bytes before `end` leave."""
        self._uses.append((end, cycle))


def _csr(lengths: NDArray[np.int64]) -> Decoder:
    gearbox = _Gearbox()
    left = 0  # cycle in which the nonzero before left the output
    end = 0
    for length in lengths.tolist():
        end += 2
        for _ in range(length):
            end += 3
            cycle = max(left, gearbox.ready(end))
            gearbox.use(end, cycle)
            left = yield cycle + 1


def _triplet(nonzeros: int) -> Decoder:
    gearbox = _Gearbox()
    left = 0
    cycle = gearbox.ready(5)
    gearbox.use(5, cycle)
    for index in range(1, nonzeros):  # each shows whether the one before, which is held, ends its row
        end = 5 * (index + 1)
        cycle = max(cycle + 1, left, gearbox.ready(end))
        gearbox.use(end, cycle)
        left = yield cycle + 1
    yield max(cycle + 1, left) + 1


def _packed(nonzeros: int) -> Decoder:
    cycle = FIRST_WORD + DECODER_CYCLES[Encoding.PACKED]
    for _ in range(nonzeros):
        left = yield cycle
        cycle = left + 1
