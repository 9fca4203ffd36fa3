"""Forms: operations as matrices. A form says what each row multiplies and where it reads. The compiler turns it into streams."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openwork.activation import WHOLE, Activation
from openwork.limits import MAX_MATRIX, check_limit
from openwork_hw.arch.commands import Operation
from openwork_hw.arch.refusal import Refusal

COPY_WEIGHT, COPY_SHIFT = 64, 6
"""A row with this weight and this shift copies its operand unchanged."""


class FormError(Refusal):
    """A step that has no form. The message names the step and the reason. The compiler turns it into a `CompileError`."""


class Tap(NamedTuple):
    """A place that rows read.

    Attributes:
        input: number of the input.
        down, right: pixels from ``stride * (y, x)``, where (y, x) is the output's pixel.
        channel: the channel of the input that the tap's channel 0 stands for.
    """

    input: int
    down: int
    right: int
    channel: int = 0


@dataclass(frozen=True, eq=False)
class Nonzeros:
    """The nonzeros of some rows, row by row, and within a row ordered by tap and channel.

    A row without nonzeros holds a single nonzero of value 0.

    Attributes:
        lengths: int64 [rows], nonzeros per row.
        taps: int64 [nonzeros], the number of the tap.
        channels: int64 [nonzeros], the channel of the input that the tap reads.
        values: int8 [nonzeros], the weight.
    """

    lengths: NDArray[np.int64]
    taps: NDArray[np.int64]
    channels: NDArray[np.int64]
    values: NDArray[np.int8]

    @classmethod
    def of(cls, blocks: Sequence[NDArray[np.int8]]) -> "Nonzeros":
        """The nonzeros of weights, given as one matrix int8 [rows, channels] per tap."""
        weights = np.concatenate(blocks, axis=1)
        ends = np.cumsum([block.shape[1] for block in blocks])
        stored = weights != 0
        stored[~stored.any(axis=1), 0] = True
        rows, places = np.nonzero(stored)
        taps = np.searchsorted(ends, places, side="right")
        channels = places - np.append(0, ends)[taps]
        return cls(np.bincount(rows).astype(np.int64), taps, channels, weights[rows, places])

    def select(self, rows: NDArray[np.int64]) -> "Nonzeros":
        """The nonzeros of the rows with these numbers, in that order."""
        lengths = self.lengths[rows]
        firsts = (np.cumsum(self.lengths) - self.lengths)[rows]
        places = np.repeat(firsts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        return Nonzeros(lengths, self.taps[places], self.channels[places], self.values[places])

    def row_sums(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each row, the sum of `values` over its nonzeros."""
        return np.add.reduceat(values, np.cumsum(self.lengths) - self.lengths)


@dataclass(frozen=True, eq=False)
class Form:
    """A step as rows of nonzeros.

    Attributes:
        name: name of the tensor that the step makes.
        nonzeros: the nonzeros of all rows.
        taps: what each tap reads.
        offsets, shifts: int64 [rows], offset and shift of each row's record.
        activation: the nonlinearity of the requantized sums.
        pad: what a tap outside the map reads; None if no tap reads outside the map.
        stride: input pixels per output pixel, down and across; 1 along an axis with a single output pixel.
        enlarge: output pixels per input pixel, down and across.
        phase_channels: channels that every tap goes on by from one of these output pixels to the next, in the order row,
            column. 0 if all of them read the same channel.
        operation: what the array does with the products of a row. For POOL, the taps are the pixels of a block. The compiler
            adds them when it knows the blocks.
        moved: whether the inputs are maps that first become vectors, pixel by pixel.
    """

    name: str
    nonzeros: Nonzeros
    taps: tuple[Tap, ...]
    offsets: NDArray[np.int64]
    shifts: NDArray[np.int64]
    activation: Activation = WHOLE
    pad: int | None = None
    stride: tuple[int, int] = (1, 1)
    enlarge: tuple[int, int] = (1, 1)
    phase_channels: int = 0
    operation: Operation = Operation.SUM
    moved: bool = False


def copies(
    name: str, channels: Sequence[int], operation: Operation, places: Sequence[tuple[int, int]] = ((0, 0),)
) -> Form:
    """A form whose rows each copy one channel, from one or more places. The result is exact for any zero point.

    Args:
        name: name of the tensor that the step makes.
        channels: channels of each input.
        operation: MAX takes the largest of the places; SUM has a single place.
        places: pixels down and across from the output's pixel.
    """
    weight, shift = (1, 0) if operation is Operation.MAX else (COPY_WEIGHT, COPY_SHIFT)
    rows, count = sum(channels), len(places)
    inputs = np.repeat(np.arange(len(channels)), channels)
    nonzeros = Nonzeros(
        np.full(rows, count, dtype=np.int64),
        (inputs[:, None] * count + np.arange(count)).reshape(-1),
        np.repeat(np.concatenate([np.arange(number) for number in channels]), count),
        np.full(rows * count, weight, dtype=np.int8),
    )
    taps = tuple(Tap(number, down, right) for number in range(len(channels)) for down, right in places)
    offsets = np.full(rows, (1 << shift) >> 1, dtype=np.int64)
    return Form(name, nonzeros, taps, offsets, np.full(rows, shift, np.int64), operation=operation)


def check_matrix(name: str, entries: int) -> None:
    """Refuse a step whose matrix would be too large, before memory is taken for the matrix.

    Args:
        name: name of the step's output.
        entries: entries of the matrix, zeros included.

    Raises:
        FormError: the matrix has more than `limits.MAX_MATRIX` entries.
    """
    check_limit(FormError, f"the matrix of step {name!r}", entries, MAX_MATRIX, "entries, zeros included")


def check_one_pixel(name: str, pixels: tuple[int, int]) -> None:
    """Refuse a step whose padding would turn a vector into a map.

    Raises:
        FormError: the output has several pixels.
    """
    if pixels != (1, 1):
        raise FormError(
            f"step {name!r}: its padding makes a map out of one pixel, which the array cannot: "
            "enlarge or reshape the vector first"
        )
