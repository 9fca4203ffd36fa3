"""An imported network computes what the model does, and one error says all that cannot be imported."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.openwork.frontend.zoo import MODELS, inputs, trained
from tests.slow import slow_but
from torch import nn
from torch.nn import functional

from openwork.frontend import FloatAdd, FloatLayer, ImportingError, import_module, import_program
from openwork.frontend.limits import Limits
from openwork.network import MAX_TAPS, MaxPool, Reshape, Upsample


def difference(model: nn.Module, batch: torch.Tensor, outputs: torch.Tensor) -> float:
    """Between a model and what its network makes, softmax at the end added."""
    with torch.no_grad():
        expected = model.eval()(batch)
    outputs = outputs.reshape(expected.shape)
    if "Residual" in type(model).__name__:
        outputs = functional.log_softmax(outputs, dim=1)
    return float((outputs - expected).abs().max())


@pytest.mark.parametrize("name", MODELS)
def test_the_network_computes_what_the_model_does(name: str) -> None:
    model, batch = trained(name), inputs(name, 5)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    network = import_module(model, batch[:1])
    assert model.training
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())
    for tensor_name, values in network.tensors(batch):
        assert tuple(values.shape[1:]) == network.shapes[tensor_name], tensor_name
    assert difference(model, batch, network.run(batch)) < 1e-12


@pytest.mark.parametrize("name", slow_but(MODELS, "residual", "joined"))
def test_decomposed_programs_and_open_batches_are_taken_too(name: str) -> None:
    model, batch = trained(name).eval(), inputs(name, 5)
    dynamic = torch.export.export(model, (batch,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    for program in (dynamic, dynamic.run_decompositions()):
        assert difference(model, batch[:3], import_program(program).run(batch[:3])) < 1e-12


def test_batch_norm_limits_padding_and_flatten_are_folded() -> None:
    chain, residual, pooled = (
        import_module(trained(name), inputs(name, 1)) for name in ("chain", "residual", "pooled")
    )
    assert [layer.output for layer in chain.layers] == ["0", "4", "5.0", "8"]
    assert [layer.limits for layer in chain.layers[:2]] == [Limits(0.0), Limits()]
    assert chain.layers[-1].weights.shape == (10, 6, 6, 4)
    assert [type(step).__name__ for step in residual.steps] == [
        *["FloatLayer"] * 3, "FloatAdd", *["FloatLayer"] * 2, "FloatAdd", *["FloatLayer"] * 2
    ]  # fmt: skip
    assert residual.notes == ("the host computes what follows: log_softmax",)
    assert pooled.layers[1].padding == (1, 0, 0, 1)
    assert [step.padding for step in pooled.steps if isinstance(step, MaxPool)] == [(1, 1, 2, 2), (0, 1, 1, 0)]


@pytest.mark.parametrize(
    "layers",
    [
        [nn.ZeroPad2d(1), nn.MaxPool2d(2)],  # a zero may be the largest
        [nn.ReLU(), nn.MaxPool2d(2), nn.ZeroPad2d((1, 0, 0, 1)), nn.MaxPool2d(2)],
        [nn.ZeroPad2d((1, 0, 0, 0)), nn.ZeroPad2d((0, 2, 1, 0)), nn.Conv2d(3, 2, 2)],
        [nn.Conv2d(3, 2, (2, 4), padding="same")],
        [nn.Conv2d(3, 2, (1, 4), padding="same", dilation=3)],
        [nn.ZeroPad2d((0, 1, 0, 1)), nn.ReLU(), nn.AvgPool2d(2, 1, padding=1)],
    ],
)
def test_padding_computes_what_the_model_does(layers: list[nn.Module]) -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 1), *layers).double()
    batch = inputs("chain", 4)
    network = import_module(model, batch)
    assert torch.allclose(network.run(batch), model(batch), rtol=1e-12, atol=1e-12)


def test_pruned_weights_stay_zero() -> None:
    layers = import_module(trained("chain"), inputs("chain", 1)).layers
    originals = [module.weight for module in trained("chain").modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for layer, original in zip(layers, originals, strict=True):
        assert torch.equal(layer.weights.flatten() == 0, original.flatten() == 0)


class Crowd(nn.Module):
    """Values that several nodes read, so that nothing may be fused into them."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        first = self.convolution(batch)
        limited = functional.relu(self.norm(first))
        return functional.relu6(torch.cat([limited, first, first], dim=1))


def test_what_others_read_is_left_as_it_is() -> None:
    model = Crowd().double().eval()
    batch = inputs("chain", 3)
    network = import_module(model, batch)
    assert torch.allclose(network.run(batch), model(batch), rtol=1e-12, atol=1e-12)
    assert [step.output for step in network.steps] == ["convolution", "norm", "cat", "relu6"]


def test_large_means_are_cut_in_two() -> None:
    model = nn.AdaptiveAvgPool2d(1)
    batch = torch.randn(2, 3, 13, 11, dtype=torch.float64)
    network = import_module(model, batch)
    assert [layer.weights.shape[2:] for layer in network.layers] == [(13, 11)]  # the whole map at once
    assert torch.allclose(network.run(batch), model(batch), rtol=1e-12, atol=1e-12)
    model_with_stride = nn.AvgPool2d((12, 10), stride=3, padding=(2, 1))
    network = import_module(model_with_stride, batch)
    assert torch.allclose(network.run(batch), model_with_stride(batch), rtol=1e-12, atol=1e-12)
    assert all(layer.taps <= MAX_TAPS for layer in network.layers)


def test_a_stride_along_a_single_pixel_is_any() -> None:
    batch = torch.randn(1, 3, 12, 5, dtype=torch.float64)
    for pool in (nn.AvgPool2d((3, 5)), nn.MaxPool2d((12, 2)), nn.AvgPool2d((12, 5))):
        model = nn.Sequential(nn.Conv2d(3, 2, 1).double(), pool)
        network = import_module(model, batch)
        assert torch.allclose(network.run(batch), model(batch), rtol=1e-12, atol=1e-12)


def test_means_and_vectors_of_too_many_columns_are_cut_up() -> None:
    batch = torch.randn(1, 1025, 12, 6, dtype=torch.float64)
    halves = import_module(nn.AvgPool2d((7, 6)), batch)
    assert [layer.weights.shape[2:] for layer in halves.layers] == [(7, 1), (1, 6)]
    batch = batch[:, :, :6]
    model = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    network = import_module(model, batch)
    assert [layer.weights.shape[2:] for layer in network.layers] == [(1, 1), (6, 6)]
    assert torch.allclose(network.run(batch), model(batch), rtol=1e-12, atol=1e-12)
    flat = import_module(nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(1025 * 36, 1)), batch)
    assert [type(step) for step in flat.steps] == [FloatLayer, Reshape, FloatLayer]


def test_flattening_a_large_map_is_a_step() -> None:
    network = import_module(trained("unflattened"), inputs("unflattened", 1))
    assert [type(step) for step in network.steps] == [
        FloatLayer,
        Reshape,
        FloatLayer,
        FloatLayer,
        FloatAdd,
        Reshape,
        FloatLayer,
    ]


class Unsupported(nn.Module):
    """Several operators that no array has."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.other = nn.Conv2d(4, 4, 1)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        values = functional.logsigmoid(self.convolution(batch))
        values = functional.relu(values)
        return torch.cos(values) * self.other(self.convolution(batch)).mean(dim=1)


def test_one_error_lists_all_operators_with_their_place() -> None:
    with pytest.raises(ImportingError) as caught:
        import_module(Unsupported(), torch.zeros(1, 3, 8, 8), host=False)
    lines = Path(__file__).read_text().splitlines()
    message = str(caught.value)
    assert message.startswith("the model has 3 operators that are not supported: log_sigmoid at ")
    for code, what in (
        ("values = functional.logsigmoid(self.convolution(batch))", "log_sigmoid"),
        ("return torch.cos(values)", "cos"),
        ("return torch.cos(values)", "mean (over dimensions [1]; over height and width is possible)"),
    ):
        (number,) = (index for index, line in enumerate(lines, 1) if line.strip().startswith(code))
        assert f"{what} at {__file__}:{number}: {lines[number - 1].strip()}" in message


class Repeated(nn.Module):
    """The same operator several times, a layer behind, and at the end what the host could do."""

    def forward(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for _ in range(3):
            batch = functional.logsigmoid(batch)
        batch = functional.conv2d(torch.sinh(batch).reshape(-1, 3, 8, 8), torch.ones(8, 3, 3, 3))
        return batch.softmax(1), batch


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (1, 3, 2, 4, 8)])
def test_complaints_are_grouped_and_structure_is_said_beside_operators(shape: tuple[int, ...]) -> None:
    with pytest.raises(ImportingError) as caught:
        import_module(Repeated(), torch.zeros(shape))
    message = str(caught.value)
    assert message.count("log_sigmoid x3, first at ") == 1 and "sinh at " in message
    assert ("4 operators that are not supported" in message and "softmax" not in message) == (len(shape) == 4)
    assert ("an input is [batch, channels, height, width]," in message) == (len(shape) == 5)


class Expression(nn.Module):
    """A model that is one expression, after a convolution."""

    def __init__(self, expression: Any) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(2, 2, 1)
        self.expression = expression

    def forward(self, batch: torch.Tensor) -> Any:
        return self.expression(self.convolution(batch))


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        (lambda x: functional.pad(x, (1, 1), value=float("-inf")), "with -inf; a finite number is possible"),
        (lambda x: functional.pad(x, (0, 0, 0, 0, 1, 0), value=1.0), "of channels with 1.0; padding them with zeros"),
        (lambda x: torch.cat([x, x], dim=0), "cat (along dimension 0"),
        (lambda x: functional.softmax(x, 1) + x, "softmax at"),
        (lambda x: x + x[:, :1], "add (of shapes"),
        (lambda x: x * functional.max_pool2d(x, 3, 1, 1), "mul (of two tensors"),
        (lambda x: x.mean(dim=1), "mean (over dimensions [1]"),
        (lambda x: x.unsqueeze(1), "unsqueeze (a tensor of ['1', '1', '2', '8', '8'] is no batch of"),
        (lambda x: functional.batch_norm(x, None, None, training=True), "in training mode"),
        (lambda x: functional.dropout(x, training=True), "in training mode"),
    ],
)
def test_refuses_operators(expression: Any, reason: str) -> None:
    with pytest.raises(ImportingError) as caught:
        import_module(Expression(expression), torch.zeros(1, 2, 8, 8), host=False)
    assert reason in str(caught.value)


class TwoInputs(nn.Module):
    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return first + second


def test_refuses_models_by_name() -> None:
    example = torch.zeros(1, 2, 8, 8)
    with pytest.raises(ImportingError, match="takes 2 inputs"):
        import_program(torch.export.export(TwoInputs(), (example, example)))
    with pytest.raises(ImportingError, match="returns no tensor"):
        import_module(Expression(lambda x: (None, 3)), example)
    with pytest.raises(ImportingError, match="nothing to quantize"):
        import_module(nn.MaxPool2d(2), example)
    with pytest.raises(ImportingError, match=r"cannot be traced with an input of \[1, 2, 8, 8\]"):
        import_module(nn.Conv2d(3, 1, 1), example)
    with pytest.raises(ImportingError, match=r"an input is \[batch, channels, height, width\]"):
        import_module(nn.Linear(8, 2), torch.zeros(1, 3, 2, 2, 8))
    spoiled = nn.Conv2d(2, 1, 1)
    spoiled.weight.detach().fill_(float("nan"))
    with pytest.raises(ImportingError, match="'conv2d': weights or bias are NaN"):
        import_module(spoiled, example)


def test_steps_print_as_a_table() -> None:
    lines = str(import_module(trained("residual"), inputs("residual", 1))).splitlines()
    assert lines[0].split() == ["input", "3", "x", "9", "x", "7", "input"]
    assert lines[-1] == "the host computes what follows: log_softmax"


def test_operators_that_only_pick_pixels_and_limits_change_places() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.MaxPool2d(2), nn.Upsample(scale_factor=3), nn.ReLU6())
    network = import_module(model, torch.zeros(1, 2, 8, 8))
    assert [type(step) for step in network.steps] == [FloatLayer, MaxPool, Upsample]
    assert network.layers[0].limits == Limits(0.0, 6.0)
    assert not any(isinstance(step, FloatAdd) for step in network.steps)
