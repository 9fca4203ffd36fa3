"""Rows that say best what other rows said, with few weights, or with whole numbers: least squares on the moments of inputs.

Weights are [groups, rows, columns], and moments [groups, columns, columns]: a convolution of one group has ``groups == 1``,
a depthwise one has a group for each channel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

DAMPING = 0.01
"""Of the mean square of the inputs, added to each input's own (as in SparseGPT)."""

ROUNDS = 10
"""Steps in which a layer becomes sparse: after each the weights that stay are fitted anew."""

ITERATIONS = 40
"""Of conjugate gradients, at most."""

SWEEPS = 4
"""Over the columns of rows of whole numbers, at most."""

PLACES = 64
"""Pixels of each input that a layer's moments are taken from, at most."""


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
    weights: torch.Tensor,
    moments: Moments,
    keep: int,
    always: torch.Tensor,
    importance: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows with `keep` weights in all, near to what `weights` give; and the mask of those weights.

    Arguments as in `sparse_path`; the number of weights falls in `ROUNDS` rounds, by the same factor each.
    """
    candidates = weights[..., ~always].numel()
    keeps = [round(candidates * (keep / candidates) ** (number / ROUNDS)) for number in range(1, ROUNDS + 1)]
    *_, last = sparse_path(weights, moments, keeps, always, importance)
    return last


def sparse_path(
    weights: torch.Tensor,
    moments: Moments,
    keeps: Sequence[int],
    always: torch.Tensor,
    importance: torch.Tensor | None = None,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Rows that are near to what `weights` give, and the mask of their weights, with fewer and fewer weights.

    Layer-wise pruning in the manner of Optimal Brain Compression (Frantar and Alistarh 2022), with many weights
    leaving at a time, and the others fitted anew by least squares after each round. What leaves is what costs least:
    ``w ** 2`` times the geometric mean of the cost if no other weight made up for it, and of that if all did.

    Args:
        weights: float [groups, rows, columns].
        moments: not damped.
        keeps: weights that stay in all after each round, columns of `always` not counted; none more than before.
        always: bool [columns], those that stay in every row, as a bias does.
        importance: what the square of a row's error counts, float [groups, rows, 1]; the same for all if not given.
    """
    damped = moments.damped()
    mask = torch.ones_like(weights, dtype=torch.bool)
    found = weights
    alone = damped.own.diagonal(dim1=1, dim2=2)[:, None]
    made_up = torch.linalg.inv(damped.own).diagonal(dim1=1, dim2=2)[:, None]  # the reciprocal of what it costs then
    cost = (alone / made_up.clamp(min=1e-30)).sqrt()
    if importance is not None:
        cost = cost * importance
    for keep in keeps:
        score = (found**2 * cost).masked_fill(~mask, -1.0)[..., ~always].flatten()
        kept = torch.zeros(len(score), dtype=torch.bool)
        kept[score.argsort(descending=True, stable=True)[:keep]] = True
        mask = mask.clone()
        mask[..., ~always] = kept.reshape(*weights.shape[:2], -1)
        found = refit(weights, damped, mask, found * mask)
        yield found, mask


def rounded_rows(weights: torch.Tensor, own: torch.Tensor, mask: torch.Tensor, limits: torch.Tensor) -> torch.Tensor:
    """Rows of whole numbers, near to what `weights` give: the nearest ones, and then, column after column, what is better yet.

    Each weight in turn becomes the whole number that is best while the others stay, as in QuantEase (Behdin et al. 2023); so no
    step makes it worse, and weights outside the mask are out of the sums.

    Args:
        weights: float64 [groups, rows, columns].
        own: moments of the inputs, float64 [groups, columns, columns].
        mask: bool like the weights; outside it they become 0.
        limits: largest magnitude in each column, float64 [columns].
    """
    damped = Moments(own, own).damped().own
    result = torch.minimum(torch.round(weights).abs(), limits) * weights.sign() * mask
    slope = (weights - result) @ damped
    for _ in range(SWEEPS):
        before = result.clone()
        for column, limit in enumerate(limits.tolist()):
            best = torch.round(result[..., column] + slope[..., column] / damped[:, column, column, None])
            change = best.clamp(-limit, limit) * mask[..., column] - result[..., column]
            result[..., column] += change
            slope -= change[..., None] * damped[:, None, column]
        if torch.equal(result, before):
            break
    return result


def columns_of(
    maps: torch.Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
    constant: bool,
    generator: torch.Generator,
) -> torch.Tensor:
    """What a convolution's rows multiply at some pixels, [groups, pixels, columns]: at all, or at `PLACES` of each input.

    Args:
        maps: [inputs, channels, height, width], padded already.
        kernel, stride, dilation, groups: of the convolution.
        constant: whether there is a last column of ones, for a bias.
        generator: chooses the pixels.
    """
    windows = maps
    for axis in (0, 1):
        windows = windows.unfold(2 + axis, dilation[axis] * (kernel[axis] - 1) + 1, stride[axis])
    windows = windows[..., :: dilation[0], :: dilation[1]].permute(0, 2, 3, 1, 4, 5)
    inputs, height, width, channels = windows.shape[:4]
    if height * width > PLACES:
        pixels = torch.randint(0, height * width, (inputs, PLACES), generator=generator)
        windows = windows[torch.arange(inputs)[:, None], pixels // width, pixels % width]
    columns = windows.reshape(-1, groups, channels // groups * kernel[0] * kernel[1]).transpose(0, 1)
    return torch.cat([columns, torch.ones_like(columns[..., :1])], dim=2) if constant else columns


def relative_error(
    weights: torch.Tensor, found: torch.Tensor, own: torch.Tensor, importance: torch.Tensor | float = 1.0
) -> float:
    """Mean square of what the outputs lose, against that of the outputs.

    Args:
        weights, found: the old rows and the new, float [groups, rows, columns].
        own: moments, float [groups, columns, columns].
        importance: as in `sparse_path`.
    """
    lost = weights - found
    squares = (importance * ((weights @ own) * weights)).sum().clamp(min=1e-30)
    return float((importance * ((lost @ own) * lost)).sum().clamp(min=0) / squares)
