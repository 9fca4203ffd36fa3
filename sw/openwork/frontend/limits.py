"""Limits: the clipping of real numbers after a sum, which is the nonlinearity of a float network."""

from dataclasses import dataclass
from math import floor, inf, isinf

import torch
from torch.nn import functional

from openwork.activation import Clip
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN


@dataclass(frozen=True)
class Limits:
    """No value is below `low` or above `high`. A ReLU has low 0.0, and a ReLU6 also has high 6.0."""

    low: float = -inf
    high: float = inf

    @property
    def are_none(self) -> bool:
        """Whether every value stays as it is."""
        return (self.low, self.high) == (-inf, inf)

    def then(self, other: "Limits") -> "Limits":
        """Both, these first.

        >>> Limits(0.0).then(Limits(-1.0, 6.0)), Limits(high=1.0).then(Limits(low=2.0))
        (Limits(low=0.0, high=6.0), Limits(low=2.0, high=2.0))
        """
        low, high = (min(max(limit, other.low), other.high) for limit in (self.low, self.high))
        return Limits(low, high)

    def apply(self, values: torch.Tensor) -> torch.Tensor:
        """The values within the limits."""
        return values.clamp(self.low, self.high)

    def apply_traceable(self, values: torch.Tensor) -> torch.Tensor:
        """`apply` as `torch.export` writes it best: a ReLU, or a clamp, or nothing."""
        if (self.low, self.high) == (0.0, inf):
            return functional.relu(values)
        return values if self.are_none else self.apply(values)

    def quantized(self, scale: float, zero_point: int) -> Clip:
        """The same limits for integers that stand for ``scale * (integer - zero_point)``.

        >>> Limits(0.0, 6.0).quantized(0.05, -128), Limits().quantized(0.05, 3)
        (Clip(low=-128, high=-8), Clip(low=-128, high=127))
        """

        def integer(limit: float) -> int:
            whole = limit if isinf(limit) else floor(limit / scale + 0.5) + zero_point
            return int(min(max(whole, ACTIVATION_MIN), ACTIVATION_MAX))

        return Clip(integer(self.low), integer(self.high))


NO_LIMITS = Limits()
