"""Rewrites of a graph before it is lowered: each is a pass over its nodes."""

from dataclasses import replace

from openwork.frontend.expressions import expressions_as_functions
from openwork.frontend.node import Graph, Node
from openwork.frontend.picks import picked
from openwork.frontend.sequences import sequences_as_maps


def rewrite(graph: Graph) -> Graph:
    """The same function in nodes that the lowerings know."""
    return merged_slices(sequences_as_maps(picked(expressions_as_functions(without_unread(graph)))))


def without_unread(graph: Graph) -> Graph:
    """The graph without what nobody reads, such as the places of largest values. Sizes and checks of them stay."""
    read: set[Node | None] = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node in read or not node.results:
            kept.insert(0, node)
            read.update(node.inputs)
    return replace(graph, nodes=tuple(kept))


def merged_slices(graph: Graph) -> Graph:
    """Slices of rows, and of columns of these rows, as one: its ``dim`` is (2, 3), and ``start`` and ``step`` are pairs.

    A slice whose limits depend on the size of the input stays.
    """
    known: dict[Node, tuple[Node, tuple[int, int], tuple[int, int]]] = {}

    def rule(node: Node) -> Node:
        source = node.arguments.get("self_")
        if node.operation != "slice" or not isinstance(source, Node) or len(source.shape) != 4:
            return node
        if node.shape == source.shape:
            if source in known:
                known[node] = known[source]
            return node
        own = pixels_of(node)
        if own is None:
            return node
        base, start, step = known.get(source, (source, (0, 0), (1, 1)))
        start = start[0] + own[0][0] * step[0], start[1] + own[0][1] * step[1]
        step = step[0] * own[1][0], step[1] * own[1][1]
        merged = replace(node, arguments={"self_": base, "dim": (2, 3), "start": start, "step": step})
        known[merged] = base, start, step
        return merged

    return graph.rewritten(rule)


def pixels_of(node: Node) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The first row and column of a slice, and how far it is to the next ones; None if it picks something else."""
    source, start, end, step = (node.arguments.get(name) for name in ("self_", "start", "end", "step"))
    dim = node.arguments["dim"] % 4
    size = source.shape[dim] if isinstance(source, Node) else None
    numbers = all(isinstance(number, int | None) for number in (start, end))
    if dim not in (2, 3) or not isinstance(size, int) or not isinstance(step, int) or not numbers:
        return None
    places = range(size)[slice(start, end, step)]
    if not places:
        return None
    return ((places[0], 0), (step, 1)) if dim == 2 else ((0, places[0]), (1, step))
