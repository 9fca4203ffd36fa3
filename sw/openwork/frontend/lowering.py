"""Lowers a graph to a float network: folds batch norm and padding, fuses limits, and turns linear operations into layers."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from openwork.frontend.builder import Builder, Parts
from openwork.frontend.errors import ImportingError
from openwork.frontend.float_network import FloatNetwork
from openwork.frontend.float_steps import Computing, FloatStep
from openwork.frontend.node import Graph, Node, fitting
from openwork.frontend.operators import OPERATORS as KNOWN
from openwork.frontend.operators import functions, moves, quantized
from openwork.frontend.picks import MOVES
from openwork.frontend.rewrites import rewrite
from openwork.frontend.tail import at_the_end, before_layers, frontier, tail_nodes, with_structure
from openwork.operations.arguments import Unsupported
from openwork.tensors import NetworkError

OPERATORS = {**KNOWN, **moves.OPERATORS, **quantized.OPERATORS, **functions.EXPRESSIONS}
"""All operators of a graph, once it is rewritten."""


@dataclass(frozen=True, eq=False)
class Lowered:
    """A graph as a float network.

    Attributes:
        network: without names of its results.
        results: for each result of the network, its node and the tensors that it is made of.
        tail: the nodes that are left to the host; None if the network gives what the graph gives.
    """

    network: FloatNetwork
    results: tuple[tuple[Node, Parts], ...]
    tail: frozenset[Node] | None = None


def lower(graph: Graph, *, host: bool = True, cut: Sequence[str] = ()) -> Lowered:
    """The network of a graph.

    Args:
        graph: a reader made it.
        host: whether the end of the graph may be left to the host, where the array cannot do it (`tail.tail_nodes`).
        cut: names of modules or operators; what follows them is left to the host.

    Raises:
        ImportingError: the input is no batch of maps or vectors; there are operators that are not supported, no result,
            nothing to quantize, or weights that are NaN or infinite; or there is nothing of a name in `cut`.
    """
    graph = rewrite(graph)
    faults = list(_structure_faults(graph))
    refused: dict[Node, str] = {}
    try:
        build = _built(graph, refused)
    except (Unsupported, ValueError) as error:
        if not faults:
            raise ImportingError(f"the input: {error}") from None
        # Without an input that is a map, operators cannot be looked at, but their names can.
        refused = {node: node.title for node in graph.nodes if _is_unknown(node)}
    if refused and not faults:  # what no result is made of need not be possible
        graph = replace(graph, nodes=_needed_nodes(graph))
        refused = {node: text for node, text in refused.items() if node in graph.nodes}
        build = _built(graph, {})
    constants = [node for node in graph.outputs if node is not None and node.is_constant]
    late = at_the_end(graph, {**functions.OPERATORS, **functions.EXPRESSIONS})
    if (cut or refused or constants or late) and host and not faults:
        tail = _behind(graph, cut) if cut else tail_nodes(graph, {*refused, *late})
        if tail is None and late:
            tail = tail_nodes(graph, refused)
        if tail is not None and (tail or constants):
            tail = with_structure(graph, tail, (*MOVES, "pick"))
            head = replace(graph, outputs=frontier(graph, tail))
            head = replace(head, nodes=_needed_nodes(head))
            refused_in_head: dict[Node, str] = {}
            build = _built(head, refused_in_head)
            if not refused_in_head and any(isinstance(step, Computing) for step in build.steps.values()):
                return _lowered(build, head, tail)
            refused = refused_in_head or refused
        elif tail is None:
            refused = {node: refused[node] for node in before_layers(graph, refused)}
    if refused:
        count = len(refused)
        what = "an operator that is" if count == 1 else f"{count} operators that are"
        complaints = [(text, node.place) for node, text in refused.items()]
        faults.append(f"the model has {what} not supported: {'; '.join(_grouped(complaints))}")
    if faults:
        raise ImportingError("; and ".join(faults))
    return _lowered(build, graph)


def _built(graph: Graph, refused: dict[Node, str]) -> Builder:
    """The steps of a graph. `refused` gets a complaint for each operator that is not supported."""
    build = Builder(graph)
    with torch.no_grad():
        for node in graph.nodes:
            _take(build, node, refused)
    return build


def _needed_nodes(graph: Graph) -> tuple[Node, ...]:
    """The nodes that the results of a graph are made of."""
    needed, waiting = set[Node](), [node for node in graph.outputs if node is not None]
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting.extend(node.inputs)
    return tuple(node for node in graph.nodes if node in needed)


def _behind(graph: Graph, names: Sequence[str]) -> frozenset[Node]:
    """What of a graph is left to the host if the array makes the values of these names, and what they are made of."""
    ends = []
    for name in names:
        found = [
            node
            for node in graph.nodes
            if node.results and (name in _names(node) or f"{node.module}.".startswith(f"{name}."))
        ]
        if not found:
            raise ImportingError(
                f"the model has no module or operator {name!r} to cut it at: it has {', '.join(_some_names(graph))}"
            )
        ends.append(found[-1])
    head = set(_needed_nodes(replace(graph, outputs=tuple(ends))))
    return frozenset(node for node in graph.nodes if node not in head)


def _names(node: Node) -> tuple[str, str, str]:
    return node.name, node.module, f"{node.module}.{node.operation}".lstrip(".")


def _some_names(graph: Graph) -> list[str]:
    """The modules of a graph, the last ones first."""
    names = list(dict.fromkeys(node.module or node.name for node in reversed(graph.nodes)))
    return [*names[:8], *(["..."] if len(names) > 8 else [])]


def _structure_faults(graph: Graph) -> Iterator[str]:
    """What no network is made of: an input that is no map or vector, no result."""
    shape, dtype = graph.input.results[0]
    if not dtype.is_floating_point:
        yield f"the model takes inputs of {dtype}; floating point numbers are possible"
    if len(shape) not in (2, 4):
        yield (
            "an input is [batch, channels, height, width], [batch, channels, time] or [batch, features], not "
            f"{graph.input.texts}"
        )
    if all(node is None for node in graph.outputs):
        yield "the model returns no tensor"


def _is_unknown(node: Node) -> bool:
    return node.refusal is not None or (bool(node.results) and node.operation not in OPERATORS)


def _grouped(complaints: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Each kind of complaint once, with how often and where first."""
    places: dict[str, list[str]] = {}
    for what, place in complaints:
        places.setdefault(what, []).append(place)
    for what, found in places.items():
        yield f"{what}{found[0]}" if len(found) == 1 else f"{what} x{len(found)}, first{found[0]}"


def _take(build: Builder, node: Node, refused: dict[Node, str]) -> None:
    """Give a node its value, or add a complaint. A node that reads a node without a value gets no value and no complaint."""
    try:
        if node.refusal is not None:
            raise Unsupported(node.refusal)
        if not node.results:
            return  # a size, or a check of one
        if node.operation not in OPERATORS:
            raise Unsupported("")
        if not all(source.is_constant or source in build.values for source in node.inputs if source.results):
            return
        lowering = OPERATORS[node.operation]
        parts = lowering(build, node, **fitting(lowering, node.arguments, node.at_default))
        _check(build, node, parts)
        build.values[node] = parts
    except Unsupported as reason:
        refused[node] = _complaint(node, str(reason))
    except NetworkError as error:
        refused[node] = _complaint(node, str(error).partition(": ")[2])


def _check(build: Builder, node: Node, parts: Parts) -> None:
    """Make sure that the result of a lowering has the shape that the model says."""
    if node.several:
        return
    if not parts:
        raise Unsupported("to a map without channels")
    if not node.results[0].dtype.is_floating_point:
        raise Unsupported(f"whose result is {node.results[0].dtype}")
    shape = (build.channels(parts), *build.shapes[parts[0]][1:])
    if shape != build.shape(node):
        raise Unsupported(f"to {node.texts}")


def _complaint(node: Node, reason: str) -> str:
    return f"{node.title}{f' ({reason})' if reason else ''}"


def _lowered(build: Builder, graph: Graph, tail: frozenset[Node] | None = None) -> Lowered:
    """The network without the steps whose outputs are never read."""
    results = []
    for node in graph.outputs:
        if node is not None:
            parts = build.values.get(node, ())
            if "input" in parts and (tail is not None or len(graph.outputs) > 1):  # an array gives back what it made
                parts = build.copy(replace(node, arguments={}), parts)
            if not parts:
                raise ImportingError("the model gives something that does not depend on its input")
            results.append((node, parts))
    outputs = tuple(dict.fromkeys(name for _, parts in results for name in parts))
    needed = set(outputs)
    steps: list[FloatStep] = []
    for name, step in reversed(build.steps.items()):
        if name in needed:
            steps.insert(0, step)
            needed.update(step.inputs)
    if not any(isinstance(step, Computing) for step in steps):
        raise ImportingError("the model has no layer with weights: there is nothing to quantize")
    for layer in (layer for step in steps for layer in step.weighted):
        if not (layer.weights.isfinite().all() and layer.bias.isfinite().all()):
            raise ImportingError(f"layer {layer.output!r}: weights or bias are NaN or infinite: train again")
    shapes = {name: build.shapes[name] for name in ("input", *(step.output for step in steps))}
    notes = [*build.notes]
    if tail:
        notes.append(f"the host computes what follows: {', '.join(_kinds(node for node in tail if node.results))}")
    given = {name: limits for name, limits in build.given.items() if name in shapes}
    if given:
        notes.append(
            f"{len(given)} activation{'s have' if len(given) > 1 else ' has'} the range that the model's own quantization gives; "
            "weights are rounded anew, to scales that go with powers of two"
        )
    network = FloatNetwork(shapes, tuple(steps), outputs, tuple(notes), given=given)
    return Lowered(network, tuple(results), tail)


def _kinds(nodes: Iterable[Node]) -> Iterator[str]:
    """Kinds of operators, the more frequent with their number."""
    for name, count in sorted(Counter(node.title for node in nodes).items()):
        yield name if count == 1 else f"{name} x{count}"
