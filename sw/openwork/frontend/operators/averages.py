"""Averages of maps."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch

from openwork.frontend.axes import adaptive_windows, zeros
from openwork.frontend.builder import Builder, Parts, fits
from openwork.frontend.float_steps import FloatLayer
from openwork.frontend.node import Node, check_dtype
from openwork.frontend.resampling import resampled
from openwork.operations.arguments import Unsupported, pair


def _average(
    build: Builder,
    node: Node,
    source: Parts,
    kernel: Sequence[int],
    stride: tuple[int, int],
    padding: Sequence[int],
    divisor: float,
) -> Parts:
    """The sum under a window by `divisor`: one layer, or one along each direction if the window is large and not the whole map."""
    source, (top, left, bottom, right) = build.unpadded(source)
    top, left, bottom, right = top + padding[0], left + padding[1], bottom + padding[0], right + padding[1]
    channels = build.channels(source)
    bias = torch.zeros(channels, dtype=torch.float64)

    def ones(height: int, width: int, by_what: float) -> torch.Tensor:
        return torch.full((channels, 1, height, width), 1 / by_what, dtype=torch.float64)

    whole = tuple(kernel) == build.shapes[source[0]][1:] and not any((top, left, bottom, right))
    if not whole and not fits(kernel[0] * kernel[1], channels) and min(kernel) > 1:
        weights, down = ones(kernel[0], 1, kernel[0]), (stride[0], 1)
        layer = FloatLayer(source, "", weights, bias, down, (top, 0, bottom, 0), groups=channels)
        source = build.emit_layer(node, layer)
        kernel, stride, divisor, top, bottom = (1, kernel[1]), (1, stride[1]), divisor / kernel[0], 0, 0
    weights = ones(kernel[0], kernel[1], divisor)
    layer = FloatLayer(source, "", weights, bias, stride, (top, left, bottom, right), groups=channels)
    return build.emit_layer(node, layer)


def _avg_pool2d(
    build: Builder,
    node: Node,
    self_: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,  # the shape of the result says what it did
    count_include_pad: bool,
    divisor_override: Any,
) -> Parts:
    kernel, padding = pair(kernel_size, "a window of"), pair(padding, "padding")
    stride = pair(stride or kernel_size, "stride")
    source, before, after = build.parts(self_), build.shape(self_)[1:], build.shape(node)[1:]
    windows = [
        _windows(before[axis], after[axis], kernel[axis], stride[axis], padding[axis], count_include_pad)
        for axis in (0, 1)
    ]
    if divisor_override is None and any(
        count != size for one, size in zip(windows, kernel, strict=True) for _, _, count in one
    ):
        down, across = (_matrix(one, size) for one, size in zip(windows, before, strict=True))
        return resampled(build, node, source, down, across)
    last = [one[-1][0] + kernel[axis] - before[axis] for axis, one in enumerate(windows)]
    if any(last[axis] > padding[axis] for axis in (0, 1)):  # of a sum, a window beyond the padding is one of zeros
        matrices = [
            _matrix([(first, end, 1) for first, end, _ in one], size) for one, size in zip(windows, before, strict=True)
        ]
        return resampled(build, node, source, matrices[0] / (divisor_override or prod(kernel)), matrices[1])
    return _average(build, node, source, kernel, stride, padding, divisor_override or prod(kernel))


Window = tuple[int, int, int]
"""The first pixel of a window, the pixel after its last one, and what their sum is divided by."""


def _windows(before: int, after: int, kernel: int, stride: int, padding: int, counted: bool) -> list[Window]:
    """The windows of a pooling along an axis. Pixels beyond the padding, which ceil_mode brings, never count."""
    found = []
    for first in range(-padding, -padding + after * stride, stride):
        end = min(first + kernel, before + padding)
        inside = min(end, before) - max(first, 0)
        found.append((first, first + kernel, end - first if counted else inside))
    return found


def _matrix(windows: Sequence[Window], before: int) -> torch.Tensor:
    """The averages of these windows as a matrix, float64 [windows, pixels before]."""
    matrix = zeros(len(windows), before)
    for row, (first, end, count) in zip(matrix, windows, strict=True):
        row[max(first, 0) : end] = 1 / count
    return matrix


def _adaptive_avg_pool2d(build: Builder, node: Node, self_: Any, output_size: Any) -> Parts:
    before, after = build.shape(self_)[1:], build.shape(node)[1:]
    if any(before[axis] % after[axis] for axis in (0, 1)):
        down, across = (
            _matrix(
                [(first, end, end - first) for first, end in adaptive_windows(before[axis], after[axis])], before[axis]
            )
            for axis in (0, 1)
        )
        return resampled(build, node, build.parts(self_), down, across)
    kernel = before[0] // after[0], before[1] // after[1]
    return _average(build, node, build.parts(self_), kernel, kernel, (0, 0), prod(kernel))


def _mean(build: Builder, node: Node, self_: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Parts:
    check_dtype(dtype)
    rank = len(self_.shape)
    axes = {axis % rank for axis in dim or ()}
    if rank != 4 or not axes or not axes <= {2, 3}:
        raise Unsupported(f"over dimensions {dim}; over height and width is possible")
    shape = build.shape(self_)
    kernel = [shape[axis - 1] if axis in axes else 1 for axis in (2, 3)]
    build.shape(node)
    return _average(build, node, build.parts(self_), kernel, (1, 1), (0, 0), kernel[0] * kernel[1])


OPERATORS: Mapping[str, Callable[..., Parts]] = {
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "mean": _mean,
}
