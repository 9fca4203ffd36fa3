"""LeakyReLU and PReLU: exact in real numbers, near in integers, and cheap."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from openwork.compiler.network import compile_network
from openwork.frontend import FloatAdd, FloatLayer, ImportingError, import_module
from openwork.frontend.limits import Limits
from openwork.golden import run_network, trace_network
from openwork.quantization import quantize
from openwork.simulator.image import run_image
from openwork_hw.arch.config import PRESETS


class Leaky(nn.Module):
    """A layer, a LeakyReLU of some kind, and another layer."""

    def __init__(self, between: nn.Module | None = None) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.first, self.last = nn.Conv2d(2, 6, 3, padding=1), nn.Conv2d(6, 3, 3, stride=2)
        self.between = between or nn.LeakyReLU(0.2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.last(self.between(self.first(inputs)))
        return result


class Written(Leaky):
    """The same as a function, of two maps that are joined."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        maps = self.first(inputs)
        both = functional.leaky_relu(torch.cat([maps, maps * 0.5], dim=1), 0.1)
        result: torch.Tensor = self.last(both[:, :6] + functional.leaky_relu_(both[:, 6:] * 2, 0.3))
        return result


class Absolute(nn.Module):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.abs()


def slopes(*values: float) -> nn.PReLU:
    between = nn.PReLU(len(values))
    between.weight.data = torch.tensor(values)
    return between


KINDS: dict[str, Callable[[], nn.Module]] = {
    "leaky": lambda: Leaky(),
    "inplace": lambda: Leaky(nn.LeakyReLU(0.01, inplace=True)),
    "steep": lambda: Leaky(nn.LeakyReLU(1.75)),
    "rising": lambda: Leaky(nn.LeakyReLU(-0.5)),
    "prelu": lambda: Leaky(nn.PReLU()),
    "prelu of channels": lambda: Leaky(slopes(0.1, 0.2, 0.3, 0.0, 1.0, -0.25)),
    "absolute": lambda: Leaky(Absolute()),
    "function": lambda: Written(),
}


def inputs(count: int) -> torch.Tensor:
    return torch.randn(count, 2, 9, 8, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("kind", KINDS)
def test_real_numbers_are_those_of_pytorch(kind: str) -> None:
    model = KINDS[kind]()
    network = import_module(model, inputs(1))
    with torch.no_grad():
        expected = model(inputs(20))
    assert torch.allclose(network.run(inputs(20)), expected, atol=1e-5)


def test_a_leaky_relu_is_a_clamped_copy_and_a_sum() -> None:
    network = import_module(Leaky(), inputs(1))
    assert [step.output for step in network.steps] == ["first", "between.negative", "between", "last"]
    with_weights = import_module(Leaky(nn.PReLU()), inputs(1))
    assert [step.output for step in with_weights.steps] == [step.output for step in network.steps]
    _, below, total, _ = network.steps
    assert isinstance(below, FloatLayer) and below.groups == 6 and below.limits == Limits(0.0)
    assert below.weights.flatten().tolist() == [-0.8] * 6
    assert isinstance(total, FloatAdd) and total.inputs == ("first", "between.negative") and total.signs == (1, 1)


@pytest.mark.parametrize(
    ("slope", "steps"), [(0.0, ["first", "last"]), (1.0, ["first", "last"])], ids=["a ReLU", "nothing"]
)
def test_what_is_simpler_stays_simple(slope: float, steps: list[str]) -> None:
    network = import_module(Leaky(nn.LeakyReLU(slope)), inputs(1))
    assert [step.output for step in network.steps] == steps
    assert network.layers[0].limits == (Limits(0.0) if slope == 0 else Limits())


def test_slopes_on_both_sides_of_one_are_refused_by_name() -> None:
    with pytest.raises(ImportingError, match=r"prelu \(with slopes above 1 and below it; all on one side"):
        import_module(Leaky(slopes(0.5, 0.5, 0.5, 0.5, 0.5, 2.0)), inputs(1))


@pytest.mark.parametrize("kind", KINDS)
def test_integers_are_near(kind: str) -> None:
    """Better than 28 dB; the two convolutions alone reach 32."""
    model = KINDS[kind]()
    network = quantize(import_module(model, inputs(1)), inputs(40))
    with torch.no_grad():
        expected = model(inputs(20)).numpy()
    found = network.dequantize_outputs(run_network(network, network.quantize_inputs(inputs(20).numpy())))
    noise = ((found - expected) ** 2).mean() / (expected**2).mean()
    assert -10 * np.log10(noise) > 28


@pytest.mark.parametrize("kind", ["leaky", "prelu of channels", "function"])
def test_the_array_computes_what_the_golden_model_does(kind: str) -> None:
    network = quantize(import_module(KINDS[kind](), inputs(1)), inputs(40))
    image = compile_network(network, PRESETS["demo"], watch=True)
    integers = network.quantize_inputs(inputs(2).numpy())
    expected = trace_network(network, integers)
    for number in range(2):
        for name, values in image.tensors(run_image(image, integers[number])).items():
            assert np.array_equal(values, expected[name][number]), name
