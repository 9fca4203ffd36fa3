"""The bit layout of every kind of word: one table per kind, which encoder, disassembler and gateware share.

A table is a sequence of field names with their bits, the lowest field first. If a layout has more than 32 bits, an image
holds its lowest word first.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from numpy.typing import NDArray

from openwork_hw.arch.config import ROW_BITS

Bits = TypeVar("Bits", int, NDArray[Any])

SHIFT_BITS = 5
"""Bits per requantization shift."""

TAP_FIELDS = (("address", 16), ("lane_shift", 2), ("pe_shift", 2), ("beyond_right", 1), ("beyond_bottom", 1))
"""The fields of a tap table entry. Both shifts are indices into `SHIFTS`."""

SHIFTS = (0, -1, 1)
"""The shift that each number stands for. The number 3 makes every lane read the pad value; the compiler never writes it."""

RECORD_FIELDS = (("row", ROW_BITS), ("shift", SHIFT_BITS), ("write", 1), ("last", 1), ("unused", 9), ("offset", 32))
"""The fields of a row record, which has two words. `offset` is a two's complement number."""

HEADER_FIELDS = (("rows", ROW_BITS), ("rice", 3), ("unused", 9), ("encoding", 4))
"""The fields of the header, the first word of a weight stream."""


def size(fields: tuple[tuple[str, int], ...]) -> int:
    """How many bits all fields have together.

    >>> size(TAP_FIELDS), size(RECORD_FIELDS), size(HEADER_FIELDS)
    (22, 64, 32)
    """
    return sum(width for _, width in fields)


def pack(fields: tuple[tuple[str, int], ...], values: Mapping[str, int]) -> int:
    """Pack fields into one number. A field without a value is 0; a negative value becomes two's complement.

    >>> hex(pack(TAP_FIELDS, {"address": 5, "beyond_right": 1}))
    '0x100005'
    """
    bits = offset = 0
    for name, width in fields:
        bits |= (int(values.get(name, 0)) & ((1 << width) - 1)) << offset
        offset += width
    return bits


def unpack(fields: tuple[tuple[str, int], ...], bits: Bits) -> dict[str, Bits]:
    """The fields of one number or of an array of numbers, all as unsigned numbers. Undoes `pack`.

    >>> unpack(HEADER_FIELDS, 0x30020005)
    {'rows': 5, 'rice': 2, 'unused': 0, 'encoding': 3}
    """
    found: dict[str, Bits] = {}
    for name, width in fields:
        found[name] = bits & ((1 << width) - 1)
        bits = bits >> width
    return found
