"""Scales of activations and weights."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openwork.quantization import ScaleKind, activation_scale, weight_scales
from openwork.quantization.scales import power_of_two_shifts, round_to_int8


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-6, 1e6), least=st.sampled_from([0.0, 1.0]))
@settings(deadline=None)
def test_activation_scale_covers_the_range_and_zero(low: float, width: float, least: float) -> None:
    scale = activation_scale(low, low + width, least)
    assert -128 <= scale.zero_point <= 127 and scale.scale >= least
    reach = [scale.scale * (limit - scale.zero_point) for limit in (-128, 127)]
    assert reach[0] - 0.51 * scale.scale <= min(low, 0) and max(low + width, 0) <= reach[1] + 0.51 * scale.scale


def test_a_relu_output_starts_at_the_lowest_integer() -> None:
    assert activation_scale(0.0, 25.5).zero_point == -128
    assert activation_scale(3.0, 25.5) == activation_scale(0.0, 25.5)
    assert activation_scale(0.0, 0.0).scale == 1.0


@given(
    largest=st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=5),
    ratio=st.floats(1e-3, 1e3),
    max_shift=st.integers(1, 18),
)
@settings(deadline=None)
def test_shift_is_the_largest_that_fits(largest: list[float], ratio: float, max_shift: int) -> None:
    weights = torch.tensor(largest, dtype=torch.float64)[:, None, None, None]
    for value, shift in zip(largest, power_of_two_shifts(weights, ratio, max_shift).tolist(), strict=True):
        assert 0 <= shift <= max_shift
        assert shift == 0 or 2.0**-shift * ratio >= value / 127 * (1 - 1e-12)
        assert shift == max_shift or 2.0 ** -(shift + 1) * ratio < value / 127 * (1 + 1e-12)


def test_weights_use_most_of_int8() -> None:
    weights = torch.tensor([[1.0, -0.5], [0.003, 0.0], [0.0, 0.0], [-700.0, 1.0]])[:, :, None, None]
    free = round_to_int8(weights, weight_scales(weights, ScaleKind.FREE, 8.0, 18))
    shifted = round_to_int8(weights, weight_scales(weights, ScaleKind.POWER_OF_TWO, 8.0, 18))
    assert free.flatten(1).tolist() == [[127, -64], [127, 0], [0, 0], [-127, 0]]
    # 1.0 = 64 * 8 / 2**9; 0.003 = 98.3 * 8 / 2**18; 700 = 87.5 * 8
    assert shifted.flatten(1).tolist() == [[64, -32], [98, 0], [0, 0], [-88, 0]]
