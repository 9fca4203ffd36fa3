"""Averages of maps."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from openwork.frontend.builder import Builder, Parts, fits
from openwork.frontend.float_steps import FloatLayer
from openwork.frontend.node import Node, check_dtype
from openwork.operations.arguments import Unsupported, equal, pair, stride_of


def _average(
    build: Builder,
    node: Node,
    source: Parts,
    kernel: Sequence[int],
    stride: int,
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
        weights = ones(kernel[0], 1, kernel[0])
        layer = FloatLayer(source, "", weights, bias, 1, (top, 0, bottom, 0), 1, channels)
        source = build.emit_layer(node, layer)
        kernel, divisor, top, bottom = (1, kernel[1]), divisor / kernel[0], 0, 0
    weights = ones(kernel[0], kernel[1], divisor)
    layer = FloatLayer(source, "", weights, bias, stride, (top, left, bottom, right), 1, channels)
    return build.emit_layer(node, layer)


def _avg_pool2d(
    build: Builder,
    node: Node,
    self_: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any,
) -> Parts:
    kernel, padding = pair(kernel_size, "a window of"), pair(padding, "padding")
    if any(padding) and not count_include_pad:
        raise Unsupported("with padding that is not counted")
    stride = stride_of(node, stride or kernel)
    source = build.parts(self_)
    shape = build.shape(self_)
    floor = [(shape[1 + axis] + 2 * padding[axis] - kernel[axis]) // stride + 1 for axis in (0, 1)]
    if ceil_mode and list(build.shape(node)[1:]) != floor:
        raise Unsupported("with ceil_mode, where that adds a pixel")
    divisor = divisor_override or kernel[0] * kernel[1]
    return _average(build, node, source, kernel, stride, padding, divisor)


def _adaptive_avg_pool2d(build: Builder, node: Node, self_: Any, output_size: Any) -> Parts:
    (_, height, width), (_, rows, columns) = build.shape(self_), build.shape(node)
    if height % rows or width % columns:
        raise Unsupported(f"from {height} x {width} to {rows} x {columns}, which does not divide it")
    kernel = (height // rows, width // columns)
    strides = {size for size, count in zip(kernel, (rows, columns), strict=True) if count > 1} or {1}
    stride = equal(sorted(strides) if len(strides) > 1 else [*strides], "stride")
    return _average(build, node, build.parts(self_), kernel, stride, (0, 0), kernel[0] * kernel[1])


def _mean(build: Builder, node: Node, self_: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Parts:
    check_dtype(dtype)
    rank = len(self_.shape)
    axes = {axis % rank for axis in dim or ()}
    if rank != 4 or not axes or not axes <= {2, 3}:
        raise Unsupported(f"over dimensions {dim}; over height and width is possible")
    shape = build.shape(self_)
    kernel = [shape[axis - 1] if axis in axes else 1 for axis in (2, 3)]
    build.shape(node)
    return _average(build, node, build.parts(self_), kernel, 1, (0, 0), kernel[0] * kernel[1])


OPERATORS: Mapping[str, Callable[..., Parts]] = {
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "mean": _mean,
}
