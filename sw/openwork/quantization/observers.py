"""What range of a tensor's values its integers should cover: observers look at calibration data and say."""

from dataclasses import dataclass
from enum import StrEnum

import torch

from openwork.frontend import FloatNetwork
from openwork.progress import Progress
from openwork.quantization.errors import QuantizationError
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN

BINS = 2048
PERCENTILE = 99.99
BATCH = 16
LARGEST = torch.finfo(torch.float32).max / 4
"""Magnitude of an activation; a range of both signs is twice as wide, and float32 still holds that."""
CANDIDATES = 64
"""Fractions of the whole range that the mean square error is computed for."""


class Observer(StrEnum):
    """How the range of an activation is chosen; values outside it are clipped."""

    MIN_MAX = "min-max"
    """All values of the calibration data."""
    PERCENTILE = "percentile"
    """All but the largest and the smallest 0.01 % of them."""
    MEAN_SQUARE_ERROR = "mean-square-error"
    """The part of them with the least mean square of what rounding and clipping change."""


@dataclass(frozen=True)
class Range:
    """Least and largest value that integers should cover."""

    low: float
    high: float

    def __or__(self, other: "Range") -> "Range":
        return Range(min(self.low, other.low), max(self.high, other.high))


def observe(
    network: FloatNetwork, calibration: torch.Tensor, observer: Observer, progress: Progress
) -> dict[str, Range]:
    """The range of each tensor of a network.

    Args:
        network: run on `calibration`, once, or twice if the observer needs a histogram. Ranges that it gives stay.
        calibration: float [inputs, ...], not empty.
        observer: how ranges are chosen.
        progress: shows how far the work is.

    Raises:
        QuantizationError: the values of a tensor overflow, or are NaN.
    """
    whole: dict[str, Range] = {}
    with torch.no_grad():
        for start in progress(range(0, len(calibration), BATCH), "calibration: ranges"):
            for name, values in network.tensors(calibration[start : start + BATCH]):
                found = Range(float(values.min()), float(values.max()))
                _check_finite(name, found)
                whole[name] = whole.get(name, found) | found
        given = {name: Range(limits.low, limits.high) for name, limits in network.given.items()}
        if observer is Observer.MIN_MAX:
            return whole | given
        histograms = {name: torch.zeros(BINS, dtype=torch.float64) for name in whole}
        for start in progress(range(0, len(calibration), BATCH), "calibration: histograms"):
            for name, values in network.tensors(calibration[start : start + BATCH]):
                low, high = whole[name].low, whole[name].high
                histograms[name] += torch.histc(values.float(), BINS, low, high).double()
    choose = percentile_range if observer is Observer.PERCENTILE else least_error_range
    return {name: choose(histogram, whole[name]) for name, histogram in histograms.items()} | given


def _check_finite(name: str, found: Range) -> None:
    """Refuse values that a float32 does not hold: a histogram of them has no bins, and a scale would be infinite."""
    if not (found.low >= -LARGEST and found.high <= LARGEST):
        raise QuantizationError(
            f"layer {name!r}: its values overflow: they go from {found.low:.3g} to {found.high:.3g} for the calibration inputs, "
            f"and +-{LARGEST:.3g} is possible; look at its weights and at those before it, and train again"
        )


def percentile_range(histogram: torch.Tensor, whole: Range, percentile: float = PERCENTILE) -> Range:
    """`whole` without the largest and the smallest ``100 - percentile`` percent of the values, to the width of a bin.

    >>> percentile_range(torch.tensor([1.0, 2.0, 94.0, 2.0, 1.0]), Range(0.0, 5.0), percentile=98.0)
    Range(low=1.0, high=4.0)
    """
    share = histogram.cumsum(0) / histogram.sum()
    edges = torch.linspace(whole.low, whole.high, len(histogram) + 1, dtype=torch.float64)
    tail = 1 - percentile / 100
    first = int((share <= tail).sum())
    last = int((share < 1 - tail).sum())
    return Range(float(edges[first]), float(edges[last + 1]))


def least_error_range(histogram: torch.Tensor, whole: Range) -> Range:
    """The fraction of `whole` for which int8 changes the values least, in the mean square."""
    edges = torch.linspace(whole.low, whole.high, len(histogram) + 1, dtype=torch.float64)
    centres = (edges[1:] + edges[:-1]) / 2
    best, least = whole, float("inf")
    for step in range(CANDIDATES, CANDIDATES // 8, -1):
        low, high = whole.low * step / CANDIDATES, whole.high * step / CANDIDATES
        width = (max(high, 0.0) - min(low, 0.0)) / (ACTIVATION_MAX - ACTIVATION_MIN)
        clipped = centres.clamp(min(low, 0.0), max(high, 0.0))
        error = float((histogram * (centres - clipped) ** 2).sum()) + float(histogram.sum()) * width**2 / 12
        if error < least:
            best, least = Range(low, high), error
    return best
