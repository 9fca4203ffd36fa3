"""Pruned networks to choose from, and which of them no other beats."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """One pruned network, quantized and compiled.

    Attributes:
        method: that pruned it.
        density: weights that stay / weights of the dense network.
        accuracy: 0 to 1, of the int8 network.
        image_bytes: of all that the array is given.
        cycles: predicted, of all layers.
    """

    method: str
    density: float
    accuracy: float
    image_bytes: int
    cycles: int


def pareto(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """The numbers of those that no other beats, which is to cost no more and be worth more, or to cost less and be worth as much.

    >>> pareto([1, 2, 3, 3], [0.5, 0.9, 0.8, 0.95])
    [0, 1, 3]
    """
    best: list[int] = []
    for one in sorted(range(len(costs)), key=lambda index: (costs[index], -values[index], index)):
        if not best or values[one] > values[best[-1]]:
            best.append(one)
    return best
