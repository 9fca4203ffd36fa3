"""Pins of device primitives."""

from amaranth.hdl import Cat, Const, Value


def pins(prefix: str, value: Value) -> dict[str, Value]:
    """One keyword of an `Instance` for each bit of `value`: prefix0, prefix1, ..."""
    return {f"{prefix}{index}": value[index] for index in range(len(value))}


def extended(value: Value, bits: int) -> Value:
    """The value with zeros above it, so that all pins of a bus have something."""
    return Cat(value, Const(0, bits - len(value)))
