"""Turns a PyTorch module or an exported program into a float network, and compares the two at the end."""

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.nn.parameter import is_lazy

from openwork.frontend.comparison import Difference, compare, outputs_of_module, outputs_of_program, random_inputs
from openwork.frontend.copying import CopyingError, copy_of
from openwork.frontend.errors import ImportingError
from openwork.frontend.float_network import FloatNetwork
from openwork.frontend.functional import NotFunctional, functional, of_one_size, silenced
from openwork.frontend.lowering import lower
from openwork.frontend.torch_graph import read_program


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
    """The network, if its outputs are the expected outputs."""
    try:
        compare(network, inputs, expected)
    except Difference as error:
        raise ImportingError(str(error)) from error
    return network


def _inputs_of(program: ExportedProgram) -> torch.Tensor:
    """Random inputs for an imported program."""
    names = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT}
    said = next(node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in names)
    sizes = [size if isinstance(size, int) else size.node.hint for size in said.shape]
    return random_inputs(tuple(size if isinstance(size, int) else 2 for size in sizes), said.dtype)


def _imported(program: ExportedProgram) -> FloatNetwork:
    """The network of a program with fixed sizes."""
    try:
        program = functional(program)
    except NotFunctional as error:
        raise ImportingError(str(error)) from error
    return lower(read_program(program))
