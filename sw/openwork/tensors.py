"""Tensors of a network: int8 maps, what their integers stand for, and what is refused about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.refusal import Refusal

Shape = tuple[int, int, int]
"""Channels, height, width. A vector is a map of one pixel."""


class NetworkError(Refusal):
    """A network that means nothing, or inputs that it does not take; the message names the step, the rule and the value."""


class NetworkSizeError(NetworkError):
    """A network beyond the limits of `openwork.limits`; the message names the step, the need and the limit."""


@dataclass(frozen=True)
class Tensor:
    """An int8 map, and what its integers stand for: ``real = scale * (integer - zero_point)``."""

    name: str
    shape: Shape
    scale: float
    zero_point: int

    def check(self) -> None:
        """Make sure that the numbers mean something.

        Raises:
            NetworkError: one is out of its range.
        """
        if len(self.shape) != 3 or not all(isinstance(size, int) and 1 <= size <= 1 << 24 for size in self.shape):
            raise NetworkError(f"tensor {self.name!r}: a shape is channels, height, width, not {self.shape}")
        if not (isfinite(self.scale) and self.scale > 0):
            raise NetworkError(f"tensor {self.name!r}: a scale is a positive number, not {self.scale}")
        if not ACTIVATION_MIN <= self.zero_point <= ACTIVATION_MAX:
            raise NetworkError(f"tensor {self.name!r}: a zero point is an int8, not {self.zero_point}")


def check_agreement(what: str, tensors: Sequence[Tensor]) -> None:
    """Make sure that tensors have one scale and zero point.

    Args:
        what: the sentence begins with: "step 'pool'".
        tensors: all that must agree.

    Raises:
        NetworkError: they have several.
    """
    if len({(tensor.scale, tensor.zero_point) for tensor in tensors}) > 1:
        found = ", ".join(f"{tensor.name!r} {tensor.scale:.6g} and {tensor.zero_point}" for tensor in tensors)
        raise NetworkError(f"{what} must have one scale and zero point, not {found}")


def by(shape: Sequence[int]) -> str:
    """A shape as people write it."""
    return " x ".join(map(str, shape))


def by_if_unequal(pair: tuple[int, int]) -> str:
    """Numbers down and across as people write them: one number if both are equal."""
    return str(pair[0]) if pair[0] == pair[1] else by(pair)
