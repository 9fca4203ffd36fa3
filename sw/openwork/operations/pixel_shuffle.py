"""Channels that become pixels, and pixels that become channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from openwork.operations.arguments import Unsupported, integers
from openwork.operations.entry import Arrays, Pair, Size, StepEntry, pair_entry, pair_of
from openwork.operations.form import Form, FormError, Nonzeros, check_matrix, copies
from openwork.operations.operation import Lowering, Picking
from openwork.tensors import NetworkError, Shape, Tensor, by, by_if_unequal
from openwork_hw.arch.commands import Operation

if TYPE_CHECKING:
    import torch

    from openwork.frontend.builder import Builder, Parts
    from openwork.frontend.node import Node


class PixelShuffleEntry(StepEntry, frozen=True, tag="pixel_shuffle"):
    """Channels that become pixels."""

    factor: Pair
    size: tuple[Size, Size]

    def step(self, tensors: Mapping[str, Tensor], arrays: Arrays) -> "PixelShuffle":
        """As `StepEntry.step`."""
        return PixelShuffle(self.inputs, self.output, pair_of(self.factor), self.size)


@dataclass(frozen=True)
class PixelShuffle(Picking):
    """The channels ``(c * down + a) * across + b`` become the pixels ``(y * down + a, x * across + b)`` of channel c.

    Attributes:
        factor: pixels that each pixel becomes, down and across.
        size: height and width of the result. Pixels beyond it, at the bottom and on the right, are left out.
    """

    factor: tuple[int, int]
    size: tuple[int, int]

    kind: ClassVar[str] = "pixel_shuffle"
    Entry: ClassVar[type[StepEntry]] = PixelShuffleEntry

    def output_shape(self, shape: Shape) -> Shape:
        """As `Step.output_shape`."""
        channels, each = shape[0], prod(self.factor)
        if min(self.factor) < 1 or channels % each:
            raise NetworkError(
                f"step {self.output!r}: the factors {by(self.factor)} must divide the {channels} channels of {by(shape)}"
            )
        for axis, what in enumerate(("rows", "columns")):
            pixels = shape[1 + axis] * self.factor[axis]
            if not 1 <= self.size[axis] <= pixels:
                raise NetworkError(
                    f"step {self.output!r}: of {by(shape)}, 1 to {pixels} {what} are possible, not {self.size[axis]}"
                )
        return channels // each, *self.size

    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """As `Step.run`."""
        batch, channels, height, width = inputs.shape
        down, across = self.factor
        apart = inputs.reshape(batch, channels // (down * across), down, across, height, width)
        whole = apart.transpose(0, 1, 4, 2, 5, 3).reshape(batch, -1, height * down, width * across)
        return whole[:, :, : self.size[0], : self.size[1]]

    def run_real(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """As `Picking.run_real`."""
        batch, channels, height, width = inputs.shape
        down, across = self.factor
        apart = inputs.reshape(batch, channels // (down * across), down, across, height, width)
        whole = apart.permute(0, 1, 4, 2, 5, 3).reshape(batch, -1, height * down, width * across)
        return whole[:, :, : self.size[0], : self.size[1]]

    def _run_traceable(self, inputs: "torch.Tensor", _never_negative: bool) -> "torch.Tensor":
        from torch.nn import functional

        whole = tuple(inputs.shape[2 + axis] * self.factor[axis] for axis in (0, 1))
        if self.factor[0] != self.factor[1] or self.size != whole:
            return self.run_real(inputs)
        return functional.pixel_shuffle(inputs, self.factor[0])

    def form(self, channels: Sequence[int], *, vector: bool) -> Form:
        """As `Step.form`: copies, at a pixel of the output each; which channel a tap reads depends on the pixel."""
        if vector:
            raise FormError(f"step {self.output!r} makes pixels out of the channels of a vector: use a reshape instead")
        each = prod(self.factor)
        if any(count % each for count in channels):
            raise FormError(
                f"step {self.output!r}: the factors {by(self.factor)} must divide the channels of each input"
            )
        check_matrix(self.output, sum(channels) ** 2 // each)
        form = copies(self.output, [count // each for count in channels], Operation.SUM)
        one = form.nonzeros
        nonzeros = Nonzeros(one.lengths, one.taps, one.channels * each, one.values)
        return replace(form, nonzeros=nonzeros, enlarge=self.factor, phase_channels=1)

    def entry(self) -> PixelShuffleEntry:
        """As `Step.entry`."""
        return PixelShuffleEntry(self.inputs, self.output, pair_entry(self.factor), self.size)

    @property
    def description(self) -> str:
        """As `Step.description`."""
        if self.factor == (1, 1):
            return f"cut to {by(self.size)}"
        return f"pixel shuffle {by_if_unequal(self.factor)}"


def shuffled(
    build: "Builder", node: "Node", source: "Parts", factor: tuple[int, int], size: tuple[int, int]
) -> "Parts":
    """The pixels of a map's channels. A map of one pixel is a vector, whose values only get another shape."""
    from openwork.operations.reshape import Reshape

    height, width = build.shapes[source[0]][1:]
    if factor == (1, 1) and (height, width) == size:
        return source
    if (height, width) == (1, 1):
        return build.emit_map(node, Reshape(source, "", (build.channels(source) // prod(factor), *size)), source)
    if any(build.channels((one,)) % prod(factor) for one in source):
        source = build.copy(node, source)
    return build.emit_map(node, PixelShuffle(source, "", factor, size), source)


def lower_pixel_shuffle(build: "Builder", node: "Node", self_: Any, upscale_factor: Any) -> "Parts":
    """Lower `pixel_shuffle`."""
    (factor,) = integers(upscale_factor, "a factor of")
    _, height, width = build.shape(node)
    return shuffled(build, node, build.parts(self_), (factor, factor), (height, width))


def lower_pixel_unshuffle(build: "Builder", node: "Node", self_: Any, downscale_factor: Any) -> "Parts":
    """Lower `pixel_unshuffle`: each row of the layer copies one pixel of each block."""
    (factor,) = integers(downscale_factor, "a factor of")
    if factor < 1:
        raise Unsupported(f"by {factor}; a factor of 1 or more is possible")
    return build.blocks(node, build.parts(self_), (factor, factor))


LOWERINGS: Mapping[str, Lowering] = {
    "pixel_shuffle": lower_pixel_shuffle,
    "pixel_unshuffle": lower_pixel_unshuffle,
}
