"""The networks that Openwork measures itself by: their float accuracy is the published one, and int8 stays near."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from openwork.frontend import import_module
from openwork.golden import run_network
from openwork.models import shared_data
from openwork.models.catalogue import SUBJECTS
from openwork.models.efficientnet_lite import pretrained_efficientnet_lite0
from openwork.models.mnist import lenet5, mlp
from openwork.models.resnet50 import masked_resnet50
from openwork.models.same_padding import SameConv2d
from openwork.network import MAX_TAPS
from openwork.quantization import evaluation, quantize

needs_data = pytest.mark.skipif(
    not shared_data.data_folder().is_dir(),
    reason="needs the folder of shared weights and data: set OPENWORK_DATA to it",
)

# Accuracy in % on the first 200 test inputs; published weights that are loaded wrongly are far from it.
LEAST = {
    "digits CNN": 98,
    "LeNet-5": 98,
    "MLP 784-300-100-10": 97,
    "ResNet-8, MLPerf Tiny": 84,
    "DS-CNN, MLPerf Tiny": 87,
    "ResNet-20, CIFAR-10": 89,
    "ResNet-56, CIFAR-10": 90,
    "SqueezeNet 1.0, Deep Compression": 50,
    "EfficientNet-Lite0": 85,
    "EfficientNet-Lite0, pruned to 50 %": 50,
}
SLOW = {
    "digits CNN",
    "digits autoencoder",
    "LeNet-5",
    "MLP 784-300-100-10",
    "ResNet-56, CIFAR-10",
    *list(SUBJECTS)[-6:],
}


LARGE = SLOW | {"SqueezeNet 1.0, Deep Compression"}
"""Networks that run only in the slow run. `SLOW` are those whose inputs, too, take long to make."""


def by_speed(name: str) -> object:
    return pytest.param(name, marks=[needs_data, *([pytest.mark.slow] if name in LARGE else [])])


@pytest.mark.parametrize("name", map(by_speed, SUBJECTS))
def test_float_and_int8_networks_answer_alike(name: str) -> None:
    subject = SUBJECTS[name](200)
    network = import_module(subject.model, subject.calibration[:1])
    shapes = {name: step_shape for name, step_shape in network.shapes.items()}
    assert all(
        layer.taps <= MAX_TAPS or layer.weights.shape[2:] == shapes[layer.inputs[0]][1:] for layer in network.layers
    )
    with torch.no_grad():
        expected = subject.model(subject.inputs[:10]).flatten(1)
        scores = torch.cat([network.run(batch).flatten(1) for batch in torch.split(subject.inputs, 50)])
        assert torch.allclose(scores[:10], expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    if subject.labels is not None:
        assert 100 * float((scores.argmax(1) == subject.labels).float().mean()) >= LEAST[name]
    quantized = quantize(network, subject.calibration[:100])
    inputs = quantized.quantize_inputs(subject.inputs[:8].numpy())
    outputs = evaluation.scores(quantized, subject.inputs)
    # Sixteen inputs would not tell 0.9 from 0.75, and all of them are too many for the golden model: these integers are its own.
    golden = quantized.dequantize_outputs(run_network(quantized, inputs)).reshape(len(inputs), -1)
    assert (outputs[: len(inputs)].numpy() == golden).all()
    assert float(((outputs - scores) ** 2).mean()) < 0.15 * float((scores**2).mean())
    assert float((outputs.argmax(1) == scores.argmax(1)).double().mean()) >= 0.8 or subject.labels is None


@needs_data
@pytest.mark.slow
def test_pruned_efficientnet_has_half_of_its_large_layers() -> None:
    model = SUBJECTS["EfficientNet-Lite0, pruned to 50 %"](1).model
    kept = {name: module.weight for name, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
    pruned = [weights for weights in kept.values() if weights.ndim == 2 or weights.shape[2:] == (1, 1)]
    assert sum(int(weights.count_nonzero()) for weights in pruned) == sum(weights.numel() for weights in pruned) // 2
    for name, module in pretrained_efficientnet_lite0().named_modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
            assert torch.equal(kept[name], module.weight)


@needs_data
def test_masked_encoder_has_the_published_layers_and_keeps_its_maps_at_their_size() -> None:
    subject = SUBJECTS["transformer encoder, masks of 90 %, seeded values"](2)
    weights = [module.weight for module in subject.model.modules() if isinstance(module, nn.Conv2d)]
    assert len(weights) == 36 and sum(one.numel() for one in weights) == 6 * (4 * 512**2 + 2 * 512 * 2048)
    assert abs(sum(int(one.count_nonzero()) for one in weights) / sum(one.numel() for one in weights) - 0.1) < 0.02
    with torch.no_grad():
        assert 0.5 < float(subject.model(subject.inputs).std()) < 4
    network = quantize(import_module(subject.model, subject.calibration[:1]), subject.calibration)
    assert network.input.shape == network.output_shape == (512, 8, 8)


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("sparsity", [0.8, 0.9])
def test_masked_resnet50_has_the_published_layers(sparsity: float) -> None:
    layers = [
        module.weight for module in masked_resnet50(sparsity).modules() if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    assert len(layers) == 54 and sum(weights.numel() for weights in layers) == 25_502_912
    nonzeros = sum(int(weights.count_nonzero()) for weights in layers)
    assert abs(nonzeros / 25_502_912 - (1 - sparsity)) < 1e-3


def test_untrained_networks_have_the_published_sizes() -> None:
    for build, weights in ((lenet5, 61_706), (mlp, 266_610)):
        assert sum(parameter.numel() for parameter in build().parameters()) == weights


@pytest.mark.slow
def test_digits_come_back_out_of_twelve_numbers() -> None:
    subject = SUBJECTS["digits autoencoder"](360)
    assert sum(weights.numel() for weights in subject.model.parameters() if weights.ndim > 1) == 8_736
    with torch.no_grad():
        outputs = subject.model(subject.inputs)
    network = import_module(subject.model, subject.calibration[:1])
    quantized = evaluation.scores(quantize(network, subject.calibration[:200]), subject.inputs)
    for found in (outputs, quantized.reshape(outputs.shape)):
        assert float(((found - subject.inputs) ** 2).mean() / subject.inputs.var()) < 0.12


def test_same_padding_is_behind_where_it_is_odd() -> None:
    layer = SameConv2d(1, 1, 3, 2, bias=False)
    layer.weight.detach().fill_(1)
    ones = torch.ones(1, 1, 4, 5)
    # rows 0 to 2 and 2 to 3; columns 0 to 1, 1 to 3 and 3 to 4
    assert layer(ones).flatten().tolist() == [6, 9, 6, 4, 6, 4]


@needs_data
def test_test_inputs_are_not_calibration_inputs() -> None:
    for name in set(SUBJECTS) - SLOW:
        subject = SUBJECTS[name](50)
        seen = {values.tobytes() for values in subject.calibration.numpy()}
        assert not any(np.ascontiguousarray(values).tobytes() in seen for values in subject.inputs.numpy()), name


def test_a_missing_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENWORK_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(shared_data.DataError, match="set OPENWORK_DATA to the folder that holds mnist"):
        shared_data.mnist("test")
