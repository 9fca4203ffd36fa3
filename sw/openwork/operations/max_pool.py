"""The largest value of a window."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from openwork.operations.arguments import Unsupported, equal, pair, stride_of
from openwork.operations.entry import Arrays, Count, Padding, Size, StepEntry
from openwork.operations.form import Form, check_matrix, check_one_pixel, copies
from openwork.operations.operation import Lowering, Picking, window_operands
from openwork.tensors import NetworkError, Shape, Tensor, by
from openwork_hw.arch.arithmetic import ACTIVATION_MIN
from openwork_hw.arch.commands import Operation

if TYPE_CHECKING:
    import torch

    from openwork.frontend.builder import Builder, Parts
    from openwork.frontend.node import Node


class MaxPoolEntry(StepEntry, frozen=True, tag="max_pool"):
    """The largest value of a window."""

    kernel: tuple[Size, Size]
    stride: Count
    padding: Padding

    def step(self, tensors: Mapping[str, Tensor], arrays: Arrays) -> "MaxPool":
        """As `StepEntry.step`."""
        return MaxPool(self.inputs, self.output, self.kernel, self.stride, self.padding)


@dataclass(frozen=True)
class MaxPool(Picking):
    """The largest value under each place of a window. Places outside the map are ignored.

    Attributes:
        kernel: height and width of the window.
        stride: the same in both directions.
        padding: pixels at top, left, bottom, right, each less than the window.
    """

    kernel: tuple[int, int]
    stride: int = 1
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    kind: ClassVar[str] = "max_pool"
    Entry: ClassVar[type[StepEntry]] = MaxPoolEntry

    def output_shape(self, shape: Shape) -> Shape:
        """As `Step.output_shape`."""
        channels, height, width = shape
        top, left, bottom, right = self.padding
        kernel_h, kernel_w = self.kernel
        if min(self.kernel) < 1 or self.stride < 1 or min(self.padding) < 0:
            raise NetworkError(f"step {self.output!r}: kernel and stride are 1 or more, padding 0 or more")
        if max(top, bottom) >= kernel_h or max(left, right) >= kernel_w:
            raise NetworkError(f"step {self.output!r}: padding {self.padding} would leave a window without a pixel")
        rows = (height + top + bottom - kernel_h) // self.stride + 1
        columns = (width + left + right - kernel_w) // self.stride + 1
        if rows < 1 or columns < 1:
            raise NetworkError(f"step {self.output!r}: the window {by(self.kernel)} is larger than {by(shape)}, padded")
        return channels, rows, columns

    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """As `Step.run`."""
        import torch

        padded = self._padded(torch.tensor(inputs), ACTIVATION_MIN)
        windows = padded.unfold(2, self.kernel[0], self.stride).unfold(3, self.kernel[1], self.stride)
        return windows.amax(dim=(4, 5)).numpy()

    def run_real(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """As `Picking.run_real`."""
        from torch.nn import functional

        return functional.max_pool2d(self._padded(inputs, float("-inf")), self.kernel, self.stride)

    def _padded(self, inputs: "torch.Tensor", value: float) -> "torch.Tensor":
        from torch.nn import functional

        top, left, bottom, right = self.padding
        return functional.pad(inputs, (left, right, top, bottom), value=value) if any(self.padding) else inputs

    def _run_traceable(self, inputs: "torch.Tensor", never_negative: bool) -> "torch.Tensor":
        # Zeros around a map that is never negative never are the largest.
        from torch.nn import functional

        if not never_negative and any(self.padding):
            return self.run_real(inputs)
        return functional.max_pool2d(self._padded(inputs, 0.0), self.kernel, self.stride)

    def form(self, channels: Sequence[int], *, vector: bool) -> Form:
        """As `Step.form`: each row compares one channel over the window's places."""
        if vector:
            check_one_pixel(self.output, self.output_shape((sum(channels), 1, 1))[1:])
            check_matrix(self.output, sum(channels) ** 2)
            return copies(self.output, channels, Operation.SUM)
        kernel_h, kernel_w = self.kernel
        top, left, _, _ = self.padding
        check_matrix(self.output, sum(channels) ** 2 * prod(self.kernel))
        places = [(ky - top, kx - left) for ky in range(kernel_h) for kx in range(kernel_w)]
        form = copies(self.output, channels, Operation.MAX, places)
        return replace(form, pad=self.pad, stride=(self.stride, self.stride))

    @property
    def pad(self) -> int | None:
        """As `Step.pad`: the least int8, which is never larger than another value."""
        return ACTIVATION_MIN if any(self.padding) else None

    def operands(self, source: Shape, result: Shape) -> int:
        """As `Step.operands`."""
        return window_operands(source, result, self.kernel, self.padding)

    def entry(self) -> MaxPoolEntry:
        """As `Step.entry`."""
        return MaxPoolEntry(self.inputs, self.output, self.kernel, self.stride, self.padding)

    @property
    def description(self) -> str:
        """As `Step.description`."""
        return f"max {by(self.kernel)}, stride {self.stride}"


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
    if equal(dilation, "dilation") != 1:
        raise Unsupported("with a dilation")
    kernel, padding = pair(kernel_size, "a window of"), pair(padding, "padding")
    stride = stride_of(node, stride or kernel)
    source = build.parts(self_)
    output = node.shape[2:]
    size = build.shape(self_)[1:]
    after = [
        max(padding[axis], (int(output[axis]) - 1) * stride + kernel[axis] - size[axis] - padding[axis])
        for axis in (0, 1)
    ]
    inner, zeros = build.unpadded(source)
    sides = [padding[0], padding[1], after[0], after[1]]
    both = [side + zero for side, zero in zip(sides, zeros, strict=True)]
    if build.low(inner) >= 0 and all(side < kernel[index % 2] for index, side in enumerate(both)):
        source, sides = inner, both  # no zero is larger than a pixel
    pool = MaxPool(source, "", (kernel[0], kernel[1]), stride, (sides[0], sides[1], sides[2], sides[3]))
    return build.emit_map(node, pool, source)


LOWERINGS: Mapping[str, Lowering] = {"max_pool2d": lower_max_pool, "max_pool2d_with_indices": lower_max_pool}
