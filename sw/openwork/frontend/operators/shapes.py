"""What puts tensors together, or cuts them; what changes nothing, and what the host does."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from openwork.frontend.builder import Builder, Parts
from openwork.frontend.node import Node
from openwork.frontend.rewrites import strides
from openwork.operations.arguments import Unsupported, integers


def _cat(build: Builder, node: Node, tensors: Any, dim: int = 0) -> Parts:
    if dim % len(node.shape) != 1:
        raise Unsupported(f"along dimension {dim}; along channels is possible")
    parts: Parts = ()
    for tensor in tensors:
        for name in build.parts(tensor):
            parts += build.copy(node, (name,)) if name in parts else (name,)
    return parts


def _pad(build: Builder, node: Node, self_: Any, pad: Any, mode: str = "constant", value: Any = 0) -> Parts:
    pad = integers(pad, "sides")
    if mode != "constant" or value or min(pad) < 0:
        raise Unsupported(f"of mode {mode}, by {list(pad)} with {value or 0}; padding with zeros is possible")
    source = build.parts(self_)
    sides = [(pad[index], pad[index + 1]) for index in range(0, len(pad), 2)]
    sides = [*([] if len(node.shape) == 4 else [(0, 0), (0, 0)]), *sides, (0, 0), (0, 0), (0, 0)]
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


def _pad_channels(build: Builder, node: Node, source: Parts, before: int, after: int) -> Parts:
    layer = build.layer_to_change(source, node)
    if layer is None or layer.groups > 1:
        return build.select(node, source, [*[None] * before, *range(build.channels(source)), *[None] * after])
    sides = (before, after)
    weights = nn.functional.pad(layer.weights, (0, 0, 0, 0, 0, 0, *sides))
    build.steps[layer.output] = replace(layer, weights=weights, bias=nn.functional.pad(layer.bias, sides))
    build.shapes[layer.output] = (len(weights), *build.shapes[layer.output][1:])
    return source


def _slice(
    build: Builder, node: Node, self_: Any, dim: Any = 0, start: Any = None, end: Any = None, step: int = 1
) -> Parts:
    source, shape = build.parts(self_), self_.shape
    if dim == (2, 3):  # as `rewrites.merged_strides` says it
        return build.select(node, source, list(range(build.channels(source))), step)
    if not all(number is None or isinstance(number, int) for number in (start, end)):
        raise Unsupported("with limits that depend on the size of the input")
    if node.shape == shape:
        return source
    if dim % len(shape) == 1:
        return build.take(node, source, range(build.channels(source))[slice(start, end, step)])
    if len(shape) == 4 and strides(node) is not None:
        raise Unsupported("every n-th pixel in one direction only")
    raise Unsupported("other than of channels, or every n-th pixel from the first")


def _getitem(build: Builder, node: Node, self_: Any, index: int) -> Parts:
    results = build.several.get(self_, (build.parts(self_),))
    if not 0 <= index < len(results):
        raise Unsupported("of a result other than the first")
    return results[index]


def _dropout(build: Builder, node: Node, self_: Any, train: bool) -> Parts:
    if train:
        raise Unsupported("in training mode: export the model after model.eval()")
    return build.parts(self_)


def _clone(build: Builder, node: Node, self_: Any) -> Parts:
    return build.parts(self_)


OPERATORS: Mapping[str, Callable[..., Parts]] = {
    "cat": _cat,
    "concat": _cat,
    "pad": _pad,
    "constant_pad_nd": _pad,
    "slice": _slice,
    "getitem": _getitem,
    "dropout": _dropout,
    "feature_dropout": _dropout,
    "alpha_dropout": _dropout,
    "feature_alpha_dropout": _dropout,
    "clone": _clone,
    "contiguous": _clone,
    "alias": _clone,
    "detach": _clone,
}
