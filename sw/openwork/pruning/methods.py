"""Pruning of one tensor: which weights may stay."""

from math import isfinite

import torch
from torch.nn import functional

from openwork_hw.arch.refusal import Refusal


class PruningError(Refusal):
    """Weights or a request that cannot be pruned; the message says which and why."""


def threshold(weights: torch.Tensor, theta: float) -> torch.Tensor:
    """Keep what is at least `theta` in magnitude.

    >>> threshold(torch.tensor([0.1, -0.5, 0.3]), 0.3).tolist()
    [False, True, True]

    Args:
        weights: finite, any shape.
        theta: 0 or more; at 0 everything stays.

    Returns:
        bool mask of the same shape, True where the weight stays.
    """
    _check(weights)
    if not (isfinite(theta) and theta >= 0):
        raise PruningError(f"theta must be 0 or more, not {theta}")
    return weights.detach().abs() >= theta


def check_density(density: float, what: str = "density") -> None:
    """Refuse a density that is not over 0 and up to 1; `what`: how the message calls it.

    Raises:
        PruningError: it is not.
    """
    if not 0 < density <= 1:
        raise PruningError(f"{what} must be over 0 and at most 1, not {density}")


def magnitude(weights: torch.Tensor, density: float) -> torch.Tensor:
    """Keep the largest in magnitude: ``density * weights`` of them to the nearest whole number, and at least one.

    Of equal magnitudes those stay whose rows have fewest, since a short row costs the array no less than one of `row_spacing`
    nonzeros; then the first in memory order. So the count is exact, and the choice always the same.

    >>> magnitude(torch.tensor([[0.5, 0.3, 0.1], [0.3, 0.1, 0.1]]), 0.34).tolist()
    [[True, False, False], [True, False, False]]

    Args:
        weights: finite, [rows, ...]; one dimension is one row.
        density: over 0 and up to 1.

    Returns:
        bool mask of the same shape, True where the weight stays.
    """
    _check(weights)
    check_density(density)
    keep = max(1, round(density * weights.numel()))
    sizes = weights.detach().abs().reshape(len(weights) if weights.dim() > 1 else 1, -1)
    smallest = sizes.flatten().sort(descending=True).values[keep - 1]
    mask, tied = sizes > smallest, sizes == smallest
    would_hold = mask.sum(1, keepdim=True) + tied.cumsum(1)
    places = tied.flatten().nonzero().flatten()
    order = would_hold.flatten()[places].argsort(stable=True)
    mask.view(-1)[places[order[: keep - int(mask.sum())]]] = True
    return mask.reshape(weights.shape)


def n_of_m(weights: torch.Tensor, n: int, m: int) -> torch.Tensor:
    """Keep the `n` largest in magnitude of every `m` that follow each other along a row, as dense accelerators want it.

    A row is cut in memory order (channel, kernel row, kernel column); a rest shorter than `m` keeps its `n` largest, too.

    >>> n_of_m(torch.tensor([[0.1, -0.5, 0.3, 0.2, 0.9]]), 2, 4).tolist()
    [[False, True, True, False, True]]

    Args:
        weights: finite, [rows, ...].
        n, m: whole numbers, ``1 <= n <= m``.

    Returns:
        bool mask of the same shape, True where the weight stays.
    """
    _check(weights)
    if not 1 <= n <= m:
        raise PruningError(f"n of m needs 1 <= n <= m, not {n} of {m}")
    rows = weights.detach().abs().flatten(1)
    parts = functional.pad(rows, (0, -rows.shape[1] % m), value=-1.0).reshape(len(rows), -1, m)
    ranks = parts.argsort(dim=2, descending=True, stable=True).argsort(dim=2)
    mask: torch.Tensor = (ranks < n).flatten(1)[:, : rows.shape[1]].reshape(weights.shape)
    return mask


def _check(weights: torch.Tensor) -> None:
    if not weights.numel():
        raise PruningError(f"weights of shape {list(weights.shape)} are empty: there is nothing to prune")
    if not bool(torch.isfinite(weights).all()):
        count = int((~torch.isfinite(weights)).sum())
        raise PruningError(
            f"{count} of the weights are NaN or infinite, so their magnitudes have no order: train again"
        )
