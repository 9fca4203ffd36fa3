"""Scales of activations that make sums and copies exact: weights become whole numbers, requantization a shift."""

from math import ceil, floor, frexp, ldexp

WEIGHT_MAX = 127
"""Largest magnitude of a quantized weight; -128 is not used, so that the scales are symmetric."""

LARGEST = WEIGHT_MAX - 1
"""Of the weights that are planned here: one less than there is, so that no shift hangs on the last bit of a quotient."""

TYPICAL = 32.0
"""Integer size of an activation that a wrong factor is weighed with."""

EXACT = 1e-9
"""A weight this near to a whole number is one: what lies between is rounding of floating point numbers."""

COARSER = 1.25
"""So much coarser a scale may be to be exact."""


def scaling_scale(source: float, base: float) -> float:
    """The finest scale of at least `base` for which `source` is a whole number of its 2 ** -shift, up to LARGEST.

    >>> scaling_scale(1.0, 1.0), scaling_scale(1.0, 1.01)       # 64 / 64; 64 / 63
    (1.0, 1.0158730158730158)
    """
    return min(_power_of_two_above(base * weight / source) * source / weight for weight in range(64, LARGEST + 1))


def adding_scale(first: float, second: float, base: float) -> float:
    """The scale of at least `base` for the sum of maps of two scales: the finest for which both weights are whole numbers,
    or, if that is none or much coarser than others, the one that rounding the weights harms least.

    >>> adding_scale(1.0, 0.75, 1.4), 128 / 88        # and 0.75 is 66 / 88
    (1.4545454545454546, 1.4545454545454546)
    """
    large, small = max(first, second), min(first, second)
    finest = exact = best = float("inf")
    least = float("inf")
    for weight in range(64, LARGEST + 1):
        result = _power_of_two_above(base * weight / large) * large / weight
        other = weight * small / large
        wrong = abs(floor(other + 0.5) / other - 1)
        finest = min(finest, result)
        if wrong < EXACT:
            exact = min(exact, result)
        harm = result**2 / 12 + (wrong * TYPICAL * small) ** 2
        if harm < least:
            best, least = result, harm
    return exact if exact <= COARSER * finest else best


def partner_scale(other: float, base: float, result: float) -> float:
    """The scale of at least `base` for one side of a sum, so that both weights are whole numbers and neither it nor the
    result, of at least the scale `result`, is much coarser."""
    best, least = base, float("inf")
    for weight in range(1, LARGEST + 1):
        mine = max(1, ceil(base / other * weight * (1 - 1e-12)))
        if mine > LARGEST or max(mine, weight) < 64:
            continue
        scale = other * mine / weight
        harm = scale**2 + (_power_of_two_above(result * weight / other) * other / weight) ** 2
        if harm < least:
            best, least = scale, harm
    return best


def _power_of_two_above(value: float) -> float:
    """The least power of two of at least `value`, and of at least 1: shifts are not negative.

    >>> [_power_of_two_above(value) for value in (0.3, 4.0, 4.1)]
    [1.0, 4.0, 8.0]
    """
    mantissa, exponent = frexp(value * (1 - 1e-12))
    return ldexp(1.0, max(0, exponent if mantissa > 0.5 else exponent - 1))
