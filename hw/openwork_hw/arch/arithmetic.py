"""Requantization: the one integer formula that turns a finished sum into an activation.

Every row has a scale that is a power of two. The quantizer puts the rest of the real scale into the weight scale of the
row's channel, so ``scale_x * scale_w[row] / scale_y == 2 ** -shift[row]``. The reason is in
`docs/decisions/0002-power-of-two-scales.md`.

Worked examples, which run as tests:

>>> requantize(1000, bias=24, shift=3, zero_point=-5, low=-128, high=127)      # 1024 / 8 = 128, - 5 = 123
123
>>> requantize(4, bias=0, shift=3, zero_point=0, low=-128, high=127)           # 0.5 rounds up
1
>>> requantize(-4, bias=0, shift=3, zero_point=0, low=-128, high=127)          # -0.5 rounds up, too: to 0
0
>>> requantize(-5, bias=0, shift=3, zero_point=0, low=-128, high=127)
-1
>>> requantize(-70000, bias=0, shift=3, zero_point=-128, low=-128, high=127)   # saturates
-128
>>> offset = fold_offset(bias=24, shift=3, zero_point=-5)                      # what the gateware is given
>>> offset, requantize_folded(1000, offset, shift=3, low=-128, high=127)
(-12, 123)
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

ACTIVATION_MIN = -128
ACTIVATION_MAX = 127

IntOrArray = TypeVar("IntOrArray", int, NDArray[np.int64])


def requantize(
    sums: IntOrArray, bias: IntOrArray, shift: IntOrArray, zero_point: int, low: int, high: int
) -> IntOrArray:
    """Turn finished sums into activations: ``clip(((sums + bias + half) >> shift) + zero_point, low, high)``.

    ``half = (1 << shift) >> 1``. The formula rounds once, and half up.

    Args:
        sums: sums of products over raw int8 activations, an int or an int64 array.
        bias: bias per row, which includes ``-zero_point_x * sum(weights)``.
        shift: shift per row, 0 or more.
        zero_point: zero point of the output, an int8.
        low, high: limits of the output, int8.
    """
    half = (1 << shift) >> 1
    result = ((sums + bias + half) >> shift) + zero_point
    return _clip(result, low, high)


def fold_offset(bias: IntOrArray, shift: IntOrArray, zero_point: int) -> IntOrArray:
    """The offset of a row, which holds bias, rounding and zero point: ``bias + half + (zero_point << shift)``."""
    return bias + ((1 << shift) >> 1) + zero_point * (1 << shift)


def requantize_folded(sums: IntOrArray, offset: IntOrArray, shift: IntOrArray, low: int, high: int) -> IntOrArray:
    """`requantize` as the gateware computes it: ``clip((sums + offset) >> shift, low, high)``."""
    return _clip((sums + offset) >> shift, low, high)


def wrap(sums: IntOrArray, bits: int) -> IntOrArray:
    """Reduce sums to two's complement numbers of `bits` bits, as an accumulator of that width does.

    >>> wrap(130, 8), wrap(-129, 8)
    (-126, 127)
    """
    half = 1 << (bits - 1)
    return ((sums + half) & ((1 << bits) - 1)) - half


def _clip(value: IntOrArray, low: int, high: int) -> IntOrArray:
    if isinstance(value, np.ndarray):
        return np.clip(value, low, high)
    return min(max(value, low), high)
