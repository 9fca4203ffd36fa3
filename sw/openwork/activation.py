"""What becomes of a layer's outputs after requantization: an activation, a function of one int8."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN

if TYPE_CHECKING:
    import torch

Values = TypeVar("Values", NDArray[Any], "torch.Tensor")
"""Whole numbers in an array or a tensor of any dtype."""


class Activation(ABC):
    """A function from int8 to int8 that a layer's outputs go through, each by itself. Equal ones compute the same."""

    @abstractmethod
    def apply(self, values: Values) -> Values:
        """The function's values, in the array type and dtype of `values`.

        Args:
            values: whole numbers within int8.
        """

    @property
    @abstractmethod
    def limits(self) -> tuple[int, int]:
        """The least and the largest int8 that the requantizer gives, as a RUN command holds them."""

    @abstractmethod
    def fault(self) -> str | None:
        """Why the activation means nothing, in words that follow a layer's name; None for one that is right."""


@dataclass(frozen=True)
class Clip(Activation):
    """Nothing below `low` and nothing above `high`; with `low` at the output's zero point it is a ReLU.

    >>> Clip(-5, 5).apply(np.array([-128, 3, 127], np.int8)), Clip().limits
    (array([-5,  3,  5], dtype=int8), (-128, 127))

    Attributes:
        low, high: int8; with those that are the default, every value stays as it is.
    """

    low: int = ACTIVATION_MIN
    high: int = ACTIVATION_MAX

    def apply(self, values: Values) -> Values:
        """As `Activation.apply`."""
        return values.clip(self.low, self.high)

    @property
    def limits(self) -> tuple[int, int]:
        """As `Activation.limits`."""
        return self.low, self.high

    def fault(self) -> str | None:
        """As `Activation.fault`."""
        for name, value in (("low", self.low), ("high", self.high)):
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not whole or not ACTIVATION_MIN <= value <= ACTIVATION_MAX:
                return f"{name} must be a whole number from {ACTIVATION_MIN} to {ACTIVATION_MAX}, not {value!r}"
        return f"low must not exceed high, and {self.low} > {self.high}" if self.low > self.high else None

    def __str__(self) -> str:
        return f"limits {self.low} to {self.high}"


WHOLE = Clip()
"""The activation that changes nothing."""
