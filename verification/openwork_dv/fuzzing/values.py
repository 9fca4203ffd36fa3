"""JSON values and bytes with something changed in them."""

from copy import deepcopy
from typing import Any

from numpy.random import Generator

VALUES: tuple[Any, ...] = (
    *(0, 1, -1, 2, 3, 7, 128, 65536, 1 << 31, 1 << 40, 1 << 63, 1 << 70, 0.5, 1e300, True, False, None),
    *("", "a", "input", "x", "relu", "s0", "2**2**2**2**9", [], {}, [1], {"as_int": 5}, {"as_none": True}),
)
"""What takes a value's place."""


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every container in a JSON value with a key or index under which something lies."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [pair for key in keys for pair in [(value, key), *places(value[key])]]


def change_value(value: Any, rng: Generator) -> None:
    """One thing in a JSON value goes, is there twice, moves by one, or becomes another; in place."""
    known = places(value)
    if not known:  # a change before has left nothing
        return
    holder, key = known[int(rng.integers(len(known)))]
    match rng.integers(6):
        case 0:
            del holder[key]
        case 1:
            other, place = known[int(rng.integers(len(known)))]
            holder[key] = deepcopy(other[place])
        case 2 if isinstance(holder, list):
            holder.insert(key, deepcopy(holder[key]))
        case 3 if isinstance(holder[key], int):
            holder[key] += int(rng.choice([-1, 1]))
        case _:
            holder[key] = deepcopy(VALUES[int(rng.integers(len(VALUES)))])


def change_bytes(content: bytes, rng: Generator, limit: int | None = None) -> bytes:
    """One to four bits flipped, or a part cut out, doubled, or left away at the end; among the first `limit` bytes."""
    if not content:  # of which nothing was left by a change before
        return content
    data = bytearray(content)
    size = min(len(data), limit or len(data))
    match rng.integers(6):
        case 0:
            start = int(rng.integers(size))
            del data[start : start + int(rng.integers(1, 9))]
        case 1:
            start = int(rng.integers(size))
            data[start:start] = data[start : start + int(rng.integers(1, 9))]
        case 2:
            del data[int(rng.integers(size)) :]
        case _:
            for _ in range(int(rng.integers(1, 5))):
                data[int(rng.integers(size))] ^= 1 << int(rng.integers(8))
    return bytes(data)
