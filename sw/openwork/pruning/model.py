"""Pruning of a model: one mask for each of its convolutions and linear layers."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from openwork.pruning.methods import PruningError, magnitude

Method = Callable[[torch.Tensor, float], torch.Tensor]
"""From weights and a level to the mask of what stays: `magnitude` (the level is a density) or `threshold` (theta)."""


@dataclass(frozen=True, eq=False)
class PrunedModel:
    """A pruned copy of a model, and what was kept.

    Attributes:
        model: its pruned weights are 0.
        masks: bool, by module name, of the shape of the module's weights; True where a weight stays.
    """

    model: nn.Module
    masks: Mapping[str, torch.Tensor]

    @property
    def density(self) -> float:
        """Weights that stay / weights, over all pruned modules."""
        return sum(int(mask.sum()) for mask in self.masks.values()) / sum(mask.numel() for mask in self.masks.values())

    def __str__(self) -> str:
        lines = [f"{'module':20} {'weights':>10} {'stay':>10} {'density':>8}"]
        for name, mask in self.masks.items():
            stay = int(mask.sum())
            lines.append(f"{name:20} {mask.numel():10,} {stay:10,} {stay / mask.numel():8.3f}")
        return "\n".join(lines)


def prune_model(
    model: nn.Module,
    level: float,
    scope: Literal["layer", "global"] = "layer",
    method: Method = magnitude,
    names: Sequence[str] | None = None,
) -> PrunedModel:
    """Prune every convolution and linear layer of a model, or those named.

    Args:
        model: stays as it is.
        level: what `method` takes: the density for `magnitude`, theta for `threshold`.
        scope: "layer" gives each module the level by itself; "global" ranks the weights of all of them together.
        method: chooses what stays.
        names: modules to prune; all Conv and Linear modules if not given.

    Raises:
        PruningError: a name is unknown, weights are not finite or empty, or the level is out of range.
    """
    if scope not in ("layer", "global"):
        raise PruningError(f"scope must be 'layer' or 'global', not {scope!r}")
    pruned = deepcopy(model)
    weights = {
        name: module.weight.detach()
        for name, module in pruned.named_modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear)
    }
    if not weights:
        raise PruningError("the model has no convolution and no linear layer to prune")
    if names is not None:
        unknown = [name for name in names if name not in weights]
        if unknown or not names:
            raise PruningError(f"modules {unknown} cannot be pruned; those that can are {list(weights)}")
        weights = {name: weights[name] for name in weights if name in names}
    if scope == "layer":
        masks = {name: _named(name, method, tensor, level) for name, tensor in weights.items()}
    else:
        for name, tensor in weights.items():
            _named(name, method, tensor, level)  # so that a complaint names its module
        together = method(torch.cat([tensor.flatten() for tensor in weights.values()]), level)
        parts = torch.split(together, [tensor.numel() for tensor in weights.values()])
        masks = {name: part.reshape(weights[name].shape) for name, part in zip(weights, parts, strict=True)}
    apply_masks(pruned, masks)
    return PrunedModel(pruned, masks)


def apply_masks(model: nn.Module, masks: Mapping[str, torch.Tensor]) -> None:
    """Set the weights that `masks` drops to 0, in place; after each step of an optimizer, this keeps a model pruned."""
    with torch.no_grad():
        for name, mask in masks.items():
            model.get_parameter(f"{name}.weight").masked_fill_(~mask, 0)


def _named(name: str, method: Method, weights: torch.Tensor, level: float) -> torch.Tensor:
    try:
        return method(weights, level)
    except PruningError as error:
        raise PruningError(f"module {name!r}: {error}") from None
