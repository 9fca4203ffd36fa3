"""Whole channels go, in every layer that they pass through: structured pruning, by torch-pruning's dependency graph."""

from collections.abc import Mapping, Sequence

import torch
import torch_pruning
from torch import nn

from openwork.pruning.methods import PruningError, check_density
from openwork.pruning.model import PrunedModel, own_copy, prunable

STEPS = 50
"""In which channels go; after each the weights are counted."""


def prune_channels(
    model: nn.Module, density: float, example: torch.Tensor, names: Sequence[str] | None = None
) -> PrunedModel:
    """Take channels out until at most `density` of the weights are left; the model becomes smaller, and stays dense.

    Channels that a sum or a concatenation ties together go together; those with the smallest weights go first (Fang et al. 2023).
    The last layer keeps its outputs.

    Args:
        model: stays as it is.
        density: of the weights of all Conv and Linear modules, over 0 and up to 1.
        example: one input or more, [batch, ...].
        names: modules whose outputs may go; all if not given.

    Returns:
        The smaller model; its masks are all True.

    Raises:
        PruningError: see `prunable`; or the density is out of range, or is not reached although a channel is left of each.
    """
    check_density(density)
    pruned = own_copy(model).eval()
    chosen = prunable(pruned, names)
    layers = {name: module for name, module in pruned.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
    last = _last(pruned, layers, example)
    before = sum(weights.numel() for weights in chosen.values())
    pruner = torch_pruning.pruner.BasePruner(
        pruned,
        example,
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=1.0,
        max_pruning_ratio=0.98,
        iterative_steps=STEPS,
        global_pruning=True,
        ignored_layers=[module for name, module in layers.items() if name == last or name not in chosen],
    )
    for _ in range(STEPS):
        if sum(pruned.get_parameter(f"{name}.weight").numel() for name in chosen) <= density * before:
            break
        pruner.step()
    left = {name: pruned.get_parameter(f"{name}.weight") for name in chosen}
    count = sum(weights.numel() for weights in left.values())
    if count > density * before:
        raise PruningError(
            f"whole channels can go down to {count / before:.3f} of the weights, not to {density}: raise the density, or prune "
            "single weights"
        )
    return PrunedModel(pruned, {name: torch.ones_like(weights, dtype=torch.bool) for name, weights in left.items()})


def _last(model: nn.Module, layers: Mapping[str, nn.Module], example: torch.Tensor) -> str:
    """The layer that runs last."""
    reached: list[str] = []
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, _outputs, name=name: reached.append(name))
        for name, module in layers.items()
    ]
    with torch.no_grad():
        model(example)
    for hook in hooks:
        hook.remove()
    return reached[-1]
