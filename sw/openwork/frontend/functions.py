"""Functions of one value, which the array computes by an activation table of 256 bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Function:
    """A function of each value by itself.

    Attributes:
        name: by which PyTorch knows it, for reports and messages.
        arguments: further arguments of PyTorch's function, by name.
        least: no value of the function is below.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    least: float = -inf

    def apply(self, values: torch.Tensor) -> torch.Tensor:
        """The function's values, in the dtype of `values`, in one operator that the front end can import."""
        return _COMPUTED[self.name](values, **self.arguments)


def _elu(values: torch.Tensor, alpha: float, scale: float, input_scale: float) -> torch.Tensor:
    return torch.ops.aten.elu.default(values, alpha, scale, input_scale)  # type: ignore[no-any-return]  # torch has no types here


_COMPUTED: Mapping[str, Callable[..., torch.Tensor]] = {
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
