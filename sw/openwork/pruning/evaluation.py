"""What a pruned model still says, on inputs that it was not fitted to: accuracy, or agreement with the dense model."""

from dataclasses import dataclass

import torch
from torch import nn

from openwork.progress import Progress, silent

BATCH = 50
"""Inputs that a model is run with at a time."""

EVERY = 5
"""Of so many inputs one is held back."""

FEWEST = 10
"""With fewer inputs than this, none is held back."""

MOST_HELD = 1000
"""Inputs that are held back, at most."""


@dataclass(frozen=True)
class Score:
    """How good a pruned model is beside the dense model.

    Attributes:
        what: the shares are of: "accuracy", or "agreement with the dense model".
        before, after: of the dense and of the pruned model, 0 to 1.
        inputs: that it was measured on.
    """

    what: str
    before: float
    after: float
    inputs: int

    @property
    def lost(self) -> float:
        """Share that is lost."""
        return self.before - self.after

    def __str__(self) -> str:
        return f"{self.what}: {self.before:.1%} before, {self.after:.1%} after, on {self.inputs:,} inputs"


def held_back(count: int, *, fits: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers of the inputs to fit to, and of those to measure on, which are evenly spread over all.

    >>> [len(part) for part in held_back(300)], held_back(12)[1].tolist(), len(held_back(9)[1])
    ([240, 60], [4, 9], 0)
    >>> [len(part) for part in held_back(9, fits=False)]
    [9, 9]

    Args:
        count: of all inputs.
        fits: whether anything is fitted to inputs; if not, all of them may be measured on.

    Returns:
        int64 [inputs] twice, ascending.
    """
    if not fits:
        return torch.arange(count), torch.arange(0, count, max(1, -(-count // MOST_HELD)))
    step = max(EVERY, -(-count // MOST_HELD))
    held = torch.arange(step - 1, count, step) if count >= FEWEST else torch.arange(0)
    fitted = torch.ones(count, dtype=torch.bool)
    fitted[held] = False
    return fitted.nonzero().flatten(), held


def scored(
    dense: nn.Module,
    pruned: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor | None = None,
    progress: Progress = silent,
) -> Score:
    """Compare a pruned model with the dense one.

    With labels it is the share of inputs whose largest output is that of the label. Without, it is the share of inputs for which
    both models have the same largest output; where outputs are maps or a single number, and so no scores, it is the share of the
    variance of the dense model's outputs that the pruned model's outputs explain.

    Args:
        dense, pruned: give [batch, scores] or maps.
        inputs: float [inputs, ...].
        labels: int64 [inputs].
        progress: shows how far the work is.
    """
    wanted, found = _outputs(dense, inputs, progress), _outputs(pruned, inputs, progress)
    count = len(inputs)
    if labels is not None:
        right = [float((one.flatten(1).argmax(dim=1) == labels).double().mean()) for one in (wanted, found)]
        return Score("accuracy", right[0], right[1], count)
    if wanted.ndim == 2 and wanted.shape[1] > 1:
        same = float((wanted.argmax(dim=1) == found.argmax(dim=1)).double().mean())
        return Score("agreement with the dense model", 1.0, same, count)
    spread = float((wanted - wanted.mean(dim=0)).square().sum())
    missed = float((wanted - found).square().sum())
    explained = max(0.0, 1 - missed / spread) if spread else float(missed == 0)
    return Score("variance of the dense model's outputs that is explained", 1.0, explained, count)


def _outputs(model: nn.Module, inputs: torch.Tensor, progress: Progress) -> torch.Tensor:
    """float64 [inputs, ...] of a model in eval mode."""
    training = model.training
    model.eval()
    with torch.no_grad():
        found = [
            model(inputs[start : start + BATCH]).double()
            for start in progress(range(0, len(inputs), BATCH), "measuring")
        ]
    model.train(training)
    return torch.cat(found)
