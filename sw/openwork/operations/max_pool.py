"""The largest value of a window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import gcd, prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from openwork.layer import window_places
from openwork.operations.arguments import pair
from openwork.operations.entry import Arrays, Padding, Pair, Size, StepEntry, pair_entry, pair_of
from openwork.operations.form import Form, check_matrix, check_one_pixel, copies
from openwork.operations.operation import Lowering, Picking, window_operands
from openwork.tensors import NetworkError, Shape, Tensor, by, by_if_unequal
from openwork_hw.arch.arithmetic import ACTIVATION_MIN
from openwork_hw.arch.commands import Operation

if TYPE_CHECKING:
    import torch

    from openwork.frontend.builder import Builder, Parts
    from openwork.frontend.node import Node


class MaxPoolEntry(StepEntry, frozen=True, tag="max_pool"):
    """The largest value of a window."""

    kernel: tuple[Size, Size]
    stride: Pair
    padding: Padding
    dilation: Pair = 1

    def step(self, tensors: Mapping[str, Tensor], arrays: Arrays) -> "MaxPool":
        """As `StepEntry.step`."""
        return MaxPool(
            self.inputs, self.output, self.kernel, pair_of(self.stride), self.padding, pair_of(self.dilation)
        )


@dataclass(frozen=True)
class MaxPool(Picking):
    """The largest value under each place of a window. Places outside the map are ignored.

    Attributes:
        kernel: height and width of the window.
        stride: down and across.
        padding: pixels at top, left, bottom, right, each less than the window's reach.
        dilation: pixels from one place of the window to the next, down and across.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    kind: ClassVar[str] = "max_pool"
    Entry: ClassVar[type[StepEntry]] = MaxPoolEntry

    def output_shape(self, shape: Shape) -> Shape:
        """As `Step.output_shape`."""
        if min(*self.kernel, *self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            raise NetworkError(f"step {self.output!r}: kernel, stride and dilation are 1 or more, padding 0 or more")
        for axis in (0, 1):
            # A window that begins outside the map has a place inside it, if it is long enough and no step jumps over the map.
            padding, dilation = max(self.padding[axis], self.padding[2 + axis]), self.dilation[axis]
            if padding > dilation * (self.kernel[axis] - 1) or (padding and dilation > shape[1 + axis]):
                raise NetworkError(f"step {self.output!r}: padding {self.padding} would leave a window without a pixel")
        rows, columns = window_places(shape, self.kernel, self.stride, self.padding, self.dilation)
        if rows < 1 or columns < 1:
            raise NetworkError(f"step {self.output!r}: the window {by(self.kernel)} is larger than {by(shape)}, padded")
        return shape[0], rows, columns

    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """As `Step.run`."""
        import torch

        padded = self._padded(torch.tensor(inputs), ACTIVATION_MIN)
        for axis in (0, 1):
            reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
            padded = padded.unfold(2 + axis, reach, self.stride[axis])
        return padded[..., :: self.dilation[0], :: self.dilation[1]].amax(dim=(4, 5)).numpy()

    def run_real(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """As `Picking.run_real`."""
        from torch.nn import functional

        padded = self._padded(inputs, float("-inf"))
        return functional.max_pool2d(padded, self.kernel, self.stride, dilation=self.dilation)

    def _padded(self, inputs: "torch.Tensor", value: float) -> "torch.Tensor":
        from torch.nn import functional

        top, left, bottom, right = self.padding
        return functional.pad(inputs, (left, right, top, bottom), value=value) if any(self.padding) else inputs

    def _run_traceable(self, inputs: "torch.Tensor", never_negative: bool) -> "torch.Tensor":
        # Zeros around a map that is never negative never are the largest.
        from torch.nn import functional

        if not never_negative and any(self.padding):
            return self.run_real(inputs)
        return functional.max_pool2d(self._padded(inputs, 0.0), self.kernel, self.stride, dilation=self.dilation)

    def form(self, channels: Sequence[int], *, vector: bool) -> Form:
        """As `Step.form`: each row compares one channel over the window's places."""
        if vector:
            check_one_pixel(self.output, self.output_shape((sum(channels), 1, 1))[1:])
            check_matrix(self.output, sum(channels) ** 2)
            return copies(self.output, channels, Operation.SUM)
        kernel_h, kernel_w = self.kernel
        top, left, _, _ = self.padding
        check_matrix(self.output, sum(channels) ** 2 * prod(self.kernel))
        (far_down, far_across) = self.dilation
        places = [(far_down * ky - top, far_across * kx - left) for ky in range(kernel_h) for kx in range(kernel_w)]
        form = copies(self.output, channels, Operation.MAX, places)
        return replace(form, pad=self.pad, stride=self.stride)

    @property
    def pad(self) -> int | None:
        """As `Step.pad`: the least int8, which is never larger than another value."""
        return ACTIVATION_MIN if any(self.padding) else None

    def operands(self, source: Shape, result: Shape) -> int:
        """As `Step.operands`."""
        return window_operands(source, result, self.kernel, self.padding)

    def entry(self) -> MaxPoolEntry:
        """As `Step.entry`."""
        return MaxPoolEntry(
            self.inputs, self.output, self.kernel, pair_entry(self.stride), self.padding, pair_entry(self.dilation)
        )

    @property
    def description(self) -> str:
        """As `Step.description`."""
        apart = f", dilation {by_if_unequal(self.dilation)}" if self.dilation != (1, 1) else ""
        return f"max {by(self.kernel)}, stride {by_if_unequal(self.stride)}{apart}"


def lower_max_pool(
    build: "Builder",
    node: "Node",
    self_: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,  # the shape of the result says what it did
) -> "Parts":
    """Lower `max_pool2d`. Zeros around a map that is never negative are as good as no pixels."""
    kernel, padding, stride = (
        pair(kernel_size, "a window of"),
        pair(padding, "padding"),
        pair(stride or kernel_size, "stride"),
    )
    dilation = pair(dilation, "dilation")
    reach = [dilation[axis] * (kernel[axis] - 1) + 1 for axis in (0, 1)]
    source = build.parts(self_)
    output = node.shape[2:]
    size = build.shape(self_)[1:]
    after = [
        max(padding[axis], (int(output[axis]) - 1) * stride[axis] + reach[axis] - size[axis] - padding[axis])
        for axis in (0, 1)
    ]
    inner, zeros = build.unpadded(source)
    sides = [padding[0], padding[1], after[0], after[1]]
    both = [side + zero for side, zero in zip(sides, zeros, strict=True)]
    if build.low(inner) >= 0 and all(side < reach[index % 2] for index, side in enumerate(both)):
        source, sides = inner, both  # no zero is larger than a pixel
    pool = MaxPool(source, "", kernel, stride, (sides[0], sides[1], sides[2], sides[3]), dilation)
    return build.emit_map(node, pool, source)


def lower_adaptive_max_pool(build: "Builder", node: "Node", self_: Any, output_size: Any) -> "Parts":
    """Lower `adaptive_max_pool2d`. Windows that differ repeat after some: each of these is a map, and all of them are shuffled."""
    from openwork.frontend.axes import adaptive_windows, choice
    from openwork.frontend.resampling import resampled
    from openwork.operations.pixel_shuffle import shuffled

    source, before, after = build.parts(self_), build.shape(self_)[1:], build.shape(node)[1:]
    steps, phases, windows = [], [], []
    for axis in (0, 1):
        common = gcd(before[axis], after[axis])
        own = adaptive_windows(before[axis], after[axis])
        advance, count = before[axis] // common, after[axis] // common
        firsts, lengths = [first for first, _ in own], {end - first for first, end in own}
        if (
            len(lengths) == 1 and len({second - first for first, second in pairwise(firsts)}) <= 1
        ):  # all alike after all
            advance, count = (firsts[1] if len(firsts) > 1 else 1), 1
        steps.append(advance)
        phases.append(count)
        windows.append(own)
    parts: Parts = ()
    for down in range(phases[0]):
        for across in range(phases[1]):
            first = [windows[axis][phase] for axis, phase in enumerate((down, across))]
            kept = [choice([*range(start, before[axis])], before[axis]) for axis, (start, _) in enumerate(first)]
            part = resampled(build, node, source, *kept) if any(start for start, _ in first) else source
            kernel = first[0][1] - first[0][0], first[1][1] - first[1][0]
            parts += build.emit_map(node, MaxPool(part, "", kernel, (steps[0], steps[1])), part)
    channels, each = build.channels(source), prod(phases)
    if each > 1:
        parts = build.select(
            node, parts, [phase * channels + channel for channel in range(channels) for phase in range(each)]
        )
    return shuffled(build, node, parts, (phases[0], phases[1]), (after[0], after[1]))


LOWERINGS: Mapping[str, Lowering] = {
    "max_pool2d": lower_max_pool,
    "max_pool2d_with_indices": lower_max_pool,
    "adaptive_max_pool2d": lower_adaptive_max_pool,
}
