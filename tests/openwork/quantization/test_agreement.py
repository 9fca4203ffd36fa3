"""Tensors that must share a scale do, and the scales chosen for sums and averages make them exact."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.openwork.frontend.zoo import inputs, trained
from torch import nn

from openwork.frontend import import_module
from openwork.quantization import QuantizationError, quantize
from openwork.quantization.agreement import agree, sharing_groups
from openwork.quantization.observers import Range
from openwork.scales import adding_scale, partner_scale, scaling_scale

sizes = st.floats(1e-6, 1e6)
ratios = st.floats(0.125, 8)


def whole(value: float) -> float:
    """How far a value is from a whole number, relative to it."""
    return abs(value - round(value)) / value


def test_concatenated_and_picked_tensors_share() -> None:
    groups = sharing_groups(import_module(trained("residual"), inputs("residual", 1)))
    assert groups["left"] == groups["right"]
    assert len(set(groups.values())) == len(groups) - 1
    pooled = import_module(trained("pooled"), inputs("pooled", 1))
    groups = sharing_groups(pooled)
    for step in pooled.steps:
        same = type(step).__name__ in ("MaxPool", "Upsample")
        assert (groups[step.inputs[0]] == groups[step.output]) == same


class SumOfTwoConcatenations(nn.Module):
    """Both sides of a sum have two parts."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Conv2d(1, 1, 1) for _ in range(4))

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        a, b, c, d = (part(batch) for part in self.parts)
        return torch.cat([a, b], dim=1) - torch.cat([c, d], dim=1)


def test_both_sides_of_a_sum_may_be_concatenations() -> None:
    network = import_module(SumOfTwoConcatenations(), torch.zeros(1, 1, 2, 2))
    groups = sharing_groups(network)
    numbers = [groups[f"parts.{index}"] for index in range(4)]
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3]


@given(source=sizes, ratio=st.floats(0.001, 100))
def test_scaling_is_exact_and_hardly_coarser(source: float, ratio: float) -> None:
    base = source * ratio
    scale = scaling_scale(source, base)
    weight = source / scale
    assert scale >= base * (1 - 1e-9)
    assert any(whole(weight * 2**shift) < 1e-9 and 63 < weight * 2**shift < 127 for shift in range(30))
    assert scale <= max(base * 64 / 63, source / 63) * (1 + 1e-9)


@given(other=sizes, ratio=ratios, result_ratio=st.floats(0.5, 4))
def test_partners_make_sums_exact(other: float, ratio: float, result_ratio: float) -> None:
    base, result_base = other * ratio, other * max(ratio, 1) * result_ratio
    mine = partner_scale(other, base, result_base)
    assert base * (1 - 1e-9) <= mine <= base * 1.3 + other / 32
    result = adding_scale(other, mine, result_base)
    assert result >= result_base * (1 - 1e-9)
    assert any(
        whole(other / result * 2**shift) < 1e-9 and whole(mine / result * 2**shift) < 1e-9 for shift in range(30)
    )
    assert result <= result_base * 1.3


def test_scales_cover_the_ranges() -> None:
    network = import_module(trained("residual"), inputs("residual", 1))
    ranges = {name: Range(-1.0 - index, 2.0 + index) for index, name in enumerate(network.shapes)}
    for name, scale in agree(network, ranges).items():
        assert scale.scale >= (ranges[name].high - ranges[name].low) / 255
        assert abs(scale.scale * (-128 - scale.zero_point) - ranges[name].low) <= 0.35 * -ranges[name].low


class Recurrent(nn.Module):
    """The output of a layer is concatenated with its input, so both share a scale."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 1, 1)
        self.second = nn.Conv2d(1, 1, 1)
        self.second.weight.data.fill_(weight)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        first = self.first(batch)
        return torch.cat([first, self.second(first)], dim=1)


def test_a_scale_that_would_grow_without_end_is_refused() -> None:
    batch = torch.randn(4, 1, 2, 2)
    shared = quantize(import_module(Recurrent(100.0), batch), batch)
    assert len({tensor.scale for tensor in shared.tensors[1:]}) == 1
    with pytest.raises(QuantizationError, match="'first', 'second' share one scale, and weights above 127"):
        quantize(import_module(Recurrent(200.0), batch), batch)


class LateShortcut(nn.Module):
    """The shortcut is made after the layers that it is added to."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 1)
        self.main = nn.Conv2d(4, 8, 3, stride=2, padding=1)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        start = self.first(batch)
        main = self.main(start)
        return main + nn.functional.pad(start[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))


def test_a_shortcut_that_is_copied_later_is_foreseen() -> None:
    torch.manual_seed(0)
    batch = torch.randn(20, 2, 9, 9)
    network = quantize(import_module(LateShortcut(), batch), batch)
    total = network.layers[-1]
    assert [layer.name for layer in network.layers] == ["first", "main", "slice", "add"]
    unit = network.tensor("add").scale * 2.0 ** -total.shift[2]
    for source, channel in (("main", 2), ("slice", 8 + 2)):
        assert network.tensor(source).scale == pytest.approx(unit * total.weights[2, channel, 0, 0], rel=1e-12)
