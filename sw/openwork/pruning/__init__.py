"""Choose the weights that may stay, in one shot, without training, or while a model is trained.

- In one shot: `prune_model`, by `magnitude`, `threshold` or `n_of_m`.
- In a training loop of one's own, three lines: `gradual`, `proximal`, `rigl`; or in the loop that is here, `fit`.
"""

from openwork.pruning.distribution import Method, Scope, choose_masks, erdos_renyi_kernel
from openwork.pruning.fitting import Recipe, distance, fit
from openwork.pruning.methods import PruningError, magnitude, n_of_m, threshold
from openwork.pruning.model import Masks, PrunedModel, apply_masks, check_masks, prunable, prune_model
from openwork.pruning.statistics import reestimate_norms
from openwork.pruning.training import Pruner, gradual, proximal, rewound, rigl

__all__ = [
    "Masks",
    "Method",
    "PrunedModel",
    "Pruner",
    "PruningError",
    "Recipe",
    "Scope",
    "apply_masks",
    "check_masks",
    "choose_masks",
    "distance",
    "erdos_renyi_kernel",
    "fit",
    "gradual",
    "magnitude",
    "n_of_m",
    "proximal",
    "prunable",
    "prune_model",
    "reestimate_norms",
    "rewound",
    "rigl",
    "threshold",
]
