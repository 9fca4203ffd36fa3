"""Scales: what one step of an int8 activation or weight is worth."""

from dataclasses import dataclass
from enum import StrEnum
from math import floor, frexp

import torch

from openwork.scales import WEIGHT_MAX
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN


class ScaleKind(StrEnum):
    """Which weight scales a row may have (compared in `docs/decisions/0002-power-of-two-scales.md`)."""

    FREE = "free"
    """Any real number: requantization needs a multiplier."""
    POWER_OF_TWO = "power of two"
    """``2 ** -shift * output scale / input scale``: requantization is a shift."""


@dataclass(frozen=True)
class ActivationScale:
    """``real = scale * (integer - zero_point)``, and 0.0 is exact."""

    scale: float
    zero_point: int


def activation_scale(low: float, high: float, least: float = 0.0) -> ActivationScale:
    """The finest scale of at least `least` with which int8 covers 0.0 and all from `low` to `high`.

    >>> activation_scale(-1.0, 2.984375)  # 255 steps of 1 / 64
    ActivationScale(scale=0.015625, zero_point=-64)
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = max((high - low) / (ACTIVATION_MAX - ACTIVATION_MIN), least) or 1.0  # 1.0: a tensor that is all zero
    return ActivationScale(scale, min(max(floor(ACTIVATION_MIN - low / scale + 0.5), ACTIVATION_MIN), ACTIVATION_MAX))


def power_of_two_shifts(weights: torch.Tensor, ratio: float, max_shift: int) -> torch.Tensor:
    """For each row the largest shift whose weight scale ``2 ** -shift * ratio`` still covers the row's weights.

    So the largest weight of a row becomes 64 to 127, unless `max_shift` stops it. A row without nonzeros gets 0: its
    output is its bias, rounded once. A row that would need a negative shift gets 0, too; `quantize` raises `ratio` so
    that none does.

    Args:
        weights: float [rows, ...].
        ratio: output scale / input scale.
        max_shift: limit of the array.

    Returns:
        int64 [rows], 0 to `max_shift`.
    """
    largest = weights.abs().flatten(1).amax(dim=1).tolist()
    exponents = [
        frexp(WEIGHT_MAX * ratio / value)[1] - 1 if value else 0 for value in largest
    ]  # floor(log2(..)), exact
    return torch.tensor([min(max(exponent, 0), max_shift) for exponent in exponents], dtype=torch.int64)


def weight_scales(weights: torch.Tensor, kind: ScaleKind, ratio: float, max_shift: int) -> torch.Tensor:
    """The scale of each row, float64 [rows, 1, 1, 1]; arguments as in `power_of_two_shifts`."""
    if kind is ScaleKind.POWER_OF_TWO:
        scales = ratio * torch.exp2(-power_of_two_shifts(weights, ratio, max_shift).double())
    else:
        largest = weights.abs().flatten(1).amax(dim=1).double()
        scales = torch.where(largest > 0, largest / WEIGHT_MAX, 1.0)
    return scales[:, None, None, None]


def round_to_int8(weights: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
    """Weights in units of `scales`, as whole numbers in float64; zeros stay zero."""
    return torch.round(weights.double() / scales).clamp(-WEIGHT_MAX, WEIGHT_MAX)
