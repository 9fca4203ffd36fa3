"""Folding gives the same function, and says what it cannot fold."""

from typing import Any

import pytest
import torch
from torch import nn

from openwork.quantization import QuantizationError, fold


def trained(model: nn.Sequential) -> nn.Sequential:
    """The model with batch norm statistics unlike those it starts with."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                if tensor is not None:
                    tensor.detach().copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return model


MODELS = {
    "everything": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout2d(),
        nn.Sequential(nn.Conv2d(4, 8, (3, 5), stride=2, padding=(1, 4), dilation=2, groups=4), nn.BatchNorm2d(8)),
        nn.Identity(),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(8 * 4 * 4, 6),
        nn.ReLU(),
        nn.Linear(6, 2, bias=False),
    ),
    "same padding, no affine": lambda: nn.Sequential(
        nn.Conv2d(3, 4, (5, 3), padding="same"), nn.BatchNorm2d(4, affine=False), nn.Conv2d(4, 2, 3, padding="valid")
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_layers_compute_what_the_model_does(name: str) -> None:
    torch.manual_seed(0)
    model = trained(MODELS[name]())
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    inputs = torch.randn(5, 3, 9, 7)
    outputs = inputs.double()
    for layer in fold(model, (3, 9, 7)):
        assert outputs.shape[1:] == layer.input_shape
        outputs = layer.run(outputs)
    assert model.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    expected = model.double().eval()(inputs.double())
    assert torch.allclose(outputs.reshape(expected.shape), expected, rtol=1e-12, atol=1e-12)


def test_features_are_a_map_of_one_pixel() -> None:
    (layer,) = fold(nn.Linear(5, 2), (5,))
    assert layer.input_shape == (5, 1, 1) and layer.weights.shape == (2, 5, 1, 1)


def test_pruned_weights_stay_zero() -> None:
    model = trained(nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)))
    with torch.no_grad():
        model.get_parameter("0.weight")[1] = 0
    assert not fold(model, (2, 4, 4))[0].weights[1].any()


def test_all_unsupported_modules_are_listed() -> None:
    empty = nn.Linear(3, 1)
    empty.weight = nn.Parameter(torch.zeros(0, 3))
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(2, 2, 1, stride=(1, 2)), nn.Softmax(1)),
        nn.BatchNorm2d(2, track_running_stats=False),
        nn.Flatten(2),
        empty,
    )
    with pytest.raises(QuantizationError) as caught:
        fold(model, (1, 8, 8))
    for part in (
        "'0': Conv2d with padding_mode",
        "'1': MaxPool2d",
        "'3.0': Conv2d with stride (1, 2)",
        "'3.1': Softmax",
        "'4': BatchNorm2d without",
        "'5': Flatten from 2",
        "'6': Linear with empty weights [0, 3]",
    ):
        assert part in str(caught.value)
    assert "'2'" not in str(caught.value)


def spoiled(value: float) -> nn.Module:
    """A convolution with one weight that is no number."""
    model = nn.Conv2d(1, 1, 1)
    model.weight.detach().fill_(value)
    return nn.Sequential(model)


@pytest.mark.parametrize(
    ("model", "input_shape", "reason"),
    [
        (nn.Sequential(nn.ReLU(), nn.Conv2d(1, 1, 1)), (1, 4, 4), "module '0': a ReLU needs"),
        (nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.BatchNorm2d(1)), (1, 4, 4), "'2': a BatchNorm2d needs"),
        (nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(2)), (1, 4, 4), "module '1': a BatchNorm2d needs"),
        (nn.Sequential(nn.Conv2d(1, 1, 1), nn.Linear(4, 1)), (1, 4, 4), "module '1': .* needs a Flatten"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(15, 1)),
            (1, 4, 4),
            "'1': a Linear of 15 features gets 1 x 4 x 4",
        ),
        (nn.Sequential(nn.Flatten(), nn.Conv2d(1, 1, 1)), (1, 4, 4), "module '1': .* flattened"),
        (nn.Sequential(nn.Conv2d(2, 1, 1)), (1, 4, 4), "module '0': a Conv2d of 2 channels gets 1 x 4 x 4"),
        (nn.Sequential(nn.Conv2d(1, 1, 5)), (1, 4, 4), "module '0' does not fit an input"),
        (nn.Sequential(nn.Flatten()), (1, 4, 4), "nothing to quantize"),
        (nn.Sequential(nn.Conv2d(1, 1, 1)), (4, 4), "an input is channels, height, width or features"),
        (spoiled(float("nan")), (1, 4, 4), "module '0': weights or bias are NaN"),
        (spoiled(float("inf")), (1, 4, 4), "module '0': weights or bias are NaN"),
    ],
)
def test_refuses_by_name(model: nn.Module, input_shape: Any, reason: str) -> None:
    with pytest.raises(QuantizationError, match=reason):
        fold(model, input_shape)
