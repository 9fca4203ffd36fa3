"""Rounding that sees the inputs, and the fast way to the golden model's integers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.openwork.frontend.zoo import MODELS, inputs, trained
from tests.openwork.networks import integer_networks

from openwork.frontend import import_module
from openwork.golden import run_network
from openwork.network import IntegerNetwork
from openwork.quantization import quantize
from openwork.quantization.evaluation import accuracy, scores


@pytest.mark.parametrize("name", MODELS)
def test_error_aware_rounding_keeps_shapes_and_shifts_of_every_kind_of_network(name: str) -> None:
    network = import_module(trained(name), inputs(name, 2))
    calibration, fresh = inputs(name, 200), inputs(name, 100, seed=9)
    wanted = network.run(fresh).flatten(1)
    nearest, aware = (quantize(network, calibration, error_aware=flag) for flag in (False, True))
    lost = [float((scores(one, fresh) - wanted).square().mean()) for one in (nearest, aware)]
    assert lost[1] < 1.25 * lost[0]  # the activations' own rounding is most of it in layers so small
    for one, two in zip(nearest.layers, aware.layers, strict=True):
        assert one.weights.shape == two.weights.shape and (one.shift == two.shift).all()


def test_rounding_that_sees_the_inputs_gains_where_weights_are_the_loss() -> None:
    """A layer of many correlated inputs, so that the sum of the weights' errors is what counts."""
    generator = torch.Generator().manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(300, 20))
    with torch.no_grad():
        model.get_parameter("0.weight").copy_(
            torch.randn(20, 300, generator=generator) * torch.rand(20, 300, generator=generator) ** 4
        )
        model.get_parameter("0.weight")[:, ::3] = 0
    values = (torch.randn(400, 10, generator=generator) @ torch.randn(10, 300, generator=generator)).double()
    network = import_module(model, values[:2].float())
    wanted = network.run(values[200:]).flatten(1)
    networks = [quantize(network, values[:200], error_aware=flag) for flag in (False, True)]
    lost = [float((scores(one, values[200:]) - wanted).square().mean()) for one in networks]
    assert lost[1] < 0.9 * lost[0]
    assert not networks[1].layers[0].weights.reshape(20, 300)[:, ::3].any()


@given(network=integer_networks(), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_scores_are_the_golden_models(network: IntegerNetwork, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    integers = torch.randint(-140, 140, (3, *network.input.shape), generator=generator).double()
    real = (integers - network.input.zero_point) * network.input.scale
    expected = network.dequantize_outputs(run_network(network, network.quantize_inputs(real.numpy())))
    assert torch.equal(scores(network, real), torch.tensor(expected).flatten(1))


def test_accuracy_counts_right_answers() -> None:
    network = quantize(import_module(trained("chain"), inputs("chain", 2)), inputs("chain", 20))
    values = inputs("chain", 30)
    answers = scores(network, values).argmax(dim=1)
    answers[:6] = (answers[:6] + 1) % 10
    assert accuracy(network, values, answers) == pytest.approx(24 / 30)
