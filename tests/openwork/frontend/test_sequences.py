"""Sequences: models of one dimension are maps of one row, and compute what PyTorch computes."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import openwork
from openwork.frontend import ImportingError, import_module

Made = Callable[[], nn.Module]


class Residual(nn.Module):
    """A block of a keyword spotter: two convolutions along time, and the input beside them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(4, 6, 9, 2, 4, bias=False), nn.BatchNorm1d(6), nn.ReLU())
        self.second = nn.Sequential(nn.Conv1d(6, 6, 9, padding="same", bias=False), nn.BatchNorm1d(6))
        self.beside = nn.Conv1d(4, 6, 1, 2)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.second(self.first(batch)) + self.beside(batch))


class Means(nn.Module):
    """What else is said along time: constants, padding, channels, averages."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(4, 6, 3, dilation=2, groups=2)
        self.scale = nn.Parameter(torch.tensor([[[1.0], [2.0], [0.5], [1.5]]]), requires_grad=False)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        left, right = self.layer(functional.pad(batch * self.scale, (3, 0))).chunk(2, dim=1)
        return torch.cat([left, right], dim=-2).mean(dim=-1)


MODELS: dict[str, tuple[Made, tuple[int, ...]]] = {
    "residual": (lambda: nn.Sequential(Residual(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(6, 3)), (4, 40)),
    "pools": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 5, 3), nn.MaxPool1d(3, 2, 1), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(45, 3)
        ),
        (4, 40),
    ),
    "means": (Means, (4, 17)),
    "waves": (lambda: nn.Sequential(nn.Unflatten(1, (1, 32)), nn.Conv1d(1, 4, 8, 4), nn.ReLU(), nn.Flatten()), (32,)),
    "rows": (lambda: nn.Sequential(nn.Conv2d(3, 4, (8, 1)), nn.Flatten(2), nn.Conv1d(4, 2, 3)), (3, 8, 8)),
    "a sequence": (lambda: nn.Conv1d(4, 3, 5, 3), (4, 21)),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_of_sequences_compute_what_pytorch_computes(name: str) -> None:
    made, shape = MODELS[name]
    torch.manual_seed(1)
    model = made().eval()
    inputs = torch.randn(40, *shape)
    network = import_module(model, inputs[:1])
    with torch.no_grad():
        expected = model(inputs)
    found = network.run(inputs.double())
    assert torch.allclose(found.reshape(expected.shape).float(), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["residual", "pools", "means"])
def test_their_integers_run_on_the_array(name: str) -> None:
    made, shape = MODELS[name]
    torch.manual_seed(1)
    model = made().eval()
    inputs = torch.randn(100, *shape)
    network = openwork.quantize(model, inputs)
    assert network.input.shape == (shape[0], 1, shape[1])
    image = openwork.compile(network, "demo")
    golden, found = image.run(inputs[:3]), image.run(inputs[:3].numpy(), "model")
    assert (golden == found).all()
    with torch.no_grad():
        real = model(inputs[:3]).numpy().reshape(golden.shape)
    scale = network.tensor(network.outputs[0]).scale
    assert np.abs(network.dequantize_outputs(golden) - real).max() < 12 * scale


def test_what_has_its_features_last_is_refused_by_name() -> None:
    with pytest.raises(ImportingError, match=r"linear \(weights of \[5, 7\] on "):
        import_module(nn.Linear(7, 5), torch.zeros(1, 3, 7))
