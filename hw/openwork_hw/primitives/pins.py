"""Buses of a device primitive whose pins have one name each."""

from amaranth.hdl import Value


def pins(prefix: str, value: Value) -> dict[str, Value]:
    """One keyword of an `Instance` for each bit of `value`: prefix0, prefix1, ..."""
    return {f"{prefix}{index}": value[index] for index in range(len(value))}
