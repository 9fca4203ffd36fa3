"""What puts tensors together, or cuts them; what changes nothing, and what the host does."""

from collections.abc import Callable, Mapping
from typing import Any

from openwork.frontend.axes import choice
from openwork.frontend.builder import Builder, Parts
from openwork.frontend.node import Node
from openwork.frontend.resampling import beside, resampled
from openwork.operations.arguments import Unsupported


def _cat(build: Builder, node: Node, tensors: Any, dim: int = 0) -> Parts:
    axis = dim % len(node.shape)
    if axis == 0:
        raise Unsupported(f"along dimension {dim}; along channels and pixels is possible")
    if axis > 1:
        return beside(build, node, [build.parts(tensor) for tensor in tensors], axis - 2)
    parts: Parts = ()
    for tensor in tensors:
        for name in build.parts(tensor):
            parts += build.copy(node, (name,)) if name in parts else (name,)
    return parts


def _slice(
    build: Builder, node: Node, self_: Any, dim: Any = 0, start: Any = None, end: Any = None, step: Any = 1
) -> Parts:
    source, shape = build.parts(self_), self_.shape
    if dim == (2, 3):  # as `rewrites.merged_slices` says it
        return pixels(build, node, source, start, step)
    if not all(number is None or isinstance(number, int) for number in (start, end)):
        raise Unsupported("with limits that depend on the size of the input")
    if node.shape == shape:
        return source
    if dim % len(shape) == 1:
        return build.take(node, source, range(build.channels(source))[slice(start, end, step)])
    raise Unsupported("other than of channels and pixels")


def pixels(build: Builder, node: Node, source: Parts, start: tuple[int, int], step: tuple[int, int]) -> Parts:
    """Every so many-th pixel from one on."""
    before, after = build.shapes[source[0]][1:], build.shape(node)[1:]
    if start == (0, 0) and after == tuple(-(-before[axis] // step[axis]) for axis in (0, 1)):
        return build.select(node, source, list(range(build.channels(source))), step)
    taken = [[start[axis] + step[axis] * number for number in range(after[axis])] for axis in (0, 1)]
    return resampled(build, node, source, choice(taken[0], before[0]), choice(taken[1], before[1]))


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
