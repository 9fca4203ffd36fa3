"""Operators that only move values become picks: for each value of the result, which value of which tensor it is.

What such an operator does is found by running the operator on places instead of values. So chains of views, permutations,
slices and stacks become one pick, or nothing at all.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch

from openwork.frontend.node import Graph, Node, Result

Places = torch.Tensor
"""int64: for each value of a tensor, the number of a value of the sources, which stand one after the other."""

MOST_PLACES = 1 << 24
"""Values of a tensor whose places are followed."""

VIEWS = ("view", "unsafe_view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze")
SAME = ("clone", "contiguous", "alias", "detach", "lift_fresh_copy")
LISTS = ("chunk", "split", "split_with_sizes", "tensor_split", "unbind")


@dataclass(frozen=True, eq=False)
class Picked:
    """What a tensor is made of.

    Attributes:
        sources: tensors that are computed, or the input.
        places: the numbers of their values, over the whole batch, in the shape of the tensor.
    """

    sources: tuple[Node, ...]
    places: Places


def picked(graph: Graph) -> Graph:
    """The graph in which chains of operators that only move values are one pick, a view, or nothing.

    Operators that lowerings know by themselves stay as they are, unless they read what became a pick.
    """
    batch = graph.input.shape[0]
    known: dict[Node, list[Picked]] = {}
    moved: set[Node] = set()

    def sizes(result: Result) -> tuple[int, ...] | None:
        found = tuple(1 if size == batch and isinstance(size, str) else size for size in result.shape)
        return None if any(isinstance(size, str) for size in found) else tuple(map(int, found))

    def of(node: Node) -> Picked | None:
        """What a tensor is made of, through all operators that only move values; None if its size is not known."""
        if found := explored(node):
            return found[0] if len(found) == 1 and not node.several else None
        shape = sizes(node.results[0]) if len(node.results) == 1 and not node.several else None
        if shape is None or node.is_constant or prod(shape) > MOST_PLACES:
            return None
        return Picked((node,), torch.arange(prod(shape)).reshape(shape))

    def explored(node: Node) -> list[Picked]:
        """What the results of an operator that only moves values are made of; empty for every other one."""
        if node not in known:
            known[node] = []
            if node.operation == "getitem":
                known[node] = explored(node.arguments["self_"])[node.arguments["index"] :][:1]
            elif node.operation in _MOVES and node.results:
                known[node] = _moved(_MOVES[node.operation], node, of)
            shapes = [sizes(result) for result in node.results]
            if [tuple(one.places.shape) for one in known[node]] != shapes:
                known[node] = []
        return known[node]

    def rule(node: Node) -> Node:
        if node.operation not in _MOVES or not node.results or not _concerns(node, batch, moved):
            return node
        found = explored(node)
        if not found:
            return node
        moved.add(node)
        if node.several:
            return node
        made = _node(node, found[0], batch, sizes)
        if made not in found[0].sources:
            known[made] = found
            moved.add(made)
        return made

    return graph.rewritten(rule)


def _concerns(node: Node, batch: int | str, moved: Collection[Node]) -> bool:
    """Whether an operator that moves values becomes a pick: if it reads one, or lowerings do not know what it does."""
    if any(source in moved for source in node.inputs):
        return True
    dim, rank = node.arguments.get("dim", 0), len(node.shape)
    source = next((one for one in node.inputs if one.results), None)
    if node.operation in VIEWS:
        if source is not None and source.operation in VIEWS:
            return True
        return not all(
            len(one) in (2, 3, 4) and one[0] == batch for one in (node.shape, source.shape if source else ())
        )
    if node.operation in (*SAME, "getitem", "dropout"):
        return False
    if node.operation == "slice":  # pixels are sliced without it
        return rank not in (2, 3, 4) or (dim % rank == 0 and source is not None and node.shape != source.shape)
    if node.operation in ("cat", "concat") and any(_slices_pixels(one) for one in node.inputs):
        return True
    if node.operation in ("narrow", "cat", "concat", *LISTS[:-1]):
        return not isinstance(dim, int) or dim % max(rank, 1) != 1
    return True


def _slices_pixels(node: Node) -> bool:
    """Whether channels that a node gives may be different pixels of one map."""
    return node.operation == "slice" and node.arguments.get("dim", 0) % len(node.shape) > 1


def _moved(
    moved: Callable[[Node, Callable[[Any], Places]], Any], node: Node, of: Callable[[Node], Picked | None]
) -> list[Picked]:
    """What each result of an operator is made of; nothing if it cannot be said."""
    sources: list[Node] = []
    first: dict[Node, int] = {}
    total = 0

    def places(value: Any) -> Places:
        nonlocal total
        one = of(value)
        if one is None:
            raise ValueError
        found = torch.empty_like(one.places)
        start = 0
        for source in one.sources:
            count = int(prod(1 if isinstance(size, str) else size for size in source.shape))
            if source not in first:
                first[source] = total
                sources.append(source)
                total += count
            own = (one.places >= start) & (one.places < start + count)
            found[own] = one.places[own] - start + first[source]
            start += count
        return found

    try:
        result = moved(node, places)
    except (
        ValueError,
        RuntimeError,
        TypeError,
        IndexError,
        KeyError,
    ):  # PyTorch's own, of arguments that are no numbers
        return []
    results = list(result) if isinstance(result, list | tuple) else [result]
    return [Picked(tuple(sources), one) for one in results]


def _node(node: Node, found: Picked, batch: int | str, sizes: Callable[[Result], tuple[int, ...] | None]) -> Node:
    """The node that stands for an operator: its source, a view of that, or a pick. The operator itself if it mixes inputs."""
    shape = tuple(found.places.shape)
    lone = found.sources[0] if len(found.sources) == 1 else None
    counts = [sizes(source.results[0]) for source in found.sources]
    inputs = 1 if isinstance(batch, str) else batch
    if not shape or shape[0] != inputs or any(count is None or count[:1] != (inputs,) for count in counts):
        return node
    own = [prod(count[1:]) for count in counts if count is not None]
    if lone is not None and torch.equal(found.places.reshape(-1), torch.arange(inputs * own[0])):
        if lone.shape == node.shape:
            return lone
        if len(shape) in (2, 3, 4):
            return replace(node, operation="view", arguments={"self_": lone, "size": list(shape)})
    flat, index, start, first = found.places.reshape(inputs, -1), torch.empty(0), 0, 0
    index = torch.full_like(flat, -1)
    for count in own:
        inside = (flat >= start) & (flat < start + inputs * count)
        image, place = (flat - start) // count, (flat - start) % count
        index = torch.where(inside & (image == torch.arange(inputs)[:, None]), place + first, index)
        start, first = start + inputs * count, first + count
    if bool((index < 0).any()) or not bool((index == index[:1]).all()):
        return node
    operator = node.arguments["self_"].operation if node.operation == "getitem" else node.operation
    arguments = {"sources": list(found.sources), "index": index[0].clone(), "operator": operator}
    return replace(node, operation="pick", arguments=arguments, at_default=frozenset())


def _self(node: Node, places: Callable[[Any], Places]) -> Places:
    return places(node.arguments["self_"])


def _view(node: Node, places: Callable[[Any], Places]) -> Places:
    if "dtype" in node.arguments:
        raise ValueError
    inner = _self(node, places)
    return inner.reshape([size if isinstance(size, int) else 1 for size in node.shape])


def _slice(node: Node, places: Callable[[Any], Places]) -> Places:
    given = node.arguments
    sliced: Places = torch.ops.aten.slice.Tensor(
        _self(node, places), given.get("dim", 0), given.get("start"), given.get("end"), given.get("step", 1)
    )
    return sliced


def _index(node: Node, places: Callable[[Any], Places]) -> Places:
    indices = [None if one is None else one.value for one in node.arguments["indices"]]
    chosen: Places = torch.ops.aten.index.Tensor(_self(node, places), indices)
    return chosen


def _divided(node: Node, places: Callable[[Any], Places]) -> tuple[Places, ...]:
    inner, dim = _self(node, places), node.arguments.get("dim", 0)
    if node.operation == "unbind":
        return inner.unbind(dim)
    return torch.split(inner, [int(result.shape[dim]) for result in node.results], dim)


def _joined(node: Node, places: Callable[[Any], Places]) -> Places:
    join = torch.stack if node.operation == "stack" else torch.cat
    # All sources are numbered before the first places are used: the numbers go on from source to source.
    return join([places(one) for one in node.arguments["tensors"]], node.arguments.get("dim", 0))


def _expand(node: Node, places: Callable[[Any], Places]) -> Places:
    return _self(node, places).expand([size if isinstance(size, int) else 1 for size in node.shape])


def _dropout(node: Node, places: Callable[[Any], Places]) -> Places:
    if node.arguments.get("train") is not False:
        raise ValueError
    return _self(node, places)


def _channel_shuffle(node: Node, places: Callable[[Any], Places]) -> Places:
    inner, groups = _self(node, places), node.arguments["groups"]
    return torch.unflatten(inner, 1, (groups, -1)).transpose(1, 2).flatten(1, 2)


_MOVES: Mapping[str, Callable[[Node, Callable[[Any], Places]], Any]] = {
    **dict.fromkeys(VIEWS, _view),
    **dict.fromkeys(SAME, _self),
    **dict.fromkeys(LISTS, _divided),
    "getitem": _self,  # of a list, by the rule
    "dropout": _dropout,
    "slice": _slice,
    "narrow": lambda node, places: _self(node, places).narrow(
        node.arguments["dim"], node.arguments["start"], node.arguments["length"]
    ),
    "select": lambda node, places: _self(node, places).select(node.arguments["dim"], node.arguments["index"]),
    "index": _index,
    "index_select": lambda node, places: _self(node, places).index_select(
        node.arguments["dim"], node.arguments["index"].value
    ),
    "permute": lambda node, places: _self(node, places).permute(node.arguments["dims"]),
    "transpose": lambda node, places: _self(node, places).transpose(node.arguments["dim0"], node.arguments["dim1"]),
    "t": lambda node, places: _self(node, places).t(),
    "movedim": lambda node, places: _self(node, places).movedim(
        node.arguments["source"], node.arguments["destination"]
    ),
    "flip": lambda node, places: _self(node, places).flip(node.arguments["dims"]),
    "roll": lambda node, places: _self(node, places).roll(node.arguments["shifts"], node.arguments.get("dims", ())),
    "repeat": lambda node, places: _self(node, places).repeat(node.arguments["repeats"]),
    "expand": _expand,
    "cat": _joined,
    "concat": _joined,
    "stack": _joined,
    "channel_shuffle": _channel_shuffle,
    "native_channel_shuffle": _channel_shuffle,
}
"""The operators that only move values, and what each makes of places."""

MOVES = tuple(_MOVES)
