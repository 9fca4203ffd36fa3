"""`chunk`, `split` and `narrow` choose channels of a map. Layers read these channels in place; other steps get a copy."""

from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from openwork.operations.arguments import Unsupported, integers
from openwork.operations.operation import Lowering

if TYPE_CHECKING:
    from openwork.frontend.builder import Builder, Parts
    from openwork.frontend.node import Node


def _divided(build: "Builder", node: "Node", self_: Any, dim: int) -> "Parts":
    """Of every operator that divides a map: how large the parts are is said by the results."""
    source = build.parts(self_)
    _check_channels(self_, dim)
    sizes = [build.shape_of(result)[0] for result in node.results]
    ends = list(accumulate(sizes))
    if ends[-1] != build.channels(source):
        raise Unsupported(f"into {sizes} of {build.channels(source)} channels")
    build.several[node] = tuple(
        build.take(node, source, range(end - size, end)) for size, end in zip(sizes, ends, strict=True)
    )
    return source


def _check_channels(source: "Node", dim: int) -> None:
    if dim % len(source.shape) != 1:
        raise Unsupported(f"along dimension {dim}; along channels is possible")


def _chunk(build: "Builder", node: "Node", self_: Any, chunks: Any, dim: int = 0) -> "Parts":
    return _divided(build, node, self_, dim)


def _split(
    build: "Builder", node: "Node", self_: Any, split_size: Any = None, split_sizes: Any = None, dim: int = 0
) -> "Parts":
    return _divided(build, node, self_, dim)


def _tensor_split(
    build: "Builder", node: "Node", self_: Any, sections: Any = None, indices: Any = None, dim: int = 0
) -> "Parts":
    return _divided(build, node, self_, dim)


def _narrow(build: "Builder", node: "Node", self_: Any, dim: int, start: Any, length: Any) -> "Parts":
    source = build.parts(self_)
    _check_channels(self_, dim)
    (first,), (count,) = integers(start, "start"), integers(length, "length")
    first %= build.channels(source)
    return build.take(node, source, range(first, first + count))


LOWERINGS: Mapping[str, Lowering] = {
    "chunk": _chunk,
    "split": _split,
    "split_with_sizes": _split,
    "tensor_split": _tensor_split,
    "narrow": _narrow,
}
