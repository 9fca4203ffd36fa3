"""Pruning of a model: one mask for each of its convolutions and linear layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.export import Dim, ExportedProgram
from torch.nn.parameter import is_lazy

from openwork.frontend.copying import CopyingError, copy_of
from openwork.pruning.distribution import Method, Scope, choose_masks
from openwork.pruning.methods import PruningError, magnitude

Masks = Mapping[str, torch.Tensor]
"""bool, by module name, of the shape of the module's weights; True where a weight stays."""


@dataclass(frozen=True, eq=False)
class PrunedModel:
    """A pruned model, and what was kept.

    Attributes:
        model: its pruned weights are 0.
        masks: of its modules.
    """

    model: nn.Module
    masks: Masks

    @property
    def density(self) -> float:
        """Weights that stay / weights, over all pruned modules."""
        return sum(int(mask.sum()) for mask in self.masks.values()) / sum(mask.numel() for mask in self.masks.values())

    def export(self, example: torch.Tensor) -> ExportedProgram:
        """The model as a program that `torch.export.save` writes, for batches of any size.

        Args:
            example: inputs like those that the model will see, [batch, ...].

        Raises:
            PruningError: a pruned weight is not 0 any more.
        """
        check_masks(self.model, self.masks)
        copy = own_copy(self.model).cpu().eval()
        for parameter in copy.parameters():  # a part of a larger tensor would take all of that with it into the file
            parameter.data = parameter.data.clone()
        pair = example[:1].expand(2, *example.shape[1:])  # the tracer would take a batch of 1 for a constant
        return torch.export.export(copy, (pair.clone(),), dynamic_shapes=({0: Dim.AUTO},))

    def __str__(self) -> str:
        lines = [f"{'module':20} {'weights':>10} {'stay':>10} {'density':>8}"]
        for name, mask in self.masks.items():
            stay = int(mask.sum())
            lines.append(f"{name:20} {mask.numel():10,} {stay:10,} {stay / mask.numel():8.3f}")
        return "\n".join(lines)


def prune_model(
    model: nn.Module,
    level: float,
    scope: Scope = "layer",
    method: Method = magnitude,
    names: Sequence[str] | None = None,
) -> PrunedModel:
    """Prune every convolution and linear layer of a model, or those named, in one shot.

    Args:
        model: stays as it is.
        level: what `method` takes: the density for `magnitude`, theta for `threshold`.
        scope: "layer" gives each module the level by itself, "global" ranks the weights of all of them together, "erk" leaves
            small modules denser.
        method: chooses what stays.
        names: modules to prune; all Conv and Linear modules if not given.

    Raises:
        PruningError: see `prunable` and `choose_masks`.
    """
    pruned = own_copy(model)
    masks = choose_masks(prunable(pruned, names), level, scope, method)
    apply_masks(pruned, masks)
    return PrunedModel(pruned, masks)


def own_copy(model: nn.Module) -> nn.Module:
    """A copy of a user's model, to be pruned or trained.

    Raises:
        PruningError: the model holds something that cannot be copied.
    """
    try:
        return copy_of(model)
    except CopyingError as error:
        raise PruningError(str(error)) from error


def prunable(model: nn.Module, names: Sequence[str] | None = None) -> dict[str, torch.Tensor]:
    """The weights of all convolutions and linear layers, or of those named, by module name.

    Raises:
        PruningError: a name is unknown, or weights are frozen, tied to others or computed from others.
    """
    modules = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear)
    }
    if not modules:
        raise PruningError("the model has no convolution and no linear layer to prune")
    if names is not None:
        unknown = [name for name in names if name not in modules]
        if unknown or not names:
            raise PruningError(f"modules {unknown} cannot be pruned; those that can are {list(modules)}")
        modules = {name: module for name, module in modules.items() if name in names}
    holders: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        holders.setdefault(id(parameter), []).append(name)
    for name, module in modules.items():
        if "weight" not in module._parameters:
            raise PruningError(
                f"module {name!r}: its weights are computed from others, by a mask of torch.nn.utils.prune, a norm or a "
                "parametrization: make them its own first, with prune.remove, remove_weight_norm, remove_spectral_norm or "
                "remove_parametrizations; or leave it out by names"
            )
        if is_lazy(module.weight):
            raise PruningError(f"module {name!r}: its weights have no values yet: run the model once, and train it")
        if not module.weight.requires_grad:
            raise PruningError(
                f"module {name!r}: its weights are frozen (requires_grad is False); leave it out by names"
            )
        others = [holder for holder in holders[id(module.weight)] if holder != f"{name}.weight".removeprefix(".")]
        if others:
            raise PruningError(
                f"module {name!r}: its weights are those of {', '.join(others)}, too, and tied weights cannot have two masks: "
                "give each its own, or leave it out by names"
            )
    return {name: module.weight for name, module in modules.items()}


def apply_masks(model: nn.Module, masks: Masks) -> None:
    """Set the weights that `masks` drops to 0, in place; after each step of an optimizer, this keeps a model pruned."""
    with torch.no_grad():
        for name, mask in masks.items():
            weights = model.get_parameter(f"{name}.weight")
            weights.masked_fill_(~mask.to(weights.device), 0)


def check_masks(model: nn.Module, masks: Masks) -> None:
    """Make sure that all weights which `masks` drops are 0.

    Raises:
        PruningError: some are not, with their layer's name.
    """
    for name, mask in masks.items():
        weights = model.get_parameter(f"{name}.weight").detach()
        revived = int(torch.count_nonzero(weights[~mask.to(weights.device)]))
        if revived:
            raise PruningError(
                f"module {name!r}: {revived} of its pruned weights are not 0 any more: call the pruner's step() after each step of "
                "the optimizer"
            )
