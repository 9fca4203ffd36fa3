"""Rewrites a program without in-place operators, so that no value changes when another value in the same memory changes."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from io import StringIO

import torch
from torch import fx
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind

from openwork.frontend.fx_nodes import arguments_of, name_of, place_of


class NotFunctional(Exception):
    """A program that cannot be rewritten without in-place operators, or for one size. The message says why."""


DROPOUTS = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")

KEPT = {
    OutputKind.BUFFER_MUTATION: "buffer",
    OutputKind.PARAMETER_MUTATION: "parameter",
}
"""The buffers that a program may keep from one run to the next."""


def functional(program: ExportedProgram) -> ExportedProgram:
    """The same program without in-place operators.

    `torch.export` leaves in-place operators in its graph. Whoever reads such a graph one node after the other misses that a
    slice, view, flattened or detached map is changed with its base. So a program with in-place operators goes through
    PyTorch's functionalization, which writes the changed base down as a value of its own. The program that was given stays
    as it is.

    Raises:
        NotFunctional: PyTorch cannot rewrite the program, or its result depends on what it keeps from one run to the next.
    """
    if any(_may_change(node) for node in program.graph.nodes):
        try:
            with silenced():
                program = _without_dropout(program).run_decompositions({})
        except Exception as error:  # whatever PyTorch raises on a program that it cannot rewrite
            first = str(error).strip().partition("\n")[0]
            raise NotFunctional(
                f"the model's in-place operators are not supported, for PyTorch cannot replace them: {first}"
            ) from error
        left = next((node for node in program.graph.nodes if _may_change(node)), None)
        if left is not None:
            raise NotFunctional(f"the model has an operator that is not supported: {name_of(left)}{place_of(left)}")
    _refuse_memory(program)
    return program


def of_one_size(program: ExportedProgram, example: torch.Tensor | None) -> ExportedProgram:
    """The same program for inputs of one height and width, if these are open; the batch may stay open.

    Args:
        program: stays as it is.
        example: inputs of that size; without them it is the size that the program was exported with.

    Raises:
        NotFunctional: the size is not known, or the program does not take it.
    """
    names = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT}
    inputs = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(inputs) != 1 or not isinstance(inputs[0], torch.Tensor):
        return program  # refused later, with the reason
    open_sizes = [size for size in inputs[0].shape[1:] if not isinstance(size, int)]
    if not open_sizes:
        return program
    if example is None:
        hints = [size if isinstance(size, int) else size.node.hint for size in inputs[0].shape]
        if not all(isinstance(hint, int) for hint in hints):
            raise NotFunctional(
                f"the program's input is open in {open_sizes}: give an example of the inputs along with it"
            )
        example = torch.zeros(hints)
    program = functional(program)  # some in-place operators cannot be traced a second time
    try:
        with silenced():
            return torch.export.export(program.module(), (example.to(inputs[0].dtype),))
    except Exception as error:  # whatever PyTorch raises for a size that the program does not take
        first = str(error).strip().partition("\n")[0]
        raise NotFunctional(f"the program does not take inputs of {list(example.shape)}: {first}") from error


def of_one_batch(program: ExportedProgram) -> ExportedProgram:
    """The same program for one input at a time, if its batch is open; all other sizes are fixed.

    Raises:
        NotFunctional: the program does not take one input.
    """
    names = {spec.arg.name for spec in program.graph_signature.input_specs if spec.kind is InputKind.USER_INPUT}
    values = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(values) != 1 or not isinstance(values[0], torch.Tensor) or isinstance(values[0].shape[0], int):
        return program
    example = torch.zeros((1, *values[0].shape[1:]), dtype=values[0].dtype)
    try:
        with silenced():
            return torch.export.export(program.module(), (example,))
    except Exception as error:  # whatever PyTorch raises for a batch that the program does not take
        first = str(error).strip().partition("\n")[0]
        raise NotFunctional(f"the program does not take a batch of one input: {first}") from error


def outputs_of(program: ExportedProgram) -> list[object]:
    """The results of a program: nodes, numbers or None. Values that the program keeps for itself are left out."""
    (results,) = next(node for node in program.graph.nodes if node.op == "output").args
    specs = program.graph_signature.output_specs
    return [one for one, spec in zip(results, specs, strict=True) if spec.kind is OutputKind.USER_OUTPUT]


@contextmanager
def silenced() -> Iterator[None]:
    """Without the log lines, warnings and graphs of PyTorch's tracer, which tells in all these ways what it is about to raise."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _without_dropout(program: ExportedProgram) -> ExportedProgram:
    """The same program with an alias in the place of each dropout in eval mode.

    Such a dropout gives back the very tensor that it is given, and what changes the one changes the other. PyTorch's
    functionalization would make a copy of it.
    """
    if not any(_is_idle_dropout(node) for node in _nodes_of(program.graph_module)):
        return program
    module = deepcopy(program.graph_module)
    for old, node in zip(list(_nodes_of(program.graph_module)), list(_nodes_of(module)), strict=True):
        node.name = old.name  # a copied graph renames what is called like one of Python's own functions
        if _is_idle_dropout(node):
            node.target, node.args, node.kwargs = torch.ops.aten.alias.default, node.args[:1], {}
    for part in module.modules():
        if isinstance(part, fx.GraphModule):
            part.recompile()
    return ExportedProgram(
        root=module,
        graph=module.graph,
        graph_signature=program.graph_signature,
        state_dict=program.state_dict,
        range_constraints=program.range_constraints,
        module_call_graph=program.module_call_graph,
        constants=program.constants,
        verifiers=[program.verifier],
    )


def _nodes_of(module: fx.GraphModule) -> Iterator[fx.Node]:
    """The nodes of a graph and of the graphs in it."""
    for part in module.modules():
        if isinstance(part, fx.GraphModule):
            yield from part.graph.nodes


def _is_idle_dropout(node: fx.Node) -> bool:
    return node.op == "call_function" and name_of(node) in DROPOUTS and arguments_of(node).get("train") is False


def _may_change(node: fx.Node) -> bool:
    """Whether a node may change what it reads: an in-place operator, or a whole graph as an argument."""
    if isinstance(node.target, torch._ops.HigherOrderOperator):
        return True
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _refuse_memory(program: ExportedProgram) -> None:
    """Refuse a program whose result depends on a buffer that it changes: an array keeps nothing from one input to the next."""
    changed = {spec.target: KEPT[spec.kind] for spec in program.graph_signature.output_specs if spec.kind in KEPT}
    if not changed:
        return
    nodes = {node.name: node for node in program.graph.nodes}
    needed: set[fx.Node] = set()
    waiting = [node for node in outputs_of(program) if isinstance(node, fx.Node)]
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting.extend(node.all_input_nodes)
    for spec in program.graph_signature.input_specs:
        if spec.target in changed and nodes[spec.arg.name] in needed:
            raise NotFunctional(
                f"the model changes its own {changed[spec.target]} {spec.target!r} whenever it runs, which is not supported: an "
                "array keeps nothing from one input to the next; export the model after model.eval(), or take the change out"
            )
