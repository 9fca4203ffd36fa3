"""A `torch.export` program as a float network: batch norm folded, limits fused, padding folded, everything linear a layer."""

import operator
from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind
from torch.nn.parameter import is_lazy

from openwork.frontend.builder import Builder, Parts
from openwork.frontend.comparison import Difference, compare, outputs_of_module, outputs_of_program, random_inputs
from openwork.frontend.copying import CopyingError, copy_of
from openwork.frontend.float_network import FloatAdd, FloatLayer, FloatNetwork, FloatStep
from openwork.frontend.functional import NotFunctional, functional, of_one_size, outputs_of, silenced
from openwork.frontend.nodes import Unsupported, arguments_of, defaults_of, fitting, name_of, place_of
from openwork.frontend.operators import HOST_OPERATORS, OPERATORS
from openwork.network import NetworkError
from openwork_hw.arch.refusal import Refusal

FACTORIES = ("arange", "eye", "full", "linspace", "ones", "scalar_tensor", "zeros")
"""Operators that make a constant of nothing."""

MAX_CONSTANT = 1 << 28
"""Numbers of a constant that is computed here: more than any layer has weights, less than a computer has memory."""

TRAINING = "random numbers or statistics of a batch, as of a model in training mode: export it after model.eval()"
REASONS = {
    name: TRAINING
    for name in (
        *("bernoulli", "native_dropout", "rand", "rand_like", "randn", "randn_like"),
        *("native_batch_norm", "native_batch_norm_legit", "native_batch_norm_legit_functional"),
    )
}
"""Of operators that are not supported, where their name alone does not tell what to do."""


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
    try:
        copy, second = copy_of(model), copy_of(model)  # a model may change when it runs
    except CopyingError as error:
        raise ImportingError(str(error)) from error
    lazy = next((name for name, one in copy.named_parameters() if is_lazy(one)), None)
    if lazy is not None:
        raise ImportingError(f"the model's {lazy!r} has no values yet: run the model once, and train it")
    try:
        with silenced():
            copy, second = copy.cpu().eval(), second.cpu().eval()
            dtype = next((one.dtype for one in copy.parameters() if one.is_floating_point()), example.dtype)
            program = torch.export.export(copy, (example.to(dtype),))
            inputs = random_inputs(tuple(example.shape), dtype)
            expected = outputs_of_module(second, inputs)
    except Exception as error:  # whatever a model's own code or the tracer raises
        first = str(error).strip().partition("\n")[0]
        raise ImportingError(
            f"the model cannot be traced with an input of {list(example.shape)}, and is not supported as it is: "
            f"{type(error).__name__}: {first}"
        ) from error
    return _compared(_imported(program), inputs, expected)


def import_program(program: ExportedProgram, example: torch.Tensor | None = None) -> FloatNetwork:
    """The network of an exported program of one input and one output, both with the batch in front.

    Args:
        program: stays as it is.
        example: inputs like those that the network will see; a program whose height or width is open is taken at their size,
            and without them at the size that it was exported with.

    Raises:
        ImportingError: it has other inputs or outputs, operators that are not supported, nothing to quantize, or weights
            that are NaN or infinite; or its result depends on what it keeps from one run to the next.
    """
    try:
        sized = of_one_size(program, example)
    except NotFunctional as error:
        raise ImportingError(str(error)) from error
    network = _imported(sized)
    inputs = _inputs_of(sized)
    try:
        expected = outputs_of_program(program, inputs)
    except Exception as error:  # whatever an operator raises
        first = str(error).strip().partition("\n")[0]
        raise ImportingError(f"the program cannot be run: {type(error).__name__}: {first}") from error
    return _compared(network, inputs, expected)


def _compared(network: FloatNetwork, inputs: torch.Tensor, expected: torch.Tensor | None) -> FloatNetwork:
    """The network, if it computes what was expected."""
    try:
        compare(network, inputs, expected)
    except Difference as error:
        raise ImportingError(str(error)) from error
    return network


def _inputs_of(program: ExportedProgram) -> torch.Tensor:
    """Random inputs of a program that was imported."""
    names = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT}
    said = next(node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in names)
    sizes = [size if isinstance(size, int) else size.node.hint for size in said.shape]
    return random_inputs(tuple(size if isinstance(size, int) else 2 for size in sizes), said.dtype)


def _imported(program: ExportedProgram) -> FloatNetwork:
    """The network of a program of one size."""
    try:
        program = functional(program)
    except NotFunctional as error:
        raise ImportingError(str(error)) from error
    build = _begin(program)
    complaints: list[str] = []
    with torch.no_grad():
        for node in program.graph.nodes:
            if node.op == "call_function":
                _take(build, node, complaints)
    outputs = _outputs(build, outputs_of(program), complaints)
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
            if not isinstance(spec.arg, ConstantArgument) or spec.arg.value is not None:
                inputs.append(node)
        elif spec.target is not None:
            known = program.state_dict if spec.target in program.state_dict else program.constants
            constants[node], targets[node] = _constant(spec.target, known.get(spec.target)), spec.target
    if len(inputs) != 1 or not isinstance(inputs[0].meta.get("val"), torch.Tensor):
        raise ImportingError(f"the model takes {len(inputs)} inputs, and one tensor is what an array is given")
    shape, dtype = inputs[0].meta["val"].shape, inputs[0].meta["val"].dtype
    if not dtype.is_floating_point:
        raise ImportingError(f"the model takes inputs of {dtype}; floating point numbers are possible")
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


def _constant(name: str, value: Any) -> torch.Tensor:
    """A parameter, buffer or constant of a program, as it is."""
    if not isinstance(value, torch.Tensor):
        raise ImportingError(f"the model's {name!r} is a {type(value).__name__}, and tensors are possible")
    if isinstance(value, FakeTensor) or value.device.type == "meta":
        raise ImportingError(f"the model's {name!r} has no values: load the weights, and export the model again")
    if value.layout is not torch.strided or value.is_quantized:
        raise ImportingError(
            f"the model's {name!r} is a sparse or quantized tensor; dense floating point numbers are possible"
        )
    return value.detach().cpu()


def _take(build: Builder, node: fx.Node, complaints: list[str]) -> None:
    """Give a node its value, or add a complaint; a node that reads one without a value gets none, quietly."""
    read, name = node.all_input_nodes, name_of(node)
    try:
        if all(source in build.constants for source in read) and _is_computable(node, name):
            build.constants[node] = _computed(build, node)
            return
        if not isinstance(node.meta.get("val"), torch.Tensor | list | tuple):
            return  # a size, or a check of one
        if name not in OPERATORS:
            raise Unsupported(REASONS.get(name, ""))
        known = build.values.keys() | build.constants.keys() | build.subsampled.keys()
        if not all(source in known for source in read if isinstance(source.meta.get("val"), torch.Tensor)):
            return
        half = next((source for source in read if source in build.subsampled), None)
        if half is not None and name != "slice":
            _complain_of_half(build, half, complaints)
            return
        defaults = defaults_of(node.target) if isinstance(node.target, torch._ops.OpOverload) else {}
        handler = OPERATORS[name]
        parts = handler(build, node, **fitting(handler, arguments_of(node), defaults))
        if parts:
            _check(build, node, name, parts)
            build.values[node] = parts
    except Unsupported as reason:
        complaints.append(_complaint(node, str(reason)))
    except NetworkError as error:
        complaints.append(_complaint(node, str(error).partition(": ")[2]))


def _is_computable(node: fx.Node, name: str) -> bool:
    """Whether a node that reads constants alone is one, too; it would draw other random numbers in every run."""
    if node.target is operator.getitem:
        return True
    if not isinstance(node.target, torch._ops.OpOverload) or node.target.namespace != "aten":
        return False
    if (
        name in REASONS
        or torch.Tag.nondeterministic_seeded in node.target.tags
        or name.startswith(("empty", "new_empty"))
    ):
        return False
    return bool(node.all_input_nodes) or name in FACTORIES


def _computed(build: Builder, node: fx.Node) -> Any:
    """The value of a node that reads constants alone."""
    results = node.meta.get("val")
    for result in results if isinstance(results, list | tuple) else [results]:
        if isinstance(result, torch.Tensor) and not prod(result.shape) <= MAX_CONSTANT:
            raise Unsupported(f"a constant of {list(result.shape)}; at most {MAX_CONSTANT:,} numbers are possible")
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda source: build.constants[source])
    compute: Callable[..., Any] = node.target  # type: ignore[assignment]  # an overload or getitem, as was checked
    try:
        return compute(*args, **kwargs)
    except (
        RuntimeError,
        ValueError,
        TypeError,
        NotImplementedError,
    ) as error:  # PyTorch's own, of constants that do not fit
        raise Unsupported(f"of constants: {str(error).strip().partition(chr(10))[0]}") from error


def _check(build: Builder, node: fx.Node, name: str, parts: Parts) -> None:
    """Make sure that what a handler made is what the program says."""
    result = node.meta["val"]
    if name in HOST_OPERATORS or not isinstance(result, torch.Tensor):
        return
    if not result.is_floating_point():
        raise Unsupported(f"whose result is {result.dtype}")
    shape = (build.channels(parts), *build.shapes[parts[0]][1:])
    if shape != build.shape(node):
        raise Unsupported(f"to {list(map(str, result.shape))}")


def _outputs(build: Builder, results: list[object], complaints: list[str]) -> Parts:
    if len(results) != 1 or not isinstance(results[0], fx.Node):
        raise ImportingError("the model returns several results or none, and one tensor is what an array gives")
    if results[0] in build.subsampled:
        _complain_of_half(build, results[0], complaints)
    return build.values.get(results[0], ())


def _complaint(node: fx.Node, reason: str) -> str:
    return f"{name_of(node)}{f' ({reason})' if reason else ''}{place_of(node)}"


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
