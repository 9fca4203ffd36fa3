"""Transposed convolutions: a layer whose rows are the pixels of blocks, and the blocks as pixels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from openwork.frontend.builder import Builder, Parts
from openwork.frontend.float_steps import FloatLayer
from openwork.frontend.node import Node
from openwork.operations.arguments import Unsupported, pair
from openwork.operations.pixel_shuffle import shuffled


@dataclass(frozen=True)
class Phases:
    """One axis of a transposed convolution as one of a convolution with several phases.

    Phase ``a`` of group ``q`` is pixel ``q * phases + a`` of the result, and reads pixel ``q + offset`` of the map.

    Attributes:
        phases: pixels of the result per pixel of the map.
        groups: pixels of the result divided by the phases, rounded up.
        taps: of each weight that is read, its phase, its offset, and its place in the kernel.
    """

    phases: int
    groups: int
    taps: tuple[tuple[int, int, int], ...]

    @property
    def first(self) -> int:
        """The first offset, 0 or less."""
        return min([0, *(offset for _, offset, _ in self.taps)])

    def window(self, before: int) -> int:
        """Offsets from the first one on: at least to the last pixel of the map, which has `before` pixels."""
        return max([before - self.groups, *(offset for _, offset, _ in self.taps)]) + 1 - self.first


def phases_of(before: int, after: int, kernel: int, stride: int, padding: int, dilation: int) -> Phases:
    """The phases of an axis with so many pixels before and after."""
    # All pixels that come out of a single one are its channels; no other pixel is ever reached.
    phases, between = (stride, stride) if before > 1 else (after, after + padding + kernel * dilation)
    taps = []
    for phase in range(phases):
        for place in range(kernel):
            offset, rest = divmod(phase + padding - place * dilation, between)
            if not rest:
                taps.append((phase, offset, place))
    return Phases(phases, -(-after // phases), tuple(taps))


def _conv_transpose2d(
    build: Builder,
    node: Node,
    self_: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,  # the shape of the result says what it did
    groups: int,
    dilation: Any,
) -> Parts:
    return transposed_convolution(build, node, self_, build.constant(weight), bias, (stride, padding, dilation), groups)


def transposed_convolution(
    build: Builder, node: Node, self_: Any, weights: torch.Tensor, bias: Any, numbers: tuple[Any, Any, Any], groups: int
) -> Parts:
    """The steps of a transposed convolution.

    Args:
        weights: float64 [channels, rows / groups, kernel_h, kernel_w].
        bias: a constant, or None.
        numbers: stride, padding and dilation.
    """
    if weights.ndim != 4 or not weights.numel():
        raise Unsupported(f"weights of {list(weights.shape)}")
    stride, padding, dilation = (
        pair(value, what) for value, what in zip(numbers, ("stride", "padding", "dilation"), strict=True)
    )
    source, (_, *before), (rows, *after) = build.parts(self_), build.shape(self_), build.shape(node)
    axes = [
        phases_of(before[axis], after[axis], weights.shape[2 + axis], stride[axis], padding[axis], dilation[axis])
        for axis in (0, 1)
    ]
    window = [axes[axis].window(before[axis]) for axis in (0, 1)]
    channels, each = weights.shape[0] // groups, rows // groups
    by_group = weights.reshape(groups, channels, each, *weights.shape[2:]).transpose(1, 2).flatten(0, 1)
    made = torch.zeros(rows, axes[0].phases, axes[1].phases, channels, *window, dtype=torch.float64)
    for down, row, place_down in axes[0].taps:
        for across, column, place_across in axes[1].taps:
            weight = by_group[:, :, place_down, place_across]
            made[:, down, across, :, row - axes[0].first, column - axes[1].first] += weight
    each_phase = axes[0].phases * axes[1].phases
    bias = torch.zeros(rows, dtype=torch.float64) if bias is None else build.constant(bias)
    ends = [max(0, axes[axis].first + axes[axis].groups - 1 + window[axis] - before[axis]) for axis in (0, 1)]
    layer = FloatLayer(
        source,
        "",
        made.flatten(0, 2),
        bias.repeat_interleave(each_phase),
        padding=(-axes[0].first, -axes[1].first, ends[0], ends[1]),
        groups=groups,
    )
    return shuffled(build, node, build.emit_layer(node, layer), (axes[0].phases, axes[1].phases), (after[0], after[1]))


OPERATORS: Mapping[str, Callable[..., Parts]] = {"conv_transpose2d": _conv_transpose2d}
