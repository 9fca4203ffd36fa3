"""Pooling and resizing of maps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import fx

from openwork.frontend.builder import Builder, Parts, fits
from openwork.frontend.float_network import FloatLayer
from openwork.frontend.nodes import Unsupported, check_dtype, equal, pair, stride_of
from openwork.network import MaxPool, Upsample, by


def _average(
    build: Builder,
    node: fx.Node,
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
    node: fx.Node,
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


def _adaptive_avg_pool2d(build: Builder, node: fx.Node, self_: Any, output_size: Any) -> Parts:
    (_, height, width), (_, rows, columns) = build.shape(self_), build.shape(node)
    if height % rows or width % columns:
        raise Unsupported(f"from {height} x {width} to {rows} x {columns}, which does not divide it")
    kernel = (height // rows, width // columns)
    strides = {size for size, count in zip(kernel, (rows, columns), strict=True) if count > 1} or {1}
    stride = equal(sorted(strides) if len(strides) > 1 else [*strides], "stride")
    return _average(build, node, build.parts(self_), kernel, stride, (0, 0), kernel[0] * kernel[1])


def _mean(
    build: Builder, node: fx.Node, self_: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None
) -> Parts:
    check_dtype(dtype)
    rank = len(self_.meta["val"].shape)
    axes = {axis % rank for axis in dim or ()}
    if rank != 4 or not axes or not axes <= {2, 3}:
        raise Unsupported(f"over dimensions {dim}; over height and width is possible")
    shape = build.shape(self_)
    kernel = [shape[axis - 1] if axis in axes else 1 for axis in (2, 3)]
    build.shape(node)
    return _average(build, node, build.parts(self_), kernel, 1, (0, 0), kernel[0] * kernel[1])


def _max_pool2d(
    build: Builder,
    node: fx.Node,
    self_: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,  # the shape of the result says what it did
) -> Parts:
    if equal(dilation, "dilation") != 1:
        raise Unsupported("with a dilation")
    kernel, padding = pair(kernel_size, "a window of"), pair(padding, "padding")
    stride = stride_of(node, stride or kernel)
    source = build.parts(self_)
    value = node.meta["val"]
    output = (value[0] if isinstance(value, list | tuple) else value).shape[2:]
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


def _getitem(build: Builder, node: fx.Node, self_: Any, index: int) -> Parts:
    if index:
        raise Unsupported("of a result other than the first")
    return build.parts(self_)


def _places(height: int, width: int) -> Iterator[torch.Tensor]:
    """Maps [1, 1, height, width] in which each pixel says its row or its column."""
    for dtype in (torch.float32, torch.float64):
        yield torch.arange(height, dtype=dtype)[:, None].expand(1, 1, height, width)
        yield torch.arange(width, dtype=dtype).expand(1, 1, height, width)


def _upsample_nearest2d(
    build: Builder,
    node: fx.Node,
    self_: Any,
    output_size: Any,
    scale_factors: Any = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> Parts:
    before, after = build.shape(self_)[1:], build.shape(node)[1:]
    factors = {after[axis] / before[axis] for axis in (0, 1)}
    if len(factors) > 1 or not (factor := factors.pop()).is_integer():
        raise Unsupported(f"from {by(before)} to {by(after)}; one whole factor is possible")
    # PyTorch steps by the factor that it was given, and not by the sizes: where the two differ, other pixels are taken.
    given = scale_factors or (scales_h, scales_w)
    if not all(scale is None or isinstance(scale, float) for scale in given):
        raise Unsupported("by a factor that depends on the size of the input")
    for places in _places(*before):
        taken = torch.ops.aten.upsample_nearest2d.default(places, list(after), *given)
        if not torch.equal(taken, places.repeat_interleave(int(factor), 2).repeat_interleave(int(factor), 3)):
            raise Unsupported(
                f"by {given[0]} x {given[1]}, where pixels are not all repeated as often; a whole factor is possible"
            )
    parts = build.parts(self_)
    return build.emit_map(node, Upsample(parts, "", int(factor)), parts)


OPERATORS: Mapping[str, Callable[..., Parts]] = {
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "mean": _mean,
    "max_pool2d": _max_pool2d,
    "max_pool2d_with_indices": _max_pool2d,
    "getitem": _getitem,
    "upsample_nearest2d": _upsample_nearest2d,
}
