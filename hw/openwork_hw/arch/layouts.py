"""Where the fields of a word lie: one table for each kind of word, which encoder, verifier and gateware share.

A table is a sequence of names and bits, the lowest first. Of more than 32 bits, an image holds the lowest word first.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from numpy.typing import NDArray

from openwork_hw.arch.config import ROW_BITS

Bits = TypeVar("Bits", int, NDArray[Any])

SHIFT_BITS = 5
"""Bits of a requantization shift."""

TAP_FIELDS = (("address", 16), ("lane_shift", 2), ("pe_shift", 2), ("beyond_right", 1), ("beyond_bottom", 1))
"""A tap table entry. A shift is a place in `SHIFTS`."""

SHIFTS = (0, -1, 1)
"""What the numbers of a lane or PE shift stand for; 3, which reads the pad value in every lane, is not written by any compiler."""

RECORD_FIELDS = (("row", ROW_BITS), ("shift", SHIFT_BITS), ("write", 1), ("last", 1), ("unused", 9), ("offset", 32))
"""A row record, two words; `offset` is a two's complement number."""

HEADER_FIELDS = (("rows", ROW_BITS), ("rice", 3), ("unused", 9), ("encoding", 4))
"""The first word of a weight stream."""


def size(fields: tuple[tuple[str, int], ...]) -> int:
    """Bits of all fields together.

    >>> size(TAP_FIELDS), size(RECORD_FIELDS), size(HEADER_FIELDS)
    (22, 64, 32)
    """
    return sum(width for _, width in fields)


def pack(fields: tuple[tuple[str, int], ...], values: Mapping[str, int]) -> int:
    """The fields as one number; those that are not given are 0, negative ones two's complement.

    >>> hex(pack(TAP_FIELDS, {"address": 5, "beyond_right": 1}))
    '0x100005'
    """
    bits = offset = 0
    for name, width in fields:
        bits |= (int(values.get(name, 0)) & ((1 << width) - 1)) << offset
        offset += width
    return bits


def unpack(fields: tuple[tuple[str, int], ...], bits: Bits) -> dict[str, Bits]:
    """The fields, all as unsigned numbers, of one number or of many: undoes `pack`.

    >>> unpack(HEADER_FIELDS, 0x30020005)
    {'rows': 5, 'rice': 2, 'unused': 0, 'encoding': 3}
    """
    found: dict[str, Bits] = {}
    for name, width in fields:
        found[name] = bits & ((1 << width) - 1)
        bits = bits >> width
    return found
