"""A `torch.export` program as a float network: batch norm folded, limits fused, padding folded, everything linear a layer."""

import logging
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind

from openwork.frontend.builder import Builder, Parts
from openwork.frontend.float_network import FloatAdd, FloatLayer, FloatNetwork, FloatStep
from openwork.frontend.nodes import Unsupported, arguments_of, place_of
from openwork.frontend.operators import HOST_OPERATORS, OPERATORS
from openwork.network import NetworkError
from openwork_hw.arch.refusal import Refusal

FACTORIES = ("ones", "zeros", "full", "scalar_tensor")
"""Operators that make a constant of nothing."""


class ImportingError(Refusal):
    """A model that the front end cannot take; the message names each operator and its place in the model's source."""


def import_module(model: nn.Module, example: torch.Tensor) -> FloatNetwork:
    """The network of a model as it computes in eval mode.

    Args:
        model: stays as it is.
        example: inputs like those that the model will see, [batch, channels, height, width] or [batch, features].

    Raises:
        ImportingError: `torch.export` cannot trace the model, or see `import_program`.
    """
    copy = deepcopy(model).eval()
    parameter = next(copy.parameters(), None)
    example = example if parameter is None else example.to(parameter.dtype)
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)  # the tracer logs what it is about to raise
    try:
        program = torch.export.export(copy, (example,))
    except Exception as error:  # whatever a model's own code or the tracer raises
        first = str(error).strip().partition("\n")[0]
        raise ImportingError(
            f"the model cannot be traced with an input of {list(example.shape)}: {type(error).__name__}: {first}"
        ) from error
    finally:
        logging.disable(level)
    return import_program(program)


def import_program(program: ExportedProgram) -> FloatNetwork:
    """The network of an exported program of one input and one output, both with the batch in front.

    Raises:
        ImportingError: it has other inputs or outputs, operators that are not supported, nothing to quantize, or weights
            that are NaN or infinite.
    """
    build = _begin(program)
    complaints: list[str] = []
    outputs: Parts = ()
    for node in program.graph.nodes:
        if node.op == "call_function":
            _take(build, node, complaints)
        elif node.op == "output":
            outputs = _outputs(build, node, complaints)
    if complaints:
        count = len(complaints)
        what = "an operator that is" if count == 1 else f"{count} operators that are"
        raise ImportingError(f"the model has {what} not supported: " + "; ".join(complaints))
    return _needed_part(build, outputs)


def _begin(program: ExportedProgram) -> Builder:
    """A builder that knows the input and the parameters."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    inputs, constants, targets = [], {}, {}
    for spec in program.graph_signature.input_specs:
        node = nodes[spec.arg.name]
        if spec.kind is InputKind.USER_INPUT:
            inputs.append(node)
        elif spec.target is not None:
            known = program.state_dict if spec.target in program.state_dict else program.constants
            constants[node], targets[node] = known[spec.target].detach(), spec.target
    if len(inputs) != 1 or not isinstance(inputs[0].meta.get("val"), torch.Tensor):
        raise ImportingError(f"the model takes {len(inputs)} inputs, and one tensor is what an array is given")
    shape = inputs[0].meta["val"].shape
    if len(shape) not in (2, 4):
        raise ImportingError(
            f"an input is [batch, channels, height, width] or [batch, features], not {list(map(str, shape))}"
        )
    build = Builder(str(shape[0]))
    build.constants.update(constants)
    build.targets.update(targets)
    try:
        build.shapes["input"] = build.shape(inputs[0])
    except (Unsupported, ValueError) as error:
        raise ImportingError(f"the input: {error}") from None
    build.values[inputs[0]] = ("input",)
    return build


def _take(build: Builder, node: fx.Node, complaints: list[str]) -> None:
    """Give a node its value, or add a complaint; a node that reads one without a value gets none, quietly."""
    read = node.all_input_nodes
    target = node.target
    if isinstance(target, torch._ops.OpOverload) and target.namespace == "aten":
        if all(source in build.constants for source in read) and (read or arguments_of(node)[0] in FACTORIES):
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda source: build.constants[source])
            compute: Callable[..., torch.Tensor] = target
            build.constants[node] = compute(*args, **kwargs)
            return
    if not isinstance(node.meta.get("val"), torch.Tensor | list | tuple):
        return  # a size, or a check of one
    name, arguments = arguments_of(node)
    if name not in OPERATORS:
        complaints.append(_complaint(node, ""))
        return
    known = build.values.keys() | build.constants.keys() | build.subsampled.keys()
    if not all(source in known for source in read if isinstance(source.meta.get("val"), torch.Tensor)):
        return
    half = next((source for source in read if source in build.subsampled), None)
    if half is not None and name != "slice":
        _complain_of_half(build, half, complaints)
        return
    try:
        parts = OPERATORS[name](build, node, **arguments)
    except Unsupported as reason:
        complaints.append(_complaint(node, str(reason)))
    except NetworkError as error:
        complaints.append(_complaint(node, str(error).partition(": ")[2]))
    else:
        if not parts:
            return
        build.values[node] = parts
        if name not in HOST_OPERATORS and isinstance(node.meta["val"], torch.Tensor):
            shape = (build.channels(parts), *build.shapes[parts[0]][1:])
            assert shape == build.shape(node), f"{node} makes {shape} of {node.meta['val'].shape}"


def _outputs(build: Builder, node: fx.Node, complaints: list[str]) -> Parts:
    (results,) = node.args
    if not isinstance(results, list | tuple) or len(results) != 1 or not isinstance(results[0], fx.Node):
        raise ImportingError("the model returns several results or none, and one tensor is what an array gives")
    if results[0] in build.subsampled:
        _complain_of_half(build, results[0], complaints)
    return build.values.get(results[0], ())


def _complaint(node: fx.Node, reason: str) -> str:
    return f"{arguments_of(node)[0]}{f' ({reason})' if reason else ''}{place_of(node)}"


def _complain_of_half(build: Builder, node: fx.Node, complaints: list[str]) -> None:
    """That a node was not followed by one that takes every n-th pixel in the other direction; told once."""
    del build.subsampled[node]
    complaints.append(_complaint(node, "every n-th pixel in one direction only"))


def _needed_part(build: Builder, outputs: Parts) -> FloatNetwork:
    """The network, without steps that nothing reads."""
    needed = set(outputs)
    steps: list[FloatStep] = []
    for name, step in reversed(build.steps.items()):
        if name in needed:
            steps.insert(0, step)
            needed.update(step.inputs)
    if not any(isinstance(step, FloatLayer | FloatAdd) for step in steps):
        raise ImportingError("the model has no layer with weights: there is nothing to quantize")
    for step in steps:
        if isinstance(step, FloatLayer) and not (step.weights.isfinite().all() and step.bias.isfinite().all()):
            raise ImportingError(f"layer {step.output!r}: weights or bias are NaN or infinite: train again")
    shapes = {name: build.shapes[name] for name in ("input", *(step.output for step in steps))}
    return FloatNetwork(shapes, tuple(steps), outputs, tuple(build.notes))
