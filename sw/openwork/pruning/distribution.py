"""How a density is shared out over layers."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Literal

import torch

from openwork.pruning.methods import PruningError, check_density

Method = Callable[[torch.Tensor, float], torch.Tensor]
"""From weights and a level to the mask of what stays: `magnitude` (the level is a density) or `threshold` (theta)."""

Scope = Literal["layer", "global", "erk"]
"""Each layer gets the level; or the weights of all are ranked together; or small layers stay denser (Erdős-Rényi-kernel)."""


def choose_masks(
    weights: Mapping[str, torch.Tensor], level: float, scope: Scope, method: Method
) -> dict[str, torch.Tensor]:
    """The mask of each layer, bool of the weights' shape.

    Args:
        weights: by module name, each [rows, channels, ...].
        level: what `method` takes.
        scope: how the level is shared out; "erk" needs a density.
        method: chooses what stays.

    Raises:
        PruningError: weights are not finite or empty, the level is out of range, or there is no such scope.
    """
    if scope not in ("layer", "global", "erk"):
        raise PruningError(f"scope must be 'layer', 'global' or 'erk', not {scope!r}")
    if scope == "erk":
        levels = erdos_renyi_kernel({name: tensor.shape for name, tensor in weights.items()}, level)
        return {name: _named(name, method, tensor, levels[name]) for name, tensor in weights.items()}
    each = {name: _named(name, method, tensor, level) for name, tensor in weights.items()}
    if scope == "layer":
        return each
    together = method(torch.cat([tensor.flatten() for tensor in weights.values()]), level)  # each had its own complaint
    parts = torch.split(together, [tensor.numel() for tensor in weights.values()])
    return {name: part.reshape(weights[name].shape) for name, part in zip(weights, parts, strict=True)}


def erdos_renyi_kernel(shapes: Mapping[str, Sequence[int]], density: float) -> dict[str, float]:
    """Densities in proportion to ``sum(shape) / prod(shape)``, so that small layers stay denser (Evci et al. 2020).

    Layers that would be denser than dense are dense, and the others share what is left; together they have `density`.

    >>> shares = erdos_renyi_kernel({"small": (4, 4, 1, 1), "large": (64, 64, 3, 3)}, 0.1)
    >>> shares["small"], round(shares["large"] * 64 * 64 * 9 + 16) == round(0.1 * (64 * 64 * 9 + 16))
    (1.0, True)

    Args:
        shapes: of the weights, by module name.
        density: of all together, over 0 and up to 1.
    """
    check_density(density)
    left = density * sum(map(prod, shapes.values()))
    free = dict(shapes)
    while free:
        scale = left / sum(map(sum, free.values()))  # prod(shape) * sum(shape) / prod(shape)
        dense = [name for name, shape in free.items() if scale * sum(shape) >= prod(shape)]
        if not dense:
            break
        left -= sum(prod(free.pop(name)) for name in dense)
    return {name: scale * sum(shape) / prod(shape) if name in free else 1.0 for name, shape in shapes.items()}


def _named(name: str, method: Method, weights: torch.Tensor, level: float) -> torch.Tensor:
    try:
        return method(weights, level)
    except PruningError as error:
        raise PruningError(f"module {name!r}: {error}") from None
