"""Turns a PyTorch module or an exported program into a float network, and compares the two at the end."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.nn.parameter import is_lazy

from openwork.frontend.comparison import Difference, compare, outputs_of_module, outputs_of_program, random_inputs
from openwork.frontend.copying import CopyingError, copy_of
from openwork.frontend.errors import ImportingError
from openwork.frontend.float_network import FloatNetwork
from openwork.frontend.functional import NotFunctional, functional, of_one_batch, of_one_size, outputs_of, silenced
from openwork.frontend.lowering import Lowered, lower
from openwork.frontend.tail import tail_of
from openwork.frontend.torch_graph import is_tensor, names_of_outputs, read_program, shape_of
from openwork.outputs import Output, Tail


def import_module(
    model: nn.Module, example: torch.Tensor, *, host: bool = True, cut: Sequence[str] = ()
) -> FloatNetwork:
    """The network of a model as it computes in eval mode.

    Args:
        model: stays as it is.
        example: inputs like those that the model will see, [batch, channels, height, width] or [batch, features].
        host: whether what stands at the end and is not the array's may be left to the host; if not, it is refused.
        cut: names of modules or operators; what follows them is left to the host.

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
    return compared(_imported(program, host, cut), inputs, expected)


def import_program(
    program: ExportedProgram, example: torch.Tensor | None = None, *, host: bool = True, cut: Sequence[str] = ()
) -> FloatNetwork:
    """The network of an exported program of one input; the input and the results have the batch in front.

    Args:
        program: stays as it is.
        example: inputs like those that the network will see; a program whose height or width is open is taken at their size,
            and without them at the size that it was exported with.
        host, cut: as for `import_module`.

    Raises:
        ImportingError: it has other inputs or outputs, operators that are not supported, nothing to quantize, or weights
            that are NaN or infinite; or its result depends on what it keeps from one run to the next.
    """
    try:
        sized = of_one_size(program, example)
    except NotFunctional as error:
        raise ImportingError(str(error)) from error
    inputs = _inputs_of(sized)
    network = _imported(sized, host, cut)
    try:
        expected = outputs_of_program(program, inputs)
    except Exception as error:  # whatever an operator raises
        first = str(error).strip().partition("\n")[0]
        raise ImportingError(f"the program cannot be run: {type(error).__name__}: {first}") from error
    return compared(network, inputs, expected)


def compared(network: FloatNetwork, inputs: torch.Tensor, expected: list[torch.Tensor]) -> FloatNetwork:
    """The network, if its outputs are the expected outputs."""
    try:
        compare(network, inputs, expected)
    except Difference as error:
        raise ImportingError(str(error)) from error
    return network


def _inputs_of(program: ExportedProgram) -> torch.Tensor:
    """Random inputs for an imported program.

    Raises:
        ImportingError: the program's input is no tensor of its graph.
    """
    names = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT}
    said = next(
        (node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in names), None
    )
    if said is None:
        raise ImportingError("the program cannot be imported: its input is no tensor of its graph")
    sizes = [size if isinstance(size, int) else size.node.hint for size in said.shape]
    return random_inputs(tuple(size if isinstance(size, int) else 2 for size in sizes), said.dtype)


def _imported(program: ExportedProgram, host: bool, cut: Sequence[str]) -> FloatNetwork:
    """The network of a program with fixed sizes."""
    try:
        program = functional(program)
        lowered = lower(read_program(program), host=host, cut=cut)
        if lowered.tail is not None and (single := of_one_batch(program)) is not program:
            program = functional(single)
            lowered = lower(read_program(program), host=host, cut=cut)
    except NotFunctional as error:
        raise ImportingError(str(error)) from error
    return _named(program, lowered)


def _named(program: ExportedProgram, lowered: Lowered) -> FloatNetwork:
    """A lowered network with the names and shapes of its results, and its tail."""
    given = [
        (name, node)
        for name, node in zip(names_of_outputs(program), outputs_of(program), strict=True)
        if is_tensor(node)
    ]
    nodes = {node.name: node for node in program.graph.nodes}
    return with_results(
        lowered,
        [name for name, _ in given],
        [shape_of(node) for _, node in given if is_tensor(node)],
        lambda name: shape_of(nodes[name]),
        lambda cuts, names: tail_of(program, cuts, names),
    )


def with_results(
    lowered: Lowered,
    names: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    shape_of_node: Callable[[str], tuple[int, ...]],
    tail: Callable[[Sequence[str], Sequence[str]], Tail],
) -> FloatNetwork:
    """A lowered network with the names and shapes of its results, and its tail.

    Args:
        lowered: without them.
        names: of the model's results.
        shapes: of the model's results, without the batch.
        shape_of_node: gives the shape of the value of a node, by the node's name.
        tail: makes the end of the model, from the values of these nodes to its results of these names.
    """
    if lowered.tail is None:
        own = [*names]
    else:
        shapes = [shape_of_node(node.name) for node, _ in lowered.results]
        single = [parts[0] if len(parts) == 1 else node.name for node, parts in lowered.results]
        own = single if len(set(single)) == len(single) else [node.name for node, _ in lowered.results]
    named = tuple(
        Output(name, parts, shape) for name, (_, parts), shape in zip(own, lowered.results, shapes, strict=True)
    )
    network = replace(lowered.network, named=named)
    if lowered.tail is None:
        return network
    return replace(network, tail=tail([node.name for node, _ in lowered.results], names))
