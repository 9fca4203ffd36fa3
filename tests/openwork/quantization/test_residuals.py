"""Sums join the layer before them where they can and integers lose nothing by it; the sums they make stay the same."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.openwork.frontend.zoo import inputs, trained
from torch import nn
from torch.nn import functional

from openwork.frontend import FloatAdd, FloatJoin, FloatLayer, FloatNetwork, import_module
from openwork.golden import trace_network
from openwork.network import IntegerNetwork, LayerStep
from openwork.progress import silent
from openwork.quantization import Observer, join_residuals, observe, plan, quantize
from openwork.quantization.residuals import joined_weights
from openwork.quantization.scales import ActivationScale

SUMS = ["add", "sub", "sub_2", "sub_3", "add_2"]
"""Of the model "joined"."""


def joined() -> FloatNetwork:
    return import_module(trained("joined"), inputs("joined", 1))


def test_joined_sums_compute_the_same() -> None:
    network = joined()
    result = join_residuals(network)
    assert [step.output for step in result.steps if isinstance(step, FloatJoin)] == SUMS
    assert not any(isinstance(step, FloatAdd) for step in result.steps)
    assert list(result.shapes) == ["input", *(step.output for step in result.steps)]
    assert set(network.shapes) - set(result.shapes) == {"padded", "grouped", "outer", "right", "last"}
    batch = inputs("joined", 10)
    assert torch.allclose(result.run(batch), network.run(batch), rtol=0, atol=1e-12)
    assert len(result.layers) == len(network.layers)
    assert "6 x 6 x 3 x 3 + first" in str(result)


def test_the_last_of_two_layers_joins_unless_it_must_not() -> None:
    network = joined()
    other = join_residuals(network, {("right", "sub_3")})
    (step,) = (step for step in other.steps if step.output == "sub_3")
    assert isinstance(step, FloatJoin) and step.layer.output == "left" and (step.skip, step.sign) == (("right",), -1)
    batch = inputs("joined", 10)
    assert torch.allclose(other.run(batch), network.run(batch), rtol=0, atol=1e-12)
    neither = join_residuals(network, {("right", "sub_3"), ("left", "sub_3")})
    assert any(isinstance(step, FloatAdd) and step.output == "sub_3" for step in neither.steps)


class Sum(nn.Module):
    """A map and what is made of it, added."""

    def __init__(self, branch: nn.Module, around: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.branch, self.around = branch, around

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.around(self.branch(batch), batch)


@pytest.mark.parametrize(
    ("branch", "around", "joins"),
    [
        (nn.Conv2d(4, 4, 3, padding=1), torch.add, True),
        (nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4), torch.sub, True),
        (nn.Sequential(nn.ZeroPad2d((2, 0, 0, 2)), nn.Conv2d(4, 4, 3)), torch.add, True),
        (nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()), torch.add, False),  # limits before the sum
        (nn.Conv2d(4, 4, 2, padding=1, dilation=2), torch.add, False),  # the pixel lies between taps
        (nn.Conv2d(4, 4, 1), lambda made, batch: made + batch + functional.relu(made), False),  # read twice
        (nn.Conv2d(4, 4, 1), lambda made, batch: torch.cat([made + batch, made], dim=1), False),  # an output, too
        (nn.Conv2d(4, 4, 3, stride=2, padding=1), lambda made, batch: made + functional.max_pool2d(batch, 2), False),
        (nn.Conv2d(4, 4, 3), lambda made, batch: made + functional.avg_pool2d(batch, 3, 1).relu(), False),
        (nn.MaxPool2d(3, 1, 1), torch.add, False),
    ],
)
def test_only_layers_that_read_the_same_pixel_and_nobody_else_reads_join(
    branch: nn.Module, around: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], joins: bool
) -> None:
    batch = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = Sum(branch, around).double()
    network = import_module(model, batch[:1])
    result = join_residuals(network)
    assert any(isinstance(step, FloatJoin) for step in result.steps) == joins
    with torch.no_grad():
        assert torch.allclose(result.run(batch), model(batch), rtol=0, atol=1e-12)


def test_a_stride_over_one_pixel_joins_only_if_it_is_that_pixel() -> None:
    batch = torch.ones(1, 2, 1, 1)
    for sides, joins in (((0, 0, 0, 0), True), ((1, 0, 1, 0), False)):
        branch = nn.Sequential(nn.ZeroPad2d(sides), nn.Conv2d(2, 2, 1, stride=2))
        result = join_residuals(import_module(Sum(branch, torch.add), batch))
        assert any(isinstance(step, FloatJoin) for step in result.steps) == joins


@given(data=st.data(), groups=st.integers(1, 3), kernel=st.sampled_from([(1, 1), (3, 2)]))
def test_joined_weights_hold_both(data: st.DataObject, groups: int, kernel: tuple[int, int]) -> None:
    rows, each = groups * data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    own = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-127, 128, (rows, each, *kernel), np.int8)
    skip = np.array(data.draw(st.lists(st.integers(-1016, 1016), min_size=rows, max_size=rows)))
    tap = (kernel[0] // 2, kernel[1] // 2)
    weights, copies = joined_weights(own, groups, skip, tap)
    assert weights.dtype == np.int8 and weights.shape == (rows, groups * each + copies * rows, *kernel)
    assert copies == max(1, *(-(-abs(int(weight)) // 127) for weight in skip))
    image = np.random.default_rng(0).integers(-99, 100, (groups * each + rows, *kernel))
    repeated = np.concatenate([image, *[image[groups * each :]] * (copies - 1)])
    for row in range(rows):
        first = row // (rows // groups) * each
        expected = int((own[row].astype(int) * image[first : first + each]).sum())
        expected += int(skip[row]) * int(image[groups * each + row, tap[0], tap[1]])
        assert int((weights[row].astype(int) * repeated).sum()) == expected
        assert np.count_nonzero(weights[row, groups * each :]) == -(-abs(int(skip[row])) // 127)


def noise_of_sums(network: IntegerNetwork, exact: FloatNetwork, batch: torch.Tensor) -> list[float]:
    """What integers change in each sum of SUMS, of the inputs of its layer as they are: the mean square, in its own steps."""
    reals = {}
    for name, integers in trace_network(network, network.quantize_inputs(batch.numpy())).items():
        tensor = network.tensor(name)
        reals[name] = torch.tensor(tensor.scale * (integers.astype(np.float64) - tensor.zero_point))
    steps = [step for step in join_residuals(exact).steps if isinstance(step, FloatJoin)]
    expected = [step.run_real(torch.cat([reals[name] for name in step.inputs], dim=1)) for step in steps]
    return [
        float(((reals[step.output] - values) ** 2).mean()) / network.tensor(step.output).scale ** 2
        for step, values in zip(steps, expected, strict=True)
    ]


def test_sums_that_joined_have_less_noise_and_less_work() -> None:
    network = joined()
    together, apart = (quantize(network, inputs("joined", 100), repetitions=count) for count in (8, 0))
    assert [layer.name for layer in apart.layers if layer.name in SUMS] == SUMS
    assert len(together.layers) == len(apart.layers) - len(SUMS)
    batch = inputs("joined", 100, seed=1)
    less, more = noise_of_sums(together, network, batch), noise_of_sums(apart, network, batch)
    assert all(
        one < other for one, other in zip(less[:4], more[:4], strict=True)
    )  # the last has four rows of one pixel
    assert sum(less) < sum(more)


def test_the_skip_has_its_own_scale_exactly_and_the_layer_its_precision() -> None:
    network = quantize(joined(), inputs("joined", 40))
    steps = {step.output: step for step in network.steps if isinstance(step, LayerStep)}
    for name in ("add", "sub", "sub_2"):
        step = steps[name]
        skip, copies = step.inputs[1], len(step.inputs) - 1
        assert step.inputs[1:] == (skip,) * copies and 2 <= copies <= 8
        first = network.tensor(step.inputs[0]).shape[0]
        rows = step.layer.rows
        parts = step.layer.weights[:, first:].reshape(rows, copies, rows, -1)
        weights = parts.astype(int).sum(axis=(1, 3))
        unit = network.tensor(name).scale * 2.0**-step.layer.shift
        expected = np.diag(network.tensor(skip).scale / unit)
        assert np.abs(weights) == pytest.approx(expected, rel=1e-9, abs=0)
        largest = np.abs(step.layer.weights[:, :first].astype(int)).reshape(rows, -1).max(axis=1)
        assert (largest >= 32).all()


def scaled(factor: float, channels: int = 4) -> FloatNetwork:
    """A map and a layer of it times `factor`, added."""
    generator = torch.Generator().manual_seed(1)
    layer = FloatLayer(
        ("input",),
        "layer",
        factor * torch.randn(channels, channels, 1, 1, generator=generator, dtype=torch.float64),
        torch.zeros(channels, dtype=torch.float64),
    )
    shapes = {name: (channels, 2, 2) for name in ("input", "layer", "sum")}
    return FloatNetwork(shapes, (layer, FloatAdd(("layer", "input"), "sum")), ("sum",))


@pytest.mark.parametrize(
    ("factor", "repetitions", "joins"),
    [(0.1, 8, True), (0.1, 0, False), (0.1, 1, False), (1e-3, 8, False), (1e-3, 1 << 10, True), (100.0, 8, True)],
)
def test_a_sum_that_would_lose_accuracy_stays_apart(factor: float, repetitions: int, joins: bool) -> None:
    batch = torch.randn(100, 4, 2, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    network = quantize(scaled(factor), batch, repetitions=repetitions)
    assert len(network.steps) == (1 if joins else 2)
    if joins:
        largest = np.count_nonzero(network.layers[0].weights[:, 4:], axis=(1, 2, 3)).max()
        assert 1 <= largest <= repetitions and len(network.steps[0].inputs) <= 1 + repetitions


def test_rows_without_weights_take_the_skip_once() -> None:
    network = scaled(0.1)
    layer = network.layers[0]
    layer.weights[2] = 0
    batch = torch.randn(100, 4, 2, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    quantized = quantize(network, batch)
    counts = np.count_nonzero(quantized.layers[0].weights[:, 4:], axis=(1, 2, 3)).tolist()
    assert counts[2] == 1 and min(counts[:2]) > 1


def test_a_layer_whose_columns_could_not_be_numbered_stays_apart() -> None:
    for channels, joins in ((2000, True), (3000, False)):  # 4,096 or 8,192 x 9 taps with the skip
        weights = torch.zeros(channels, 1, 3, 3, dtype=torch.float64)
        weights[:, 0, 1, 1] = 0.01
        bias = torch.zeros(channels, dtype=torch.float64)
        layer = FloatLayer(("input",), "layer", weights, bias, padding=(1, 1, 1, 1), groups=channels)
        shapes = {name: (channels, 1, 1) for name in ("input", "layer", "sum")}
        network = FloatNetwork(shapes, (layer, FloatAdd(("layer", "input"), "sum")), ("sum",))
        network = replace(network, steps=(replace(layer, weights=weights * 30), network.steps[1]))
        batch = torch.randn(4, channels, 1, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        result = plan(network, observe(network, batch, Observer.MIN_MAX, silent), 18).network
        assert isinstance(result.steps[0], FloatJoin) == joins


def test_a_plan_has_all_scales_and_shifts() -> None:
    network = joined()
    found = plan(network, observe(network, inputs("joined", 40), Observer.MIN_MAX, silent), 18)
    assert list(found.scales) == list(found.network.shapes) and list(found.shifts) == SUMS
    assert all(isinstance(scale, ActivationScale) for scale in found.scales.values())
    assert all(
        shift.dtype == np.int64 and (shift >= 0).all() and (shift <= 18).all() for shift in found.shifts.values()
    )
