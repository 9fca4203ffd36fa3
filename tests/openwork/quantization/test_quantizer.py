"""The quantized model stays within the error that rounding allows, layer by layer."""

import numpy as np
import pytest
import torch
from torch import nn

from openwork.golden import run_layer, run_model
from openwork.quantization import QuantizationError, fold, quantize


def a_model() -> nn.Sequential:
    """Every kind of layer, in float64, with half its weights 0."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
        nn.Conv2d(8, 6, 2, padding=2, dilation=2, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 6 * 6, 10),
    ).double()
    for module in model:
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.detach().mul_(torch.rand(module.weight.shape) < 0.5)
    return model


def test_each_layer_is_within_its_rounding() -> None:
    model = a_model()
    inputs = torch.randn(20, 2, 8, 8, dtype=torch.float64)
    quantized = quantize(model, inputs)
    integers = quantized.quantize_inputs(inputs.numpy())
    for index, (layer, exact) in enumerate(zip(quantized.layers, fold(model, (2, 8, 8)), strict=True)):
        before, after = quantized.scales[index : index + 2]
        real_inputs = torch.tensor(before * (integers.astype(np.float64) - layer.input_zero_point))
        integers = run_layer(layer, integers)
        limits = [after * (limit - layer.output_zero_point) for limit in (layer.low, layer.high)]
        expected = exact.run(real_inputs).clamp(*limits).numpy()
        # half a step of: the output, each weight (times what it multiplies), the bias
        weight_scale = torch.tensor(after / before * 2.0**-layer.shift)[:, None, None]
        kernel = torch.ones_like(exact.weights)
        reached = torch.nn.functional.conv2d(
            torch.nn.functional.pad(real_inputs.abs(), [exact.padding[side] for side in (1, 3, 0, 2)]),
            kernel,
            stride=exact.stride,
            dilation=exact.dilation,
            groups=exact.groups,
        )
        bound = (after + weight_scale * (reached + before)).numpy() / 2
        outputs = after * (integers.astype(np.float64) - layer.output_zero_point)
        assert (np.abs(outputs - expected) <= bound * (1 + 1e-9)).all(), layer.name
        assert bound.mean() < 0.1 * (expected.max() - expected.min()), "a bound that proves nothing"


def test_the_whole_model_is_near() -> None:
    model = a_model()
    inputs = torch.randn(200, 2, 8, 8, dtype=torch.float64)
    quantized = quantize(model, inputs[:100])
    outputs = quantized.dequantize_outputs(run_model(quantized, quantized.quantize_inputs(inputs.numpy())))
    expected = model.eval()(inputs).detach().numpy()
    error = np.abs(outputs.reshape(expected.shape) - expected)
    assert error.mean() < 0.02 * (expected.max() - expected.min())


def test_weights_fill_int8_and_zeros_stay() -> None:
    model = a_model()
    for layer, exact in zip(quantize(model, torch.randn(20, 2, 8, 8)).layers, fold(model, (2, 8, 8)), strict=True):
        assert not layer.weights[(exact.weights == 0).numpy()].any()
        largest = np.abs(layer.weights.astype(int)).reshape(layer.rows, -1).max(axis=1)
        nonempty = (exact.weights != 0).flatten(1).any(dim=1).numpy()
        assert ((largest >= 64) & (largest <= 127))[nonempty].all()


def test_relu_is_the_low_limit() -> None:
    layers = quantize(a_model(), torch.randn(20, 2, 8, 8)).layers
    assert [layer.low == layer.output_zero_point for layer in layers] == [True, False, True, False]
    assert [layer.low for layer in layers] == [-128] * 4


def test_empty_rows_give_their_bias() -> None:
    model = nn.Conv2d(1, 2, 1).double()
    model.weight.detach().copy_(torch.tensor([1.0, 0.0])[:, None, None, None])
    model.get_parameter("bias").detach().copy_(torch.tensor([0.0, 0.3]))
    inputs = torch.linspace(-1, 1, 51, dtype=torch.float64).reshape(51, 1, 1, 1)
    quantized = quantize(model, inputs)
    assert quantized.layers[0].shift[1] == 0
    outputs = quantized.dequantize_outputs(run_model(quantized, quantized.quantize_inputs(inputs.numpy())))
    assert (np.abs(outputs[:, 1] - 0.3) <= quantized.scales[-1] / 2).all()


def test_output_scale_is_raised_for_weights_that_cancel() -> None:
    model = nn.Conv2d(2, 1, 1, bias=False).double()
    model.weight.detach().copy_(torch.tensor([[100.0, -100.0]])[:, :, None, None])
    inputs = torch.linspace(-1, 1, 51, dtype=torch.float64).reshape(51, 1, 1, 1).expand(51, 2, 1, 1)
    quantized = quantize(model, inputs)
    assert quantized.layers[0].shift.tolist() == [0]
    assert quantized.layers[0].weights.flatten().tolist() == [127, -127]
    assert quantized.scales[1] == pytest.approx(quantized.scales[0] * 100 / 127)
    assert not (
        run_model(quantized, quantized.quantize_inputs(inputs.numpy())) - quantized.layers[0].output_zero_point
    ).any()


def test_shifts_are_lowered_until_the_sum_fits() -> None:
    model = nn.Linear(2000, 3).double()
    inputs = torch.randn(50, 2000, dtype=torch.float64)
    wide, narrow = (quantize(model, inputs, sum_bits).layers[0] for sum_bits in (28, 22))
    assert 22 < wide.sum_bits.max() <= 28 and narrow.sum_bits.max() <= 22
    assert (narrow.shift < wide.shift).all() and narrow.shift.max() <= 12


def test_rows_that_never_fit_are_refused() -> None:
    model = nn.Linear(1, 1).double()
    model.weight.detach().fill_(-1000)
    model.get_parameter("bias").detach().fill_(1000)
    inputs = torch.linspace(0.99, 1, 50, dtype=torch.float64)[:, None]
    assert quantize(model, inputs, 20).layers[0].sum_bits.max() <= 20
    with pytest.raises(QuantizationError, match="row 0 overflows an accumulator of 14 bits even without a shift"):
        quantize(model, inputs, 14)


@pytest.mark.parametrize(
    ("calibration", "reason"),
    [
        (torch.zeros(0, 1, 4, 4), "not empty"),
        (torch.zeros(1, 4, 4), "not empty"),
        (torch.full((1, 1, 4, 4), float("nan")), "calibration inputs are NaN"),
    ],
)
def test_refuses_calibration(calibration: torch.Tensor, reason: str) -> None:
    with pytest.raises(QuantizationError, match=reason):
        quantize(nn.Sequential(nn.Conv2d(1, 1, 1)), calibration)
