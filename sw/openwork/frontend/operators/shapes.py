"""What puts tensors together, cuts or reshapes them; what changes nothing, and what the host does."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import fx, nn

from openwork.frontend.builder import Builder, Parts
from openwork.frontend.nodes import Unsupported, check_dtype, integers, name_of
from openwork.network import Reshape

HOST_OPERATORS = ("softmax", "log_softmax", "argmax")
"""At the end of a model these are left to the host."""


def _cat(build: Builder, node: fx.Node, tensors: Any, dim: int = 0) -> Parts:
    if dim % len(node.meta["val"].shape) != 1:
        raise Unsupported(f"along dimension {dim}; along channels is possible")
    parts: Parts = ()
    for tensor in tensors:
        for name in build.parts(tensor):
            parts += build.copy(node, (name,)) if name in parts else (name,)
    return parts


def _pad(build: Builder, node: fx.Node, self_: Any, pad: Any, mode: str = "constant", value: Any = 0) -> Parts:
    pad = integers(pad, "sides")
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
    if not all(number is None or isinstance(number, int) for number in (start, end)):
        raise Unsupported("with limits that depend on the size of the input")
    whole = not start and (end is None or end >= (shape[dim] if dim else 1 << 31))
    if step == 1 and (whole or str(node.meta["val"].shape) == str(shape)):
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


def _view(build: Builder, node: fx.Node, self_: Any) -> Parts:
    source, shape = build.parts(self_), build.shape(node)
    if shape == (build.channels(source), *build.shapes[source[0]][1:]):
        return source
    return build.emit_map(node, Reshape(source, "", shape), source)


def _view_of_size(build: Builder, node: fx.Node, self_: Any, size: Any) -> Parts:
    return _view(build, node, self_)


def _reshape(build: Builder, node: fx.Node, self_: Any, shape: Any) -> Parts:
    return _view(build, node, self_)


def _flatten(build: Builder, node: fx.Node, self_: Any, start_dim: Any, end_dim: Any) -> Parts:
    return _view(build, node, self_)


def _squeeze(build: Builder, node: fx.Node, self_: Any, dim: Any = None) -> Parts:
    return _view(build, node, self_)


def _unflatten(build: Builder, node: fx.Node, self_: Any, dim: Any, sizes: Any) -> Parts:
    return _view(build, node, self_)


def _dropout(build: Builder, node: fx.Node, self_: Any, train: bool) -> Parts:
    if train:
        raise Unsupported("in training mode: export the model after model.eval()")
    return build.parts(self_)


def _clone(build: Builder, node: fx.Node, self_: Any) -> Parts:
    return build.parts(self_)


def _softmax(
    build: Builder, node: fx.Node, self_: Any, dim: Any, dtype: Any = None, half_to_float: bool = False
) -> Parts:
    check_dtype(dtype)
    return _left_to_host(build, node, self_, dim)


def _argmax(build: Builder, node: fx.Node, self_: Any, dim: Any, keepdim: bool) -> Parts:
    return _left_to_host(build, node, self_, dim)


def _left_to_host(build: Builder, node: fx.Node, self_: Any, dim: Any) -> Parts:
    reader: fx.Node | None = node
    while reader is not None and reader.op != "output":
        reader = next(iter(reader.users)) if len(reader.users) == 1 else None
        if reader is not None and reader.op != "output" and name_of(reader) not in HOST_OPERATORS:
            reader = None
    if reader is None:
        raise Unsupported("other than at the end of the model")
    rank = len(self_.meta["val"].shape)
    if dim is None or dim % rank != 1:
        raise Unsupported(f"along dimension {dim}; along channels is possible")
    build.notes.append(f"{name_of(node)} at the end is left to the host")
    return build.parts(self_)


OPERATORS: Mapping[str, Callable[..., Parts]] = {
    "cat": _cat,
    "concat": _cat,
    "pad": _pad,
    "constant_pad_nd": _pad,
    "slice": _slice,
    "view": _view_of_size,
    "reshape": _reshape,
    "flatten": _flatten,
    "squeeze": _squeeze,
    "unsqueeze": _squeeze,
    "unflatten": _unflatten,
    "unsafe_view": _view_of_size,
    "dropout": _dropout,
    "feature_dropout": _dropout,
    "alpha_dropout": _dropout,
    "feature_alpha_dropout": _dropout,
    "clone": _clone,
    "contiguous": _clone,
    "alias": _clone,
    "detach": _clone,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "argmax": _argmax,
}
