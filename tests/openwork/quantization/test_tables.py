"""Functions of one value become activation tables that follow the float model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from openwork.activation import Table
from openwork.compiler.network import compile_network
from openwork.files import decode_network, encode_network
from openwork.frontend import FloatFunction, ImportingError, import_module
from openwork.golden import run_network, trace_network
from openwork.models.digits import load as digits
from openwork.network import IntegerNetwork, LayerStep
from openwork.quantization import quantize
from openwork.quantization.trainable import TrainableNetwork
from openwork.simulator.image import run_image
from openwork_hw.arch.config import PRESETS

MODULES = {
    "silu": nn.SiLU(),
    "hardswish": nn.Hardswish(inplace=True),
    "sigmoid": nn.Sigmoid(),
    "tanh": nn.Tanh(),
    "gelu": nn.GELU(),
    "gelu of tanh": nn.GELU(approximate="tanh"),
    "elu": nn.ELU(0.7),
    "celu": nn.CELU(0.5),
    "selu": nn.SELU(inplace=True),
    "mish": nn.Mish(),
    "softplus": nn.Softplus(2.0, 5.0),
    "softshrink": nn.Softshrink(),
}


def batch_of(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 9, 8, generator=torch.Generator().manual_seed(count))


class Classifier(nn.Module):
    """A function behind a normalized layer, behind a depthwise one, and behind a vector."""

    def __init__(self, function: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.stem, self.norm, self.function = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), function
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.hidden, self.scores = nn.Linear(8, 16), nn.Linear(16, 5)
        with torch.no_grad():
            self.stem.weight *= 4
            self.depthwise.weight *= 4

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps = self.function(self.norm(self.stem(batch)))
        maps = self.function(self.depthwise(maps))
        return self.scores(self.function(self.hidden(maps.mean((2, 3)))))


def decibels(model: nn.Module, network: IntegerNetwork, values: torch.Tensor) -> float:
    """Signal to noise of the integers' outputs."""
    with torch.no_grad():
        expected = model(values).numpy()
    integers = run_network(network, network.quantize_inputs(values.numpy()))
    found = network.dequantize_outputs(integers).reshape(expected.shape)
    return float(10 * np.log10((expected**2).mean() / ((found - expected) ** 2).mean()))


@pytest.mark.parametrize("name", MODULES)
def test_every_function_is_a_table_of_the_layer_before(name: str) -> None:
    model = Classifier(MODULES[name]).eval()
    network = quantize(import_module(model, batch_of(1)), batch_of(40))
    tabled = [isinstance(layer.activation, Table) for layer in network.layers]
    assert tabled == [True, True, False, True, False]  # stem, depthwise, mean, hidden, scores: no layer is added
    assert decibels(model, network, batch_of(30)) > 24
    again = decode_network(encode_network(network))
    assert encode_network(again) == encode_network(network)
    image = compile_network(network, PRESETS["demo-tables"])
    inputs = network.quantize_inputs(batch_of(1).numpy())
    assert np.array_equal(image.outputs(run_image(image, inputs[0])), run_network(network, inputs)[0])


class Expression(nn.Module):
    """A function that is written out."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return self.function(values)


EXPRESSIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "swish": lambda x: x * x.sigmoid(),
    "swish with a factor": lambda x: torch.sigmoid(1.702 * x) * x,
    "hard swish": lambda x: x * functional.relu6(x + 3) / 6,
    "hard swish by hardsigmoid": lambda x: functional.hardsigmoid(x) * x,
    "mish": lambda x: x * functional.softplus(x).tanh(),
    "quotient": lambda x: x / (1 + (-x).exp()),
    "square": lambda x: x * x,
    "gelu by tanh": lambda x: 0.5 * x * (1 + torch.tanh(0.79788 * (x + 0.044715 * x * x * x))),
    "of a limited map": lambda x: x.clamp(-2, 2) * x.clamp(-2, 2).sigmoid(),
    "function of a function": lambda x: functional.gelu(x).tanh(),
    "softsign": functional.softsign,
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_an_expression_of_one_tensor_is_a_function_like_any_other(name: str) -> None:
    model = Classifier(Expression(EXPRESSIONS[name])).eval()
    network = quantize(import_module(model, batch_of(1)), batch_of(40))
    assert [isinstance(layer.activation, Table) for layer in network.layers] == [True, True, False, True, False]
    assert decibels(model, network, batch_of(30)) > 24


def test_a_product_of_two_tensors_is_still_refused() -> None:
    model = ReadTwice()
    model.forward = lambda batch: model.left(model.first(batch).sigmoid() * model.right(model.first(batch)))  # type: ignore[method-assign]  # for this test
    with pytest.raises(ImportingError, match=r"mul .*of two tensors that depend on the input"):
        import_module(model.eval(), batch_of(1))


class ReadTwice(nn.Module):
    """A layer whose sums a function reads, and another layer, too."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(6)
        self.first, self.left, self.right = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps = self.first(batch)
        return self.left(functional.silu(maps)) + self.right(maps)


def test_what_others_read_too_is_copied_through_the_table() -> None:
    model = ReadTwice().eval()
    network = quantize(import_module(model, batch_of(1)), batch_of(40))
    copies = [step for step in network.steps if step.output == "silu"]
    assert [isinstance(step, LayerStep) and step.inputs == ("first",) for step in copies] == [True]
    assert decibels(model, network, batch_of(30)) > 30
    traced = trace_network(network, network.quantize_inputs(batch_of(2).numpy()))
    table = network.layers[1].activation
    assert np.array_equal(traced["silu"], table.apply(traced["first"]))


class Added(nn.Module):
    """A sum, then a function, as a residual block has it; and a function of two tensors side by side."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.first, self.second = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.last = nn.Conv2d(12, 4, 1)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        maps = functional.silu(self.first(batch))
        maps = functional.silu(self.second(maps) + maps)
        return self.last(torch.tanh(torch.cat([self.second(maps), self.first(batch)], 1)))


def test_a_sum_and_a_concatenation_go_through_tables() -> None:
    model = Added().eval()
    network = quantize(import_module(model, batch_of(1)), batch_of(40))
    assert len(network.steps) == 5  # every function has joined a layer, and the sum, too
    assert decibels(model, network, batch_of(30)) > 30


def test_a_table_is_fine_where_the_function_is_steep() -> None:
    """Values far beyond where a sigmoid is flat cost nothing."""
    layer = nn.Conv2d(1, 1, 1)
    with torch.no_grad():
        for parameter, value in zip(layer.parameters(), (1.0, 0.0), strict=True):
            parameter.fill_(value)
    last = nn.Conv2d(1, 1, 1)
    model = nn.Sequential(layer, nn.Sigmoid(), last).eval()
    values = torch.cat([torch.linspace(-6, 6, 500), torch.tensor([-200.0, 200.0])]).reshape(-1, 1, 1, 1)
    network = import_module(model, values[:1], host=False)
    assert any(isinstance(step, FloatFunction) for step in network.steps)
    found = quantize(network, values)
    table = found.layers[0].activation.table
    assert (
        table is not None and len(set(table)) > 128
    )  # of the whole range, a dozen would be where the sigmoid is steep


def test_training_in_integers_is_the_golden_model_and_has_gradients() -> None:
    model = TrainableNetwork(import_module(Classifier(nn.SiLU()).eval(), batch_of(1)))
    values = batch_of(20)
    with torch.no_grad():
        real = model(values)
    model.make_integer(values)
    outputs = model(values)
    network = model.integers()
    expected = network.dequantize_outputs(run_network(network, network.quantize_inputs(values.numpy())))
    assert np.allclose(outputs.detach().numpy(), expected.reshape(outputs.shape), atol=0, rtol=1e-6)
    assert float((outputs - real).abs().max()) < 0.1 * float(real.abs().max())
    loss: Any = outputs.square().sum()
    loss.backward()
    gradients = [model.get_parameter(f"{name}.weight").grad for name in model.learned]
    assert all(one is not None and float(one.abs().max()) > 0 for one in gradients)


def test_digits_with_silu_follow_the_float_model() -> None:
    """Trained here: the integers decide as the float model does."""
    torch.manual_seed(1)
    data = digits()
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.Hardswish(),
        nn.Flatten(), nn.Linear(256, 32), nn.GELU(), nn.Linear(32, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(6):
        for start in range(0, len(data.train_images), 64):
            scores = model(data.train_images[start : start + 64])
            loss = functional.cross_entropy(scores, data.train_labels[start : start + 64])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
            optimizer.step()
    model.eval()
    network = quantize(import_module(model, data.train_images[:1]), data.train_images[:200])
    with torch.no_grad():
        real = model(data.test_images).numpy()
    integers = run_network(network, network.quantize_inputs(data.test_images.numpy())).reshape(real.shape)
    scores = network.dequantize_outputs(integers)
    labels = data.test_labels.numpy()
    accuracy = (real.argmax(1) == labels).mean(), (scores.argmax(1) == labels).mean()
    assert accuracy[0] > 0.93 and accuracy[1] >= accuracy[0] - 0.01
    assert np.corrcoef(real.ravel(), scores.ravel())[0, 1] > 0.999
