"""The quantized network stays within the error that rounding allows, layer by layer."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.openwork.frontend.zoo import MODELS, inputs, trained
from torch import nn
from torch.nn import functional

from openwork.frontend import FloatAdd, FloatJoin, FloatLayer, FloatNetwork, FloatStep, import_module
from openwork.golden import run_network, trace_network
from openwork.network import IntegerNetwork, LayerStep, Shape
from openwork.progress import silent
from openwork.quantization import Observer, QuantizationError, observe, plan, quantize


def imported(name: str) -> FloatNetwork:
    return import_module(trained(name), inputs(name, 1))


def real(network: IntegerNetwork, name: str, integers: np.ndarray) -> torch.Tensor:
    tensor = network.tensor(name)
    return torch.tensor(tensor.scale * (integers.astype(np.float64) - tensor.zero_point))


def as_layer(step: FloatStep, shapes: Mapping[str, Shape]) -> FloatLayer | None:
    """A linear step as one layer over all its inputs."""
    if isinstance(step, FloatAdd):
        return step.as_layer(shapes)
    if not isinstance(step, FloatJoin):
        return step if isinstance(step, FloatLayer) else None
    layer, rows = step.layer, len(step.layer.weights)
    own = torch.zeros(rows, layer.weights.shape[1] * layer.groups, *layer.weights.shape[2:], dtype=torch.float64)
    for row in range(rows):
        first = row // (rows // layer.groups) * layer.weights.shape[1]
        own[row, first : first + layer.weights.shape[1]] = layer.weights[row]
    skip = torch.zeros(rows, rows, *layer.weights.shape[2:], dtype=torch.float64)
    skip[:, :, step.tap[0], step.tap[1]] = step.sign * torch.eye(rows, dtype=torch.float64)
    return replace(layer, inputs=step.inputs, output=step.output, weights=torch.cat([own, skip], dim=1), groups=1,
                   limits=step.limits)  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_each_layer_is_within_its_rounding(name: str) -> None:
    exact = imported(name)
    network = quantize(exact, inputs(name, 40))
    exact = plan(exact, observe(exact, inputs(name, 40), Observer.MIN_MAX, silent), 18).network
    traced = trace_network(network, network.quantize_inputs(inputs(name, 20).numpy()))
    compared = 0
    for step, float_step in zip(network.steps, exact.steps, strict=True):
        if not isinstance(step, LayerStep):
            continue
        layer = step.layer
        float_layer = as_layer(float_step, exact.shapes)
        assert float_layer is not None
        reals = torch.cat([real(network, source, traced[source]) for source in float_step.inputs], dim=1)
        after = network.tensor(step.output)
        limits = [after.scale * (limit - layer.output_zero_point) for limit in layer.activation.limits]
        expected = float_layer.run_real(reals).clamp(*limits).numpy()
        # half a step of: the output, each weight (times what it multiplies), the bias
        before = network.tensor(step.inputs[0]).scale
        smallest = min(network.tensor(source).scale for source in step.inputs)
        unit = torch.tensor(after.scale * 2.0**-layer.shift)[:, None, None]
        reached = functional.conv2d(
            functional.pad(reals.abs(), [float_layer.padding[side] for side in (1, 3, 0, 2)]),
            (float_layer.weights != 0).double(),
            stride=layer.stride,
            dilation=layer.dilation,
            groups=float_layer.groups,
        )
        limit_error = after.scale  # limits are rounded, too
        bound = (limit_error + after.scale + unit / smallest * reached + unit).numpy() / 2
        outputs = real(network, step.output, traced[step.output]).numpy()
        assert (np.abs(outputs - expected) <= bound * (1 + 1e-9)).all(), step.output
        assert bound.mean() < 0.15 * (expected.max() - expected.min()), "a bound that proves nothing"
        assert before >= smallest
        compared += 1
    assert compared >= 4


def test_weights_fill_int8_and_zeros_stay() -> None:
    exact = imported("chain")
    for layer, float_layer in zip(quantize(exact, inputs("chain", 20)).layers, exact.layers, strict=True):
        assert not layer.weights[(float_layer.weights == 0).numpy()].any()
        largest = np.abs(layer.weights.astype(int)).reshape(layer.rows, -1).max(axis=1)
        nonempty = (float_layer.weights != 0).flatten(1).any(dim=1).numpy()
        assert ((largest >= 64) & (largest <= 127))[nonempty].all()


def test_biases_are_the_nearest_integers() -> None:
    exact = imported("chain")
    network = quantize(exact, inputs("chain", 20))
    for layer, float_layer, step in zip(network.layers, exact.layers, network.steps, strict=True):
        unit = network.tensor(step.output).scale * 2.0**-layer.shift
        own = layer.bias + layer.input_zero_point * layer.weights.astype(np.int64).sum(axis=(1, 2, 3))
        assert (np.abs(own - float_layer.bias.numpy() / unit) <= 0.5).all()


def test_limits_become_integers() -> None:
    network = quantize(imported("residual"), inputs("residual", 40))
    layers = {layer.name: layer for layer in network.layers}
    assert layers["first"].activation.limits[0] == layers["first"].output_zero_point == -128
    assert layers["add"].activation.limits[0] == layers["add"].output_zero_point == -128
    assert layers["add"].activation.limits[1] == min(127, round(6 / network.tensor("add").scale) - 128)
    network = quantize(imported("pooled"), inputs("pooled", 40))
    scale, zero_point = network.tensor("layers.6").scale, network.tensor("layers.6").zero_point
    (layer,) = (layer for layer in network.layers if layer.name == "layers.6")
    assert layer.activation.limits == (
        max(-128, round(-0.5 / scale) + zero_point),
        min(127, round(0.25 / scale) + zero_point),
    )


@pytest.mark.parametrize("name", ["residual", "pooled", "unflattened"])
def test_sums_averages_and_copies_round_once(name: str) -> None:
    exact = imported(name)
    network = quantize(exact, inputs(name, 40))
    traced = trace_network(network, network.quantize_inputs(inputs(name, 20, seed=1).numpy()))
    checked = []
    for step, float_step in zip(network.steps, exact.steps, strict=True):
        weights = np.unique(np.abs(step.layer.weights)).tolist() if isinstance(step, LayerStep) else []
        is_copy = isinstance(float_step, FloatLayer) and len([weight for weight in weights if weight]) == 1
        if not (isinstance(step, LayerStep) and isinstance(float_step, FloatLayer | FloatAdd)):
            continue
        if not is_copy and not isinstance(float_step, FloatAdd):
            continue
        reals = torch.cat([real(network, source, traced[source]) for source in step.inputs], dim=1)
        after = network.tensor(step.output)
        expected = float_step.run_real(reals).numpy() / after.scale + after.zero_point
        rounded = step.layer.activation.apply(np.clip(expected, -128, 127))
        assert np.abs(traced[step.output] - rounded).max() <= 0.5 + 1e-6, step.output
        checked.append(step.output)
    assert len(checked) >= 2


def test_empty_rows_give_their_bias() -> None:
    model = nn.Conv2d(1, 3, 1).double()
    model.weight.detach().copy_(torch.tensor([1.0, 0.0, 1e-30])[:, None, None, None])
    model.get_parameter("bias").detach().copy_(torch.tensor([0.0, 0.3, 0.3]))
    batch = torch.linspace(-1, 1, 51, dtype=torch.float64).reshape(51, 1, 1, 1)
    network = quantize(import_module(model, batch), batch)
    assert network.layers[0].shift[1:].tolist() == [0, 0]
    outputs = network.dequantize_outputs(run_network(network, network.quantize_inputs(batch.numpy())))
    assert (np.abs(outputs[:, 1:] - 0.3) <= network.tensors[-1].scale / 2).all()


def test_output_scale_is_raised_for_weights_that_cancel() -> None:
    model = nn.Conv2d(2, 1, 1, bias=False).double()
    model.weight.detach().copy_(torch.tensor([[100.0, -99.9]])[:, :, None, None])
    batch = torch.linspace(-1, 1, 51, dtype=torch.float64).reshape(51, 1, 1, 1).expand(51, 2, 1, 1)
    network = quantize(import_module(model, batch), batch)
    assert network.layers[0].shift.tolist() == [0]
    assert network.layers[0].weights.flatten().tolist() == [127, -127]
    assert network.tensors[1].scale == pytest.approx(network.tensors[0].scale * 100 / 127)


def test_shifts_are_lowered_until_the_sum_fits() -> None:
    torch.manual_seed(0)
    model, batch = nn.Linear(2000, 3).double(), torch.randn(50, 2000, dtype=torch.float64)
    exact = import_module(model, batch)
    wide, narrow = (quantize(exact, batch, sum_bits=bits).layers[0] for bits in (28, 22))
    assert 22 < wide.sum_bits.max() <= 28 and narrow.sum_bits.max() <= 22
    assert (narrow.shift < wide.shift).all() and narrow.shift.max() <= 12


def test_rows_that_never_fit_are_refused() -> None:
    model = nn.Linear(1, 1).double()
    model.weight.detach().fill_(-1000)
    model.get_parameter("bias").detach().fill_(1000)
    batch = torch.linspace(0.99, 1, 50, dtype=torch.float64)[:, None]
    exact = import_module(model, batch)
    assert quantize(exact, batch, sum_bits=20).layers[0].sum_bits.max() <= 20
    with pytest.raises(QuantizationError, match="row 0 overflows an accumulator of 14 bits even without a shift"):
        quantize(exact, batch, sum_bits=14)


@pytest.mark.parametrize(
    ("calibration", "reason"),
    [
        (torch.zeros(0, 2, 8, 8), "not empty"),
        (torch.zeros(2, 8, 8), r"must be \[inputs, 2, 8, 8\] .* not \[2, 8, 8\]"),
        (torch.zeros(1, 2, 8, 9), r"not \[1, 2, 8, 9\]"),
        (torch.zeros(1, 2, 8, 8, dtype=torch.int8), "floating point numbers, not torch.int8"),
        (torch.full((1, 2, 8, 8), float("nan")), "calibration inputs are NaN"),
    ],
)
def test_refuses_calibration(calibration: torch.Tensor, reason: str) -> None:
    with pytest.raises(QuantizationError, match=reason):
        quantize(imported("chain"), calibration)


def test_progress_counts_batches() -> None:
    seen = []

    def progress(steps: range, title: str) -> range:
        seen.append((title, len(steps)))
        return steps

    quantize(imported("chain"), inputs("chain", 33), progress=progress)  # type: ignore[arg-type]
    assert seen == [("calibration: ranges", 3)]


class HalfLimited(nn.Module):
    """A limited map shares its scale with one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.limited = nn.Conv2d(1, 2, 1)
        self.free = nn.Conv2d(1, 2, 1)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return torch.cat([functional.hardtanh(self.limited(batch), -0.1, 0.2), self.free(batch)], dim=1)


def test_limits_hold_inside_a_shared_range() -> None:
    torch.manual_seed(1)
    batch = torch.randn(20, 1, 4, 4)
    network = quantize(import_module(HalfLimited(), batch), batch)
    layer, tensor = network.layers[0], network.tensor("limited")
    assert layer.activation.limits == tuple(round(limit / tensor.scale) + tensor.zero_point for limit in (-0.1, 0.2))
    assert -128 < layer.activation.limits[0] < layer.activation.limits[1] < 127
