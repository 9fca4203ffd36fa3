"""Operations as matrices: what each row multiplies, and where it finds its operands. The compiler makes streams of them."""

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
"""A row of this weight and shift hands its operand on unchanged."""


class FormError(Refusal):
    """A step that has no form; the message names the step and the reason. The compiler raises it as a `CompileError`."""


class Tap(NamedTuple):
    """One place that rows read: which input, how far from ``stride * (y, x)`` of the output's pixel, from which channel on."""

    input: int
    down: int
    right: int
    channel: int = 0


@dataclass(frozen=True, eq=False)
class Nonzeros:
    """Of some rows, row by row, in each by tap and channel; a row without any holds one of value 0.

    Attributes:
        lengths: int64 [rows].
        taps, channels: int64 [nonzeros]: number of the tap, channel of the input that it reads.
        values: int8 [nonzeros].
    """

    lengths: NDArray[np.int64]
    taps: NDArray[np.int64]
    channels: NDArray[np.int64]
    values: NDArray[np.int8]

    @classmethod
    def of(cls, blocks: Sequence[NDArray[np.int8]]) -> "Nonzeros":
        """Of weights int8 [rows, channels] of each tap."""
        weights = np.concatenate(blocks, axis=1)
        ends = np.cumsum([block.shape[1] for block in blocks])
        stored = weights != 0
        stored[~stored.any(axis=1), 0] = True
        rows, places = np.nonzero(stored)
        taps = np.searchsorted(ends, places, side="right")
        channels = places - np.append(0, ends)[taps]
        return cls(np.bincount(rows).astype(np.int64), taps, channels, weights[rows, places])

    def select(self, rows: NDArray[np.int64]) -> "Nonzeros":
        """Those of the rows of these numbers, in that order."""
        lengths = self.lengths[rows]
        firsts = (np.cumsum(self.lengths) - self.lengths)[rows]
        places = np.repeat(firsts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        return Nonzeros(lengths, self.taps[places], self.channels[places], self.values[places])

    def row_sums(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each row, the sum of what `values` says of its nonzeros."""
        return np.add.reduceat(values, np.cumsum(self.lengths) - self.lengths)


@dataclass(frozen=True, eq=False)
class Form:
    """A step as rows of nonzeros.

    Attributes:
        name: of the tensor it makes.
        nonzeros: of all its rows.
        taps: what each tap reads.
        offsets, shifts: int64 [rows], of the row records.
        activation: what the requantized sums go through.
        pad: what a tap outside the map reads; None where none can be.
        stride: input pixels per output pixel, down and across; 1 along an axis with a single output pixel.
        enlarge: output pixels for an input pixel.
        operation: what becomes of products. POOL: taps are the pixels of a block, filled in when blocks are known.
        moved: the inputs, which are maps, first become vectors, pixel by pixel.
    """

    name: str
    nonzeros: Nonzeros
    taps: tuple[Tap, ...]
    offsets: NDArray[np.int64]
    shifts: NDArray[np.int64]
    activation: Activation = WHOLE
    pad: int | None = None
    stride: tuple[int, int] = (1, 1)
    enlarge: int = 1
    operation: Operation = Operation.SUM
    moved: bool = False


def copies(
    name: str, channels: Sequence[int], operation: Operation, places: Sequence[tuple[int, int]] = ((0, 0),)
) -> Form:
    """Each row reads one channel, at one or more places; exact, whatever the zero point.

    Args:
        name: of the tensor that is made.
        channels: of each input.
        operation: MAX chooses between the places; SUM has one place.
        places: how far down and across from the output's pixel.
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
    """Refuse a step whose matrix would be too large, before anything of it is laid out.

    Args:
        name: of the step's output.
        entries: of the matrix, zeros included.

    Raises:
        FormError: there are more than `limits.MAX_MATRIX`.
    """
    check_limit(FormError, f"the matrix of step {name!r}", entries, MAX_MATRIX, "entries, zeros included")


def check_one_pixel(name: str, pixels: tuple[int, int]) -> None:
    """Refuse a step that would make a map out of a vector by its padding.

    Raises:
        FormError: the result has several pixels.
    """
    if pixels != (1, 1):
        raise FormError(
            f"step {name!r}: its padding makes a map out of one pixel, which the array cannot: "
            "enlarge or reshape the vector first"
        )
