"""Transfers, which are what an external image is made of (`arch.external_image`)."""

from dataclasses import dataclass
from enum import IntEnum
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.layouts import pack

TRANSFER_WORDS = 2

STORE_BIT = 1 << 31
"""Of a piece's address."""

MOST_PIECES = 16
"""Pieces of a MAPS transfer: they are carried out when its check sum has been found right, and wait until then."""

PIECES_AHEAD = 512
"""Pieces that can wait for the commands that they are for: with fewer, words of the next passes would wait behind them."""

PROGRAMS_AHEAD = 16
"""PROGRAM transfers that can have come without the first of them being read. The next one waits, and all behind it."""


class TransferKind(IntEnum):
    """What a transfer carries."""

    DATA = 1
    PROGRAM = 2
    END = 3
    MAPS = 4


TRANSFER_FIELDS = (("kind", 3), ("after", 29), ("address", 16), ("count", 16))
"""Names and bits of the fields of a transfer, lowest first. `address` is a word of the scratchpad."""

MOST_SCRATCHPAD_WORDS = 1 << 16
"""Words that an `address` can number."""


@dataclass(frozen=True)
class Transfer:
    """A transfer of an external image.

    Attributes:
        kind: what it carries.
        after: it is begun when so many commands have been reported.
        address: word of the scratchpad that gets the first word.
        words: uint32, what it carries; at least one word.
    """

    kind: TransferKind
    after: int
    address: int
    words: NDArray[np.uint32]

    def encode(self) -> NDArray[np.uint32]:
        """All words of the transfer, its check sum included."""
        fields = {"kind": self.kind, "after": self.after, "address": self.address, "count": len(self.words)}
        bits = pack(TRANSFER_FIELDS, fields)
        words = np.concatenate([np.array([bits & 0xFFFFFFFF, bits >> 32], np.uint32), self.words.astype(np.uint32)])
        return np.append(words, np.uint32(check_sum(words)))


def check_sum(words: NDArray[np.uint32]) -> int:
    """CRC-32 (zlib's) of words, little endian."""
    return crc32(words.astype("<u4").tobytes())
