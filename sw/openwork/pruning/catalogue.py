"""Every method under one name, for those who choose one by its name: `METHODS`, `prune_by`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from openwork.progress import Progress, silent
from openwork.pruning.budget import densities_within, kept_weights
from openwork.pruning.channels import prune_channels
from openwork.pruning.distribution import Scope, erdos_renyi_kernel
from openwork.pruning.fitting import Recipe, Told, fit
from openwork.pruning.methods import PruningError, check_density, n_of_m
from openwork.pruning.model import PrunedModel, own_copy, prunable, prune_model
from openwork.pruning.reconstruction import reconstruct, row_importance
from openwork.pruning.training import Pruner, gradual, proximal, rigl

OF = 4
"""Weights that follow each other, of which the method n-of-m keeps some."""

SHRINK = 0.1
"""What each step of the method proximal takes off a magnitude, against the learning rate."""


@dataclass(frozen=True)
class MethodInfo:
    """A method as a list shows it.

    Attributes:
        summary: what it does, in a line.
        trains: whether it needs epochs; the others take them to train on with what stayed.
        needs_data: whether it fits weights to inputs even without epochs.
    """

    summary: str
    trains: bool = False
    needs_data: bool = False


METHODS: Mapping[str, MethodInfo] = {
    "magnitude": MethodInfo("the smallest weights go, in one shot"),
    "obc": MethodInfo(
        "layer after layer is fitted by least squares to what it gave before; no labels", needs_data=True
    ),
    "n-of-m": MethodInfo(
        f"of every {OF} weights that follow each other the same number goes; to compare with dense hardware"
    ),
    "channels": MethodInfo("whole channels go, and the model becomes smaller"),
    "gradual": MethodInfo("the smallest weights go bit by bit, along a cubic curve", trains=True, needs_data=True),
    "proximal": MethodInfo(
        "L1 regularization by its proximal step, then the largest weights stay", trains=True, needs_data=True
    ),
    "rigl": MethodInfo(
        "sparse from the start; small weights make room for those of large gradients", trains=True, needs_data=True
    ),
}


def prune_by(
    method: str,
    model: nn.Module,
    density: float | Mapping[str, float],
    inputs: torch.Tensor,
    labels: torch.Tensor | None = None,
    *,
    names: Sequence[str] | None = None,
    scope: Scope = "layer",
    recipe: Recipe | None = None,
    checkpoint: Path | None = None,
    progress: Progress = silent,
    tell: Told | None = None,
) -> PrunedModel:
    """Prune a copy of a model by a method of `METHODS`, and train it if there is a recipe.

    Args:
        method: its name.
        model: stays as it is, and is the teacher where there are no labels.
        density: of all layers; of each by its name, for obc.
        inputs, labels: float [inputs, ...] and int64 [inputs].
        names: modules to prune; all if not given.
        scope: how the density is shared out, where the method leaves that open; with obc, "global" shares it out over layers and
            their rows by what the model's outputs lose (see `densities_within`, `row_importance`).
        recipe: for methods that train, and for training on after the others.
        checkpoint: file that an interrupted training goes on from.
        progress: shows how far the work is.
        tell: is told the loss of each epoch of a training.

    Raises:
        PruningError: there is no such method; or what it needs is missing or wrong.
    """
    if method not in METHODS:
        raise PruningError(f"there is no method {method}: there are {', '.join(METHODS)}")
    pruner = None
    if METHODS[method].trains:
        if recipe is None:
            raise PruningError(f"the method {method} prunes while it trains: say for how many epochs")
        trained = own_copy(model)
        pruner = _pruner(method, trained, _one(method, density), recipe, recipe.steps(len(inputs)), scope, names)
        pruned = PrunedModel(trained, pruner.masks)
    elif method == "obc":
        importance = row_importance(model, inputs, names) if scope == "global" else None
        shared = _shared(model, inputs, density, scope, names, importance, progress)
        pruned = reconstruct(model, inputs, shared, names, progress, importance)
    elif method == "channels":
        pruned = prune_channels(model, _one(method, density), inputs[:1], names)
    elif method == "n-of-m":
        kept = round(OF * _one(method, density))
        pruned = prune_model(model, kept, "layer", lambda weights, n: n_of_m(weights, round(n), OF), names)
    else:
        pruned = prune_model(model, _one(method, density), scope, names=names)
    if recipe is not None:
        fit(
            pruned.model,
            inputs,
            labels,
            recipe,
            pruner=pruner,
            masks=pruned.masks,
            teacher=model,
            checkpoint=checkpoint,
            progress=progress,
            tell=tell,
        )
    return pruned if pruner is None else pruner.finish()


def _shared(
    model: nn.Module,
    inputs: torch.Tensor,
    density: float | Mapping[str, float],
    scope: Scope,
    names: Sequence[str] | None,
    importance: Mapping[str, torch.Tensor] | None,
    progress: Progress,
) -> float | Mapping[str, float]:
    """What `reconstruct` takes: a density for all layers, or for each."""
    if isinstance(density, Mapping) or scope == "layer":
        return density
    check_density(density)
    weights = prunable(model, names)
    if scope == "erk":
        return erdos_renyi_kernel({name: tensor.shape for name, tensor in weights.items()}, density)
    budget = density * sum(tensor.numel() for tensor in weights.values())
    return densities_within(model, inputs, budget, kept_weights(weights), names, progress, importance)


def _one(method: str, density: float | Mapping[str, float]) -> float:
    if isinstance(density, Mapping):
        raise PruningError(f"a density for each layer goes with the method obc, not with {method}")
    return density


def _pruner(
    method: str,
    model: nn.Module,
    density: float,
    recipe: Recipe,
    steps: int,
    scope: Scope,
    names: Sequence[str] | None,
) -> Pruner:
    """Prunes over the first half of the steps, so that the second trains on; `rigl` over all."""
    half, every = max(1, steps // 2), max(1, steps // 40)
    if method == "gradual":
        return gradual(model, density, half, every=every, scope=scope, names=names)
    if method == "proximal":
        return proximal(model, density, half, SHRINK * recipe.rate, names)
    return rigl(model, density, max(1, steps), every, scope=scope, names=names)
