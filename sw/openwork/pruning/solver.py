"""Rows that say best what other rows said, with few weights, or with whole numbers: least squares on the moments of inputs.

Weights are [groups, rows, columns], and moments [groups, columns, columns]: a convolution of one group has ``groups == 1``,
a depthwise one has a group for each channel.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

DAMPING = 0.01
"""Of the mean square of the inputs, added to each input's own (as in SparseGPT)."""

ROUNDS = 10
"""Steps in which a layer becomes sparse: after each the weights that stay are fitted anew."""

ITERATIONS = 40
"""Of conjugate gradients, at most."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Second moments of a layer's inputs, float [groups, columns, columns].

    Attributes:
        own: of the inputs that the new rows will see with themselves.
        cross: of the inputs that the old rows saw with those that the new rows will see; `own`, where they are the same.
    """

    own: torch.Tensor
    cross: torch.Tensor

    def damped(self) -> "Moments":
        """With a bit more weight on the diagonal, so that there is one best answer, near the old rows."""
        columns = self.own.shape[1]
        mean = self.own.diagonal(dim1=1, dim2=2).mean(dim=1)
        more = (DAMPING * mean + 1e-12)[:, None, None] * torch.eye(columns).to(self.own)
        return Moments(self.own + more, self.cross + more)


def refit(weights: torch.Tensor, moments: Moments, mask: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """The rows nearest in the mean square to what `weights` give, with weights only where `mask` is.

    Conjugate gradients with the diagonal as preconditioner, all rows side by side.

    Args:
        weights: the old rows, float [groups, rows, columns].
        moments: damped.
        mask: bool of the same shape.
        start: rows to begin with, 0 outside the mask.
    """
    inverse = mask / moments.own.diagonal(dim1=1, dim2=2)[:, None]
    found = start.clone()
    residual = (weights @ moments.cross - found @ moments.own) * mask
    direction = scaled = inverse * residual
    energy = (residual * scaled).sum(dim=2, keepdim=True)
    enough = 1e-10 * energy.clamp(min=1e-30)
    for _ in range(min(ITERATIONS, weights.shape[2])):
        image = (direction @ moments.own) * mask
        step = energy / (direction * image).sum(dim=2, keepdim=True).clamp(min=1e-30)
        found = found + step * direction
        residual = residual - step * image
        scaled = inverse * residual
        before, energy = energy, (residual * scaled).sum(dim=2, keepdim=True)
        if bool((energy <= enough).all()):
            break
        direction = scaled + energy / before.clamp(min=1e-30) * direction
    return found


def sparse_rows(
    weights: torch.Tensor, moments: Moments, keep: int, always: torch.Tensor, rounds: int = ROUNDS
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows with `keep` weights in all, near to what `weights` give; and the mask of those weights.

    Layer-wise pruning in the manner of Optimal Brain Compression (Frantar and Alistarh 2022), with many weights
    leaving at a time: those whose loss costs least, ``w ** 2 * mean square of their input``, while the others are fitted anew by
    least squares after each round.

    Args:
        weights: float [groups, rows, columns].
        moments: not damped.
        keep: weights that stay, columns of `always` not counted.
        always: bool [columns], those that stay in every row, as a bias does.
        rounds: in which the number of weights falls, by the same factor each.
    """
    damped = moments.damped()
    mask = torch.ones_like(weights, dtype=torch.bool)
    found = weights
    cost = damped.own.diagonal(dim1=1, dim2=2)[:, None]
    candidates = weights[..., ~always].numel()
    for number in range(1, rounds + 1):
        count = round(candidates * (keep / candidates) ** (number / rounds))
        score = (found**2 * cost).masked_fill(~mask, -1.0)[..., ~always].flatten()
        kept = torch.zeros(candidates, dtype=torch.bool)
        kept[score.argsort(descending=True, stable=True)[:count]] = True
        mask[..., ~always] = kept.reshape(*weights.shape[:2], -1)
        found = refit(weights, damped, mask, found * mask)
    return found, mask


def rounded_rows(
    weights: torch.Tensor, own: torch.Tensor, mask: torch.Tensor, nearest: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Rows of values that `nearest` allows, column after column; the columns still to come make up for what rounding changed.

    As in GPTQ (Frantar et al. 2023) and SparseGPT (Frantar and Alistarh 2023). Weights outside the mask stay 0, and pass on what
    they were told to make up for.

    Args:
        weights: float64 [groups, rows, columns].
        own: moments of the inputs, float64 [groups, columns, columns].
        mask: bool like the weights.
        nearest: the allowed value nearest to each of [groups, rows].
    """
    damped = Moments(own, own).damped().own
    # Rows of the upper factor: what one column's change asks of the columns behind it.
    upper = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(damped)), upper=True)
    left, result = weights.clone(), torch.zeros_like(weights)
    for column in range(weights.shape[2]):
        result[..., column] = nearest(left[..., column]) * mask[..., column]
        wrong = (left[..., column] - result[..., column]) / upper[:, column, column, None]
        left[..., column:] -= wrong[..., None] * upper[:, None, column, column:]
    return result


def relative_error(weights: torch.Tensor, found: torch.Tensor, own: torch.Tensor) -> float:
    """Mean square of what the outputs lose, against that of the outputs; `own`: moments [groups, columns, columns]."""
    lost = weights - found
    return float(((lost @ own) * lost).sum() / ((weights @ own) * weights).sum().clamp(min=1e-30))
