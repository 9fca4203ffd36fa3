"""Choose the weights that may stay: methods for one tensor, and `prune_model` for a whole model.

A method that looks at the weights once is a function in `methods`. Methods that prune while they train (gradual,
movement, regularization) come as `training`, one file beside it, and hand over the same `PrunedModel`.
"""

from openwork.pruning.methods import PruningError, magnitude, threshold
from openwork.pruning.model import PrunedModel, apply_masks, prune_model

__all__ = ["PrunedModel", "PruningError", "apply_masks", "magnitude", "prune_model", "threshold"]
