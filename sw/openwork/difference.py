"""Where two runs of a network first differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Difference:
    """Where two runs first differ: the earliest tensor of the first such input, and its first pixel in memory order.

    Attributes:
        input: number of the input.
        tensor: name.
        channel, row, column: of the value.
        values: the expected one and the one that was found.
        count: values of this tensor that differ, for this input.
    """

    input: int
    tensor: str
    channel: int
    row: int
    column: int
    values: tuple[int, int]
    count: int

    @property
    def where(self) -> str:
        """The layer and the pixel, in words."""
        return f"layer {self.tensor!r}, channel {self.channel}, pixel ({self.row}, {self.column})"

    def __str__(self) -> str:
        expected, found = self.values
        return f"input {self.input}, {self.where}: {found}, and should be {expected}"


def first_difference(
    number: int,
    names: Sequence[str],
    expected: Mapping[str, NDArray[np.int8]],
    found: Mapping[str, NDArray[np.int8]],
) -> Difference | None:
    """Compare the tensors of one input.

    Args:
        number: of the input.
        names: of the tensors to compare, in the order in which the network makes them.
        expected, found: for each name int8 [channels, height, width].
    """
    for name in names:
        wrong = np.argwhere(expected[name] != found[name])
        if len(wrong):
            channel, row, column = (int(place) for place in wrong[0])
            values = int(expected[name][channel, row, column]), int(found[name][channel, row, column])
            return Difference(number, name, channel, row, column, values, len(wrong))
    return None
