"""The last check of an imported network: it must compute what the model computes."""

from typing import Any

import torch
from torch import fx, nn
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind
from torch.utils._pytree import tree_leaves

from openwork.frontend.float_network import FloatNetwork
from openwork.frontend.functional import outputs_of, silenced
from openwork.frontend.tail import run_tail

TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-2}
"""Largest difference, as a share of the largest output; an operator that was misread differs by a multiple of it."""
COARSE = 0.25
"""The same limit for formats of 16 bits."""
SIMILAR = 0.1
"""Share of places (argmax, topk) that may be others: in real numbers, the largest and the next one may be as good as equal."""


class Difference(Exception):
    """A network that computes something else than its model. The message gives the difference."""


def random_inputs(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Random inputs of both signs, which are the same in every run."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


def outputs_of_module(model: nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    """The results of a module that are tensors.

    Args:
        model: a copy, for running a model may change it.
        inputs: inputs of the model.
    """
    with silenced(), torch.no_grad():
        return _tensors(model(inputs.clone()))


def outputs_of_program(program: ExportedProgram, inputs: torch.Tensor) -> list[torch.Tensor]:
    """The results of an exported program that are tensors, operator by operator. The program's own tensors stay as they are."""
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
    return _tensors([result for result, node in zip(results, _all_outputs(program), strict=True) if node in wanted])


def compare(network: FloatNetwork, inputs: torch.Tensor, expected: list[torch.Tensor]) -> None:
    """Make sure that a network and its tail compute what their model does.

    Args:
        network: what was made of the model.
        inputs: of the model.
        expected: what the model gives.

    Raises:
        Difference: the network computes something else.
    """
    wide = inputs.double() if inputs.dtype is torch.float64 else inputs.float()
    results = network.results(wide)
    if not all(bool(torch.isfinite(one).all()) for one in results):
        return  # told later, where values overflow
    found = results if network.tail is None else list(run_tail(network.tail, results).values())
    if len(found) != len(expected):
        raise Difference(f"the model gives {len(expected)} tensors, and {len(found)} were understood")
    for one, right in zip(found, expected, strict=True):
        if one.shape[1:] == right.shape:  # without a batch: said for each input
            one = one[0]
        difference = _difference(one.reshape(right.shape), right)
        if not difference <= TOLERANCES.get(inputs.dtype, COARSE):
            raise Difference(
                "the model has something that is not supported: for random inputs its outputs are "
                f"{difference:.3g} of the largest away from what was "
                "understood of it; an in-place operator may be lost, or the model gives other outputs each time"
            )


def _difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """How far a result is away, as a share of the largest value; of whole numbers, the share of those that are others."""
    if not expected.dtype.is_floating_point:  # places of the largest, for example; two may be nearly as large
        return max(0.0, float((found != expected).double().mean()) - SIMILAR)
    if not bool(torch.isfinite(expected).all() and torch.isfinite(found).all()):
        return 0.0  # told later, where values overflow
    return float((found.double() - expected.double()).abs().max()) / max(float(found.abs().max()), 1e-30)


def _all_outputs(program: ExportedProgram) -> tuple[Any, ...]:
    (results,) = next(node for node in program.graph.nodes if node.op == "output").args
    return tuple(results)


def _tensors(results: Any) -> list[torch.Tensor]:
    """The tensors in what a model gives."""
    return [leaf for leaf in tree_leaves(results) if isinstance(leaf, torch.Tensor)]
