"""Choose the weights that may stay, in one shot, without training, or while a model is trained.

- In one shot: `prune_model`, by `magnitude`, `threshold` or `n_of_m`; `prune_channels`.
- Without labels or training: `reconstruct`, with a density for each layer within a budget: `densities_within`, `row_importance`.
- In a training loop of one's own, three lines: `gradual`, `proximal`, `rigl`; or in the loop that is here, `fit`.
- By name: `prune_by`, and the list `METHODS`.
"""

from openwork.pruning.budget import densities_within, kept_weights, spend
from openwork.pruning.catalogue import METHODS, MethodInfo, prune_by
from openwork.pruning.channels import prune_channels
from openwork.pruning.distribution import Method, Scope, choose_masks, erdos_renyi_kernel
from openwork.pruning.evaluation import Score, held_back, scored
from openwork.pruning.fitting import Recipe, distance, fit
from openwork.pruning.methods import PruningError, magnitude, n_of_m, threshold
from openwork.pruning.model import Masks, PrunedModel, apply_masks, check_masks, prunable, prune_model
from openwork.pruning.reconstruction import layer_errors, reconstruct, row_importance
from openwork.pruning.statistics import reestimate_norms
from openwork.pruning.training import Pruner, gradual, proximal, rewound, rigl

__all__ = [
    "METHODS",
    "Masks",
    "Method",
    "MethodInfo",
    "PrunedModel",
    "Pruner",
    "PruningError",
    "Recipe",
    "Scope",
    "Score",
    "apply_masks",
    "check_masks",
    "choose_masks",
    "densities_within",
    "distance",
    "erdos_renyi_kernel",
    "fit",
    "gradual",
    "held_back",
    "kept_weights",
    "layer_errors",
    "magnitude",
    "n_of_m",
    "proximal",
    "prunable",
    "prune_by",
    "prune_channels",
    "prune_model",
    "reconstruct",
    "reestimate_norms",
    "rewound",
    "rigl",
    "row_importance",
    "scored",
    "spend",
    "threshold",
]


def __dir__() -> list[str]:
    return __all__
