"""Word addresses for tensors that live at different times."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Lifetime:
    """A tensor's need: `words`, from when step `born` writes it to when step `dies` has read it."""

    name: str
    words: int
    born: int
    dies: int


def allocate(lifetimes: Sequence[Lifetime]) -> dict[str, int]:
    """For each tensor an address, so that no two overlap in both time and memory; the largest tensors choose first.

    Each takes the smallest gap among those already placed that fits ("greedy by size", Pisarchyk and Lee 2020, section 5.2).

    >>> allocate([Lifetime("a", 4, 0, 1), Lifetime("b", 2, 1, 2), Lifetime("c", 4, 2, 3)])
    {'a': 0, 'c': 0, 'b': 4}
    """
    placed: list[tuple[Lifetime, int]] = []
    for one in sorted(lifetimes, key=lambda one: (-one.words, one.born, one.name)):
        others = sorted(
            (address, address + other.words)
            for other, address in placed
            if other.born <= one.dies and one.born <= other.dies
        )
        best: tuple[int, int] | None = None  # size of the gap, address
        free = 0
        for start, end in others:
            if start - free >= one.words and (best is None or start - free < best[0]):
                best = start - free, free
            free = max(free, end)
        placed.append((one, best[1] if best is not None else free))
    return {one.name: address for one, address in placed}


def need(lifetimes: Sequence[Lifetime], addresses: dict[str, int]) -> int:
    """Words that an allocation takes."""
    return max(addresses[one.name] + one.words for one in lifetimes)
