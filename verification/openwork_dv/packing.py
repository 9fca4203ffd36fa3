"""Payloads as integers, through the Amaranth layouts: nobody counts bits."""

from enum import Enum
from functools import cache
from typing import Any

from amaranth.hdl import Shape
from amaranth.lib import data


def pack(layout: data.Layout, **fields: Any) -> int:
    """The bits of a payload; fields that are not named are zero, and enumerations go by their value.

    >>> pack(data.StructLayout({"low": 4, "high": 4}), high=15)
    240

    Raises:
        ValueError: a number does not fit its field, or there is no such field.
    """
    table = _table(layout)
    bits = 0
    for name, value in fields.items():
        if name not in table:
            raise ValueError(f"there is no field {name}: the fields are {', '.join(table)}")
        offset, width, signed = table[name]
        value = value.value if isinstance(value, Enum) else value
        low, high = (-(1 << width >> 1), (1 << width >> 1) - 1) if signed else (0, (1 << width) - 1)
        if not low <= value <= high:
            raise ValueError(f"{name} must be from {low} to {high}, not {value}")
        bits |= (int(value) & ((1 << width) - 1)) << offset
    return bits


def unpack(layout: data.Layout, bits: int) -> dict[str, Any]:
    """The fields of a payload, those of a nested layout as a dictionary inside.

    >>> unpack(data.StructLayout({"low": 4, "high": data.StructLayout({"a": 1, "b": 3})}), 0x9F)
    {'low': 15, 'high': {'a': 1, 'b': 4}}
    """
    values: dict[str, Any] = {}
    for name, (offset, width, signed) in _table(layout).items():
        value = bits >> offset & ((1 << width) - 1)
        shape = layout[name].shape
        if isinstance(shape, data.Layout):
            values[name] = unpack(shape, value)
        else:
            values[name] = value - (1 << width) if signed and value >> (width - 1) else value
    return values


def _table(layout: data.Layout) -> dict[str, tuple[int, int, bool]]:
    """For each field: offset, width, signed."""
    return _cached_table(tuple((str(name), field.offset, field.shape) for name, field in layout))


@cache
def _cached_table(fields: tuple[tuple[str, int, Any], ...]) -> dict[str, tuple[int, int, bool]]:
    shapes = {name: (offset, Shape.cast(shape)) for name, offset, shape in fields}
    return {name: (offset, shape.width, shape.signed) for name, (offset, shape) in shapes.items()}
