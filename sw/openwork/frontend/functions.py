"""Functions of one value, which the array computes by an activation table of 256 bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf

import torch
from torch.nn import functional

from openwork.frontend.limits import Limits


@dataclass(frozen=True)
class Function:
    """A function of each value by itself.

    Attributes:
        name: for reports and messages.
        compute: the function, in operators that the front end can import; it keeps the dtype.
        least: no value of the function is below.
    """

    name: str
    compute: Callable[[torch.Tensor], torch.Tensor]
    least: float = -inf

    def after(self, first: "Function", limits: Limits) -> "Function":
        """This function of what another one makes within limits. No number in between is rounded."""
        return Function(
            f"{self.name} of {first.name}",
            lambda values: self.compute(limits.apply_traceable(first.compute(values))),
            self.least,
        )


def _elu(values: torch.Tensor, alpha: float, scale: float, input_scale: float) -> torch.Tensor:
    return torch.ops.aten.elu.default(values, alpha, scale, input_scale)  # type: ignore[no-any-return]  # torch has no types here


FUNCTIONS: Mapping[str, Callable[..., torch.Tensor]] = {
    "silu": functional.silu,
    "hardswish": functional.hardswish,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "elu": _elu,
    "celu": functional.celu,
    "selu": functional.selu,
    "mish": functional.mish,
    "softplus": functional.softplus,
    "softshrink": functional.softshrink,
    "exp": torch.exp,
}
"""PyTorch's own functions by the names of their operators. Further arguments have the operators' names."""

LEAST: Mapping[str, float] = {"sigmoid": 0.0, "exp": 0.0, "softplus": 0.0, "tanh": -1.0}
"""Below which these functions have no value."""
