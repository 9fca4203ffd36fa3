"""Observers choose the ranges that they say."""

import numpy as np
import pytest
import torch

from openwork.frontend import import_module
from openwork.progress import silent
from openwork.quantization import Observer, observe
from openwork.quantization.observers import Range, least_error_range


def ranges(values: torch.Tensor, observer: Observer) -> Range:
    """Of the input of a network that sees `values`, one an image."""
    network = import_module(torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 1, 1, 1))
    return observe(network, values.reshape(-1, 1, 1, 1).float(), observer, silent)["input"]


def test_min_max_is_the_whole_range_over_all_batches() -> None:
    assert ranges(torch.tensor([0.5] * 20 + [-3.0] + [0.0] * 20 + [7.0]), Observer.MIN_MAX) == Range(-3.0, 7.0)


def test_percentile_leaves_out_one_value_in_ten_thousand_at_either_end() -> None:
    values = torch.linspace(-1, 1, 40_000)
    values[0], values[-1] = -100.0, 50.0
    found = ranges(values, Observer.PERCENTILE)
    width = 150 / 2048
    assert -1 - width <= found.low <= -1 + width and 1 - width <= found.high <= 1 + width


@pytest.mark.parametrize("outlier", [1.5, 400.0])
def test_least_error_is_least(outlier: float) -> None:
    values = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
    values[0], values[1] = outlier * 4, -outlier * 4

    def error(low: float, high: float) -> float:
        step = (high - low) / 255
        rounded = torch.clamp(torch.round((values - low) / step), 0, 255) * step + low
        return float(((rounded - values).double() ** 2).mean())

    found = ranges(values, Observer.MEAN_SQUARE_ERROR)
    whole = Range(float(values.min()), float(values.max()))
    candidates = [error(whole.low * part, whole.high * part) for part in np.linspace(0.15, 1, 50)]
    assert error(found.low, found.high) <= 1.1 * min(candidates)


def test_a_constant_tensor_has_a_range() -> None:
    for observer in Observer:
        found = ranges(torch.zeros(4), observer)
        assert found.low <= 0 <= found.high
    histogram = torch.zeros(8)
    histogram[0] = 4
    assert least_error_range(histogram, Range(0.0, 0.0)) == Range(0.0, 0.0)
