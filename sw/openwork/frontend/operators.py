"""The operators that the front end takes, each with a function of the node and its arguments by name.

A function says which tensors its node stands for, and adds steps that make them; or it raises `Unsupported`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn

from openwork.frontend.builder import Builder, Parts, fits
from openwork.frontend.float_network import FloatAdd, FloatLayer
from openwork.frontend.nodes import Unsupported, arguments_of, equal, pair
from openwork.network import MaxPool, Reshape, Upsample, by

HOST_OPERATORS = ("softmax", "log_softmax", "argmax")
"""At the end of a model these are left to the host."""


# Layers with weights


def _conv2d(build: Builder, node: fx.Node, input: Any, weight: Any, bias: Any, **options: Any) -> Parts:
    if options.get("transposed"):
        raise Unsupported("transposed")
    source, (top, left, bottom, right) = build.unpadded(build.parts(input))
    weights = build.constant(weight)
    if weights.ndim != 4 or not weights.numel():
        raise Unsupported(f"weights of {list(weights.shape)}")
    kernel = weights.shape[2:]
    stride = _stride(node, options["stride"])
    dilation = equal(options["dilation"], "dilation")
    padding = options["padding"]
    if isinstance(padding, str):
        total = [dilation * (size - 1) if padding == "same" else 0 for size in kernel]
        before, after = (total[0] // 2, total[1] // 2), (total[0] - total[0] // 2, total[1] - total[1] // 2)
    else:
        before = after = pair(padding)
    layer = FloatLayer(
        source,
        "",
        weights,
        torch.zeros(len(weights), dtype=torch.float64) if bias is None else build.constant(bias),
        stride,
        (top + before[0], left + before[1], bottom + after[0], right + after[1]),
        dilation,
        options["groups"],
    )
    return build.emit_layer(node, layer)


def _stride(node: fx.Node, value: Any) -> int:
    """The stride in both directions; along one in which there is one pixel it may be any."""
    result = node.meta["val"]
    _, _, height, width = (result[0] if isinstance(result, list | tuple) else result).shape
    down, across = pair(value)
    if height == 1 or width == 1:
        return across if height == 1 else down
    return equal(value, "stride")


def _linear(build: Builder, node: fx.Node, input: Any, weight: Any, bias: Any = None) -> Parts:
    return _dense(build, node, input, build.constant(weight), None if bias is None else build.constant(bias))


def _addmm(build: Builder, node: fx.Node, self_: Any, mat1: Any, mat2: Any, beta: Any = 1, alpha: Any = 1) -> Parts:
    if beta != 1 or alpha != 1:
        raise Unsupported(f"with factors {beta} and {alpha}")
    return _dense(build, node, mat1, build.constant(mat2).t(), build.constant(self_))


def _mm(build: Builder, node: fx.Node, self_: Any, mat2: Any) -> Parts:
    return _dense(build, node, self_, build.constant(mat2).t(), None)


def _dense(
    build: Builder, node: fx.Node, source_node: fx.Node, weights: torch.Tensor, bias: torch.Tensor | None
) -> Parts:
    source, shape = build.parts(source_node), source_node.meta["val"].shape
    if len(shape) != 2 or weights.ndim != 2 or not weights.numel():
        raise Unsupported(f"weights of {list(weights.shape)} on {list(map(str, shape))}")
    channels, height, width = weights.shape[1], 1, 1
    before = build.steps.get(source[0]) if len(source) == 1 else None
    if isinstance(before, Reshape) and before.shape[1:] == (1, 1):
        inner = (build.channels(before.inputs), *build.shapes[before.inputs[0]][1:])
        if fits(inner[1] * inner[2], inner[0]):
            source, (channels, height, width) = before.inputs, inner
    weights = weights.reshape(-1, channels, height, width)
    bias = torch.zeros(len(weights), dtype=torch.float64) if bias is None else bias.expand(len(weights)).clone()
    return build.emit_layer(node, FloatLayer(source, "", weights, bias))


def _batch_norm(build: Builder, node: fx.Node, input: Any, weight: Any, bias: Any, **options: Any) -> Parts:
    if options.get("training"):
        raise Unsupported("in training mode: export the model after model.eval()")
    if options["running_mean"] not in build.constants:
        raise Unsupported("without running statistics")
    mean, variance = (build.constants[options[name]].double() for name in ("running_mean", "running_var"))
    factor = 1 / torch.sqrt(variance + options["eps"])
    if weight is not None:
        factor = factor * build.constants[weight].double()
    offset = -mean * factor
    if bias is not None:
        offset = offset + build.constants[bias].double()
    return build.affine(node, build.parts(input), factor, offset)


# Sums, limits


def _add(build: Builder, node: fx.Node, self_: Any, other: Any, alpha: Any = 1, sign: int = 1) -> Parts:
    if alpha != 1:
        raise Unsupported(f"alpha {alpha}")
    for value, constant, signs in ((self_, other, (1, sign)), (other, self_, (sign, 1))):
        number = build.per_channel(node, constant)
        if number is not None:
            factor = torch.full_like(number, signs[0])
            return build.affine(node, build.parts(value), factor, signs[1] * number)
    first, second = build.parts(self_), build.parts(other)
    if self_.meta["val"].shape != other.meta["val"].shape:
        shapes = [list(map(str, value.meta["val"].shape)) for value in (self_, other)]
        raise Unsupported(f"of shapes {shapes[0]} and {shapes[1]}; both must be equal")
    if first == second:
        channels = build.channels(first)
        double = torch.full((channels,), 1.0 + sign, dtype=torch.float64)
        layer = FloatLayer(first, "", double[:, None, None, None], double * 0, groups=channels)
        return build.emit_layer(node, layer)
    return build.emit(node, FloatAdd((*first, *second), "", len(first), (1, sign)), build.shape(node))


def _sub(build: Builder, node: fx.Node, self_: Any, other: Any, alpha: Any = 1) -> Parts:
    return _add(build, node, self_, other, alpha, sign=-1)


def _rsub(build: Builder, node: fx.Node, self_: Any, other: Any, alpha: Any = 1) -> Parts:
    return _add(build, node, other, self_, alpha, sign=-1)


def _mul(build: Builder, node: fx.Node, self_: Any, other: Any) -> Parts:
    for value, constant in ((self_, other), (other, self_)):
        number = build.per_channel(node, constant)
        if number is not None:
            return build.affine(node, build.parts(value), number, torch.zeros_like(number))
    raise Unsupported("of two tensors that depend on the input")


def _div(build: Builder, node: fx.Node, self_: Any, other: Any) -> Parts:
    number = build.per_channel(node, other)
    if number is None:
        raise Unsupported("by a tensor that depends on the input")
    return build.affine(node, build.parts(self_), 1 / number, torch.zeros_like(number))


def _relu(build: Builder, node: fx.Node, self_: Any) -> Parts:
    return build.limit(node, build.parts(self_), 0.0, math.inf)


def _relu6(build: Builder, node: fx.Node, self_: Any) -> Parts:
    return build.limit(node, build.parts(self_), 0.0, 6.0)


def _hardtanh(build: Builder, node: fx.Node, self_: Any, min_val: Any = -1, max_val: Any = 1) -> Parts:
    return build.limit(node, build.parts(self_), float(min_val), float(max_val))


def _clamp(build: Builder, node: fx.Node, self_: Any, min: Any = None, max: Any = None) -> Parts:
    limits = [default if value is None else value for value, default in ((min, -math.inf), (max, math.inf))]
    if not all(isinstance(limit, int | float) for limit in limits):
        raise Unsupported("with limits that are tensors")
    return build.limit(node, build.parts(self_), float(limits[0]), float(limits[1]))


# Pooling, resizing


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


def _avg_pool2d(build: Builder, node: fx.Node, self_: Any, kernel_size: Any, **options: Any) -> Parts:
    kernel, padding = pair(kernel_size), pair(options["padding"])
    if any(padding) and not options["count_include_pad"]:
        raise Unsupported("with padding that is not counted")
    stride = _stride(node, options["stride"] or kernel)
    source = build.parts(self_)
    shape = build.shape(self_)
    floor = [(shape[1 + axis] + 2 * padding[axis] - kernel[axis]) // stride + 1 for axis in (0, 1)]
    if list(build.shape(node)[1:]) != floor:
        raise Unsupported("with ceil_mode, where that adds a pixel")
    divisor = options["divisor_override"] or kernel[0] * kernel[1]
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
    rank = len(self_.meta["val"].shape)
    axes = {axis % rank for axis in dim or ()}
    if rank != 4 or not axes or not axes <= {2, 3}:
        raise Unsupported(f"over dimensions {dim}; over height and width is possible")
    shape = build.shape(self_)
    kernel = [shape[axis - 1] if axis in axes else 1 for axis in (2, 3)]
    build.shape(node)
    return _average(build, node, build.parts(self_), kernel, 1, (0, 0), kernel[0] * kernel[1])


def _max_pool2d(build: Builder, node: fx.Node, self_: Any, kernel_size: Any, **options: Any) -> Parts:
    if equal(options["dilation"], "dilation") != 1:
        raise Unsupported("with a dilation")
    kernel, padding = pair(kernel_size), pair(options["padding"])
    stride = _stride(node, options["stride"] or kernel)
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


def _getitem(build: Builder, node: fx.Node, source: Any, index: int) -> Parts:
    if index:
        raise Unsupported("of a result other than the first")
    return build.parts(source)


def _upsample_nearest2d(build: Builder, node: fx.Node, **arguments: Any) -> Parts:
    source = arguments["input"] if "input" in arguments else arguments["self_"]
    before, after = build.shape(source), build.shape(node)
    factors = {after[axis] / before[axis] for axis in (1, 2)}
    if len(factors) > 1 or not (factor := factors.pop()).is_integer():
        raise Unsupported(f"from {by(before[1:])} to {by(after[1:])}; one whole factor is possible")
    parts = build.parts(source)
    return build.emit_map(node, Upsample(parts, "", int(factor)), parts)


# Shapes


def _cat(build: Builder, node: fx.Node, tensors: Any, dim: int = 0) -> Parts:
    if dim % len(node.meta["val"].shape) != 1:
        raise Unsupported(f"along dimension {dim}; along channels is possible")
    parts: Parts = ()
    for tensor in tensors:
        for name in build.parts(tensor):
            parts += build.copy(node, (name,)) if name in parts else (name,)
    return parts


def _pad(build: Builder, node: fx.Node, self_: Any, pad: Any, mode: str = "constant", value: Any = 0) -> Parts:
    if mode != "constant" or value or min(pad) < 0:
        raise Unsupported(f"of mode {mode}, by {list(pad)} with {value or 0}; padding with zeros is possible")
    source = build.parts(self_)
    sides = [(pad[index], pad[index + 1]) for index in range(0, len(pad), 2)]
    sides = [*([] if len(node.meta["val"].shape) == 4 else [(0, 0), (0, 0)]), *sides, (0, 0), (0, 0), (0, 0)]
    (left, right), (top, bottom), channels, images = sides[:4]
    if any(images):
        raise Unsupported("of the batch")
    if any(channels):
        source = _pad_channels(build, node, source, *channels)
    if left or right or top or bottom:
        inner, zeros = build.unpadded(source)
        added = (top, left, bottom, right)
        padding = (zeros[0] + added[0], zeros[1] + added[1], zeros[2] + added[2], zeros[3] + added[3])
        source = build.copy(node, inner, padding=padding)
        build.padded[source[0]] = inner, padding
    return source


def _pad_channels(build: Builder, node: fx.Node, source: Parts, before: int, after: int) -> Parts:
    layer = build.layer_to_change(source, node)
    if layer is None or layer.groups > 1:
        return build.select(node, source, [*[None] * before, *range(build.channels(source)), *[None] * after])
    sides = (before, after)
    weights = nn.functional.pad(layer.weights, (0, 0, 0, 0, 0, 0, *sides))
    build.steps[layer.output] = replace(layer, weights=weights, bias=nn.functional.pad(layer.bias, sides))
    build.shapes[layer.output] = (len(weights), *build.shapes[layer.output][1:])
    return source


def _slice(
    build: Builder, node: fx.Node, self_: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Parts:
    shape = self_.meta["val"].shape
    dim = dim % len(shape)
    whole = not start and (end is None or not isinstance(end, int) or end >= (shape[dim] if dim else 1 << 31))
    if step == 1 and (whole or node.meta["val"].shape == shape):
        if self_ in build.values:
            return build.parts(self_)
        build.subsampled[node] = build.subsampled[self_]
        return ()
    base, down, across = build.subsampled.get(self_, (self_, 1, 1)) if self_ not in build.values else (self_, 1, 1)
    if dim == 1 and self_ in build.values:
        rows = range(build.shape(self_)[0])[slice(start, end, step)]
        return build.select(node, build.parts(self_), list(rows))
    if dim not in (2, 3) or not whole:
        raise Unsupported("other than of channels, or every n-th pixel from the first")
    down, across = (down * step, across) if dim == 2 else (down, across * step)
    if down == across:
        return build.select(node, build.parts(base), list(range(build.shape(base)[0])), down)
    build.subsampled[node] = base, down, across
    return ()


def _view(build: Builder, node: fx.Node, **arguments: Any) -> Parts:
    source, shape = build.parts(arguments["self_"]), build.shape(node)
    if shape == (build.channels(source), *build.shapes[source[0]][1:]):
        return source
    return build.emit_map(node, Reshape(source, "", shape), source)


# What changes nothing, and what the host does


def _dropout(build: Builder, node: fx.Node, input: Any, train: bool = False, **_options: Any) -> Parts:
    if train:
        raise Unsupported("in training mode: export the model after model.eval()")
    return build.parts(input)


def _clone(build: Builder, node: fx.Node, self_: Any, **_options: Any) -> Parts:
    return build.parts(self_)


def _softmax(build: Builder, node: fx.Node, self_: Any, **_options: Any) -> Parts:
    reader: fx.Node | None = node
    while reader is not None and reader.op != "output":
        reader = next(iter(reader.users)) if len(reader.users) == 1 else None
        if reader is not None and reader.op != "output" and arguments_of(reader)[0] not in HOST_OPERATORS:
            reader = None
    if reader is None:
        raise Unsupported("other than at the end of the model")
    build.notes.append(f"{arguments_of(node)[0]} at the end is left to the host")
    return build.parts(self_)


OPERATORS: Mapping[str, Callable[..., Parts]] = {
    "conv2d": _conv2d,
    "convolution": _conv2d,
    "linear": _linear,
    "addmm": _addmm,
    "mm": _mm,
    "batch_norm": _batch_norm,
    "native_batch_norm_legit_no_training": _batch_norm,
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "mul": _mul,
    "div": _div,
    "relu": _relu,
    "relu6": _relu6,
    "hardtanh": _hardtanh,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": _clamp,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": _adaptive_avg_pool2d,
    "mean": _mean,
    "max_pool2d": _max_pool2d,
    "max_pool2d_with_indices": _max_pool2d,
    "getitem": _getitem,
    "upsample_nearest2d": _upsample_nearest2d,
    "cat": _cat,
    "concat": _cat,
    "pad": _pad,
    "constant_pad_nd": _pad,
    "slice": _slice,
    "view": _view,
    "reshape": _view,
    "flatten": _view,
    "squeeze": _view,
    "unsqueeze": _view,
    "unflatten": _view,
    "unsafe_view": _view,
    "dropout": _dropout,
    "feature_dropout": _dropout,
    "clone": _clone,
    "contiguous": _clone,
    "alias": _clone,
    "detach": _clone,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "argmax": _softmax,
}
