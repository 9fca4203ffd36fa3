"""Rewrites of a graph before it is lowered: each is a pass over its nodes."""

from dataclasses import replace

from openwork.frontend.node import Graph, Node
from openwork.frontend.picks import picked
from openwork.frontend.sequences import sequences_as_maps


def rewrite(graph: Graph) -> Graph:
    """The same function in nodes that the lowerings know."""
    return sequences_as_maps(picked(merged_strides(graph)))


def merged_strides(graph: Graph) -> Graph:
    """Slices that take every n-th row, and then every n-th column of that, as one: its ``dim`` is (2, 3).

    A slice in one direction that is not followed by its other half stays, and so does every other slice.
    """
    halves: dict[Node, tuple[Node, int, int]] = {}

    def rule(node: Node) -> Node:
        source = node.arguments.get("self_")
        if node.operation != "slice" or not isinstance(source, Node) or len(source.shape) != 4:
            return node
        if node.shape == source.shape:
            if source in halves:
                halves[node] = halves[source]
            return node
        step = strides(node)
        if step is None:
            return node
        base, down, across = halves.get(source, (source, 1, 1))
        down, across = down * step[0], across * step[1]
        if down != across:
            halves[node] = base, down, across
            return node
        return replace(node, arguments={"self_": base, "dim": (2, 3), "step": down})

    return graph.rewritten(rule)


def strides(node: Node) -> tuple[int, int] | None:
    """How many rows and columns a slice goes on at a time, from the first to the last; None if it picks others."""
    source, start, end, step = (node.arguments.get(name) for name in ("self_", "start", "end", "step"))
    dim = node.arguments["dim"] % 4
    if dim not in (2, 3) or not isinstance(source, Node) or not isinstance(step, int):
        return None
    size = source.shape[dim]
    whole = end is None or (isinstance(end, int) and isinstance(size, int) and end >= size)
    if start not in (None, 0) or not whole:
        return None
    return (step, 1) if dim == 2 else (1, step)
