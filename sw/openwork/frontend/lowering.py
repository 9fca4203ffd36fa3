"""Lowers a graph to a float network: folds batch norm and padding, fuses limits, and turns linear operations into layers."""

from collections.abc import Iterator, Sequence

import torch

from openwork.frontend.builder import Builder, Parts
from openwork.frontend.errors import ImportingError
from openwork.frontend.float_network import FloatNetwork
from openwork.frontend.float_steps import Computing, FloatStep
from openwork.frontend.node import Graph, Node, fitting
from openwork.frontend.operators import HOST_OPERATORS, OPERATORS
from openwork.frontend.rewrites import rewrite
from openwork.operations.arguments import Unsupported
from openwork.tensors import NetworkError


def lower(graph: Graph) -> FloatNetwork:
    """The network of a graph.

    Raises:
        ImportingError: the input is no batch of maps or vectors; there are operators that are not supported, several
            results, nothing to quantize, or weights that are NaN or infinite.
    """
    graph = rewrite(graph)
    faults = list(_structure_faults(graph))
    complaints: list[tuple[str, str]] = []
    try:
        build = Builder(graph)
        with torch.no_grad():
            for node in graph.nodes:
                _take(build, node, complaints)
    except (Unsupported, ValueError) as error:
        if not faults:
            raise ImportingError(f"the input: {error}") from None
        # Without an input that is a map, operators cannot be looked at, but their names can.
        complaints = [(node.operation, node.place) for node in graph.nodes if _is_unknown(node)]
    if complaints:
        count = len(complaints)
        what = "an operator that is" if count == 1 else f"{count} operators that are"
        faults.append(f"the model has {what} not supported: {'; '.join(_grouped(complaints))}")
    if faults:
        raise ImportingError("; and ".join(faults))
    (output,) = graph.outputs
    assert output is not None
    return _needed_part(build, build.values.get(output, ()))


def _structure_faults(graph: Graph) -> Iterator[str]:
    """What no network is made of: an input that is no map or vector, several results."""
    shape, dtype = graph.input.results[0]
    if not dtype.is_floating_point:
        yield f"the model takes inputs of {dtype}; floating point numbers are possible"
    if len(shape) not in (2, 4):
        yield (
            "an input is [batch, channels, height, width], [batch, channels, time] or [batch, features], not "
            f"{graph.input.texts}"
        )
    if len(graph.outputs) != 1 or graph.outputs[0] is None:
        yield "the model returns several results or none, and one tensor is what an array gives"


def _is_unknown(node: Node) -> bool:
    return bool(node.results) and (bool(node.refusal) or node.operation not in OPERATORS)


def _grouped(complaints: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Each kind of complaint once, with how often and where first."""
    places: dict[str, list[str]] = {}
    for what, place in complaints:
        places.setdefault(what, []).append(place)
    for what, found in places.items():
        yield f"{what}{found[0]}" if len(found) == 1 else f"{what} x{len(found)}, first{found[0]}"


def _take(build: Builder, node: Node, complaints: list[tuple[str, str]]) -> None:
    """Give a node its value, or add a complaint. A node that reads a node without a value gets no value and no complaint."""
    try:
        if node.refusal:
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
        complaints.append(_complaint(node, str(reason)))
    except NetworkError as error:
        complaints.append(_complaint(node, str(error).partition(": ")[2]))


def _check(build: Builder, node: Node, parts: Parts) -> None:
    """Make sure that the result of a lowering has the shape that the model says."""
    if node.operation in HOST_OPERATORS or node.several:
        return
    if not parts:
        raise Unsupported("to a map without channels")
    if not node.results[0].dtype.is_floating_point:
        raise Unsupported(f"whose result is {node.results[0].dtype}")
    shape = (build.channels(parts), *build.shapes[parts[0]][1:])
    if shape != build.shape(node):
        raise Unsupported(f"to {node.texts}")


def _complaint(node: Node, reason: str) -> tuple[str, str]:
    return f"{node.operation}{f' ({reason})' if reason else ''}", node.place


def _needed_part(build: Builder, outputs: Parts) -> FloatNetwork:
    """The network without the steps whose outputs are never read."""
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
    return FloatNetwork(shapes, tuple(steps), outputs, tuple(build.notes))
