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

    @property
    def table(self) -> tuple[int, ...] | None:
        """The values of the array's activation table, those of -128 to 127; None for a function that needs no table."""
        return None

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


@dataclass(frozen=True)
class Table(Activation):
    """Any function of an int8, by its values.

    >>> minus = Table(tuple(range(127, -129, -1)))
    >>> minus.apply(np.array([-128, 0, 5], np.int8)), minus.limits
    (array([127,  -1,  -6], dtype=int8), (-128, 127))

    Attributes:
        values: int8 [256], what becomes of -128, of -127, and so on up to 127.
    """

    values: tuple[int, ...]

    def apply(self, values: Values) -> Values:
        """As `Activation.apply`."""
        if isinstance(values, np.ndarray):
            return np.array(self.values, values.dtype)[values.astype(np.int64) - ACTIVATION_MIN]
        import torch

        table = torch.tensor(self.values, dtype=values.dtype, device=values.device)
        return table[values.long() - ACTIVATION_MIN]

    @property
    def limits(self) -> tuple[int, int]:
        """As `Activation.limits`: the table takes every int8."""
        return ACTIVATION_MIN, ACTIVATION_MAX

    @property
    def table(self) -> tuple[int, ...]:
        """As `Activation.table`."""
        return self.values

    def fault(self) -> str | None:
        """As `Activation.fault`."""
        count = ACTIVATION_MAX - ACTIVATION_MIN + 1
        if not isinstance(self.values, tuple) or len(self.values) != count:
            return f"an activation table holds {count} values, one for each int8"
        for value in self.values:
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or not ACTIVATION_MIN <= value <= ACTIVATION_MAX:
                return (
                    f"an activation table holds whole numbers from {ACTIVATION_MIN} to {ACTIVATION_MAX}, not {value!r}"
                )
        return None

    def __str__(self) -> str:
        return f"a table with values from {min(self.values)} to {max(self.values)}"


WHOLE = Clip()
"""The activation that changes nothing."""
