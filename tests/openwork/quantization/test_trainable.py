"""Training in the golden model's arithmetic."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.openwork.frontend.zoo import MODELS, inputs, trained

from openwork.frontend import FloatNetwork, import_module, load
from openwork.golden import run_network
from openwork.pruning import PrunedModel, apply_masks, check_masks, prune_model
from openwork.quantization import QuantizationError, TrainableNetwork, quantize


def imported(name: str) -> FloatNetwork:
    return import_module(trained(name), inputs(name, 2))


@pytest.mark.parametrize("name", MODELS)
def test_in_real_numbers_it_computes_what_the_network_does(name: str) -> None:
    network, values = imported(name), inputs(name, 5)
    outputs = TrainableNetwork(network)(values.float())
    assert torch.allclose(outputs.double().flatten(1), network.run(values).flatten(1), atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_in_integers_it_computes_what_the_golden_model_does_before_and_after_training(name: str) -> None:
    network, values = imported(name), inputs(name, 20)
    dense = TrainableNetwork(network)
    pruned = prune_model(dense, 0.6, names=dense.learned)
    model = pruned.model
    assert isinstance(model, TrainableNetwork)
    model.make_integer(values)
    assert str(model.integers()) == str(quantize(model.network, values))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for _ in range(3):
        outputs = model(values.float())
        integers = model.integers()
        expected = run_network(integers, integers.quantize_inputs(values.float().numpy()))
        real = torch.tensor(integers.dequantize_outputs(expected)).float()
        assert torch.equal(outputs.reshape(real.shape), real)
        optimizer.zero_grad()
        outputs.square().mean().backward()
        optimizer.step()
        apply_masks(model, pruned.masks)
    assert any(bool(parameter.grad.any()) for parameter in model.parameters() if parameter.grad is not None)
    check_masks(model, pruned.masks)


def test_wide_sums_are_exact_too() -> None:
    """Beyond what float32 holds: 2,000 inputs of the largest size with weights of the largest size."""
    model = torch.nn.Sequential(torch.nn.Linear(2000, 3))
    with torch.no_grad():
        model.get_parameter("0.weight").copy_(
            torch.rand(3, 2000, generator=torch.Generator().manual_seed(1)) * 0.01 + 1
        )
    values = torch.rand(30, 2000, generator=torch.Generator().manual_seed(2)) * 0.1 + 0.9
    network = TrainableNetwork(import_module(model, values[:2]))
    network.make_integer(values)
    integers = network.integers()
    expected = run_network(integers, integers.quantize_inputs(values.numpy()))
    assert np.abs(integers.layers[0].weights.astype(np.int64)).sum(axis=(1, 2, 3)).max() * 255 > 1 << 24
    assert torch.equal(network(values), torch.tensor(integers.dequantize_outputs(expected)).float().flatten(1))


@pytest.mark.parametrize("name", MODELS)
def test_exported_it_is_the_same_network_for_any_batch(name: str, tmp_path: Path) -> None:
    model = TrainableNetwork(imported(name))
    program = PrunedModel(model, {}).export(inputs(name, 1).float())
    torch.export.save(program, tmp_path / "model.pt2")
    again = load(tmp_path / "model.pt2", inputs(name, 1).float())
    values = inputs(name, 7)
    assert torch.allclose(again.run(values).flatten(1), model.network.run(values).flatten(1), atol=1e-4)
    weights = {layer.output: layer.weights for layer in again.layers}
    for layer in model.network.layers:
        if layer.output in model.learned:
            assert torch.equal(weights[layer.output].flatten(), layer.weights.flatten())


def test_integers_need_scales() -> None:
    with pytest.raises(QuantizationError, match="call make_integer first"):
        TrainableNetwork(imported("chain")).integers()
