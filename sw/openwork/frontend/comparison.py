"""The last check of an imported network: it must compute what the model computes."""

from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils._pytree import tree_leaves

from openwork.frontend.float_network import FloatNetwork
from openwork.frontend.functional import outputs_of, silenced

TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-2}
"""Largest difference, as a share of the largest output; an operator that was misread differs by a multiple of it."""
COARSE = 0.25
"""The same limit for formats of 16 bits."""


class Difference(Exception):
    """A network that computes something else than its model. The message gives the difference."""


def random_inputs(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Random inputs of both signs, which are the same in every run."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def outputs_of_module(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor | None:
    """The output of a module; None if the output is not a tensor.

    Args:
        model: a copy, for running a model may change it.
        inputs: inputs of the model.
    """
    with silenced(), torch.no_grad():
        return _tensor(model(inputs.clone()))


def outputs_of_program(program: ExportedProgram, inputs: torch.Tensor) -> torch.Tensor | None:
    """The output of an exported program, operator by operator. The program's own tensors stay as they are."""
    known = program.constants | dict(program.state_dict)
    values: list[Any] = []
    for spec in program.graph_signature.input_specs:
        if spec.kind is InputKind.USER_INPUT:
            values.append(inputs.clone())
        else:
            values.append(known[spec.target].detach().cpu().clone() if spec.target in known else None)
    with silenced(), torch.no_grad():
        results = fx.Interpreter(program.graph_module).run(*values)
    wanted = outputs_of(program)
    return _tensor([result for result, node in zip(results, _all_outputs(program), strict=True) if node in wanted])


def compare(network: FloatNetwork, inputs: torch.Tensor, expected: torch.Tensor | None) -> None:
    """Make sure that a network computes what its model does.

    Raises:
        Difference: the network computes something else.
    """
    if expected is None or not bool(torch.isfinite(expected).all()):
        return  # told later, where values overflow
    wide = inputs.double() if inputs.dtype is torch.float64 else inputs.float()
    found = network.run(wide)
    if not bool(torch.isfinite(found).all()):
        return
    tolerance = TOLERANCES.get(inputs.dtype, COARSE) * max(float(found.abs().max()), 1e-30)
    for name in (note.partition(" ")[0] for note in network.notes):
        if name == "argmax":
            chosen = found.gather(1, expected.reshape(len(found), 1, *found.shape[2:]))
            expected, found = found.amax(dim=1, keepdim=True), chosen
        else:
            found = found.softmax(1) if name == "softmax" else found.log_softmax(1)
    difference = float((found.reshape(expected.shape).double() - expected.double()).abs().max())
    if not difference <= tolerance:
        raise Difference(
            f"the model has something that is not supported: for random inputs its outputs are {difference:.3g} away from what was "
            "understood of it; an in-place operator may be lost, or the model gives other outputs each time"
        )


def _all_outputs(program: ExportedProgram) -> tuple[Any, ...]:
    (results,) = next(node for node in program.graph.nodes if node.op == "output").args
    return tuple(results)


def _tensor(results: Any) -> torch.Tensor | None:
    """The only tensor in the output of a model."""
    leaves = [leaf for leaf in tree_leaves(results) if isinstance(leaf, torch.Tensor)]
    return leaves[0] if len(leaves) == 1 else None
