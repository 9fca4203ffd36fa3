"""Every network that Openwork measures itself by, under one name each, with inputs to calibrate and to test it on."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from openwork.models import digits, digits_autoencoder, mnist, shared_data
from openwork.models.cifar_resnet import pretrained_resnet20, pretrained_resnet56
from openwork.models.efficientnet_lite import lite_images, pretrained_efficientnet_lite0, pruned_efficientnet_lite0
from openwork.models.mlperf_tiny import (
    pretrained_autoencoder,
    pretrained_ds_cnn,
    pretrained_mobilenet_v1,
    pretrained_resnet8,
)
from openwork.models.resnet50 import masked_resnet50
from openwork.models.squeezenet import caffe_images, pretrained_squeezenet
from openwork.models.transformer import WIDTH, masked_encoder

CALIBRATION_INPUTS = 200
PHOTOGRAPHS = 100
"""Of the photographs to calibrate with; they come from the end of the list, and the test images from its start."""

FEW = 16
"""Photographs, or sequences of tokens, for networks whose answers mean nothing."""

TOKENS = (8, 8)
"""Of a sequence, as a map: which of them are neighbours means nothing to linear layers, and a square has room for more lanes."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained network, and inputs that it was not trained on.

    Attributes:
        model: in eval mode.
        calibration: float32 [inputs, ...].
        inputs: float32 [inputs, ...]; none of them is in `calibration`.
        labels: int64 [inputs], or None where there are none: the inputs are random, or the network is.
    """

    model: nn.Module
    calibration: torch.Tensor
    inputs: torch.Tensor
    labels: torch.Tensor | None


Loader = Callable[[int], Subject]
"""Makes a subject of at most so many test inputs."""


def _digits(count: int) -> Subject:
    data = digits.load()
    return Subject(digits.train().eval(), data.train_images, data.test_images[:count], data.test_labels[:count])


def _digits_again(count: int) -> Subject:
    data = digits.load()
    return Subject(digits_autoencoder.train().eval(), data.train_images, data.test_images[:count], None)


def _mnist(build: Callable[[], nn.Module]) -> Loader:
    def load(count: int) -> Subject:
        model = mnist.train(build)
        train, test = shared_data.mnist("train"), shared_data.mnist("test")
        calibration = mnist.as_inputs(train, model)[:: len(train.labels) // CALIBRATION_INPUTS]
        return Subject(model, calibration, mnist.as_inputs(test, model)[:count], test.labels[:count])

    return load


def _cifar(pretrained: Callable[[], nn.Module], normalized: bool) -> Loader:
    def load(count: int) -> Subject:
        train, test = (shared_data.cifar10(part, normalized) for part in ("train4000", "test1000"))
        calibration = train.inputs[:: len(train.labels) // CALIBRATION_INPUTS]
        return Subject(pretrained(), calibration, test.inputs[:count], test.labels[:count])

    return load


def _keywords(count: int) -> Subject:
    data = shared_data.keywords()
    spoken, labels = data.inputs[CALIBRATION_INPUTS:][:count], data.labels[CALIBRATION_INPUTS:][:count]
    return Subject(pretrained_ds_cnn(), data.inputs[:CALIBRATION_INPUTS], spoken, labels)


def _wake_words(count: int) -> Subject:
    images = torch.rand(CALIBRATION_INPUTS + count, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    return Subject(pretrained_mobilenet_v1(), images[:CALIBRATION_INPUTS], images[CALIBRATION_INPUTS:], None)


def _anomalies(count: int) -> Subject:
    # The int8 reference model covers -85 to 15.
    energies = torch.randn(CALIBRATION_INPUTS + count, 640, generator=torch.Generator().manual_seed(0)) * 12 - 35
    return Subject(pretrained_autoencoder(), energies[:CALIBRATION_INPUTS], energies[CALIBRATION_INPUTS:], None)


def _photographs(pretrained: Callable[[], nn.Module], prepare: Callable[[torch.Tensor], torch.Tensor]) -> Loader:
    def load(count: int) -> Subject:
        calibration = shared_data.imagenet(1000 - PHOTOGRAPHS, PHOTOGRAPHS)
        test = shared_data.imagenet(0, min(count, 1000 - PHOTOGRAPHS))
        return Subject(pretrained(), prepare(calibration.inputs), prepare(test.inputs), test.labels)

    return load


def _masked(sparsity: float) -> Loader:
    def load(count: int) -> Subject:
        images = shared_data.imagenet(0, FEW + min(count, FEW)).inputs / 128 - 1
        return Subject(masked_resnet50(sparsity), images[:FEW], images[FEW:], None)

    return load


def _lite_pruned(count: int) -> Subject:
    subject = _photographs(pretrained_efficientnet_lite0, lite_images)(count)
    return replace(subject, model=pruned_efficientnet_lite0(subject.calibration))


def _sequences(count: int) -> Subject:
    tokens = torch.randn(FEW + min(count, FEW), WIDTH, *TOKENS, generator=torch.Generator().manual_seed(0))
    return Subject(masked_encoder(), tokens[:FEW], tokens[FEW:], None)


SUBJECTS: dict[str, Loader] = {
    "digits CNN": _digits,
    "digits autoencoder": _digits_again,
    "LeNet-5": _mnist(mnist.lenet5),
    "MLP 784-300-100-10": _mnist(mnist.mlp),
    "ResNet-8, MLPerf Tiny": _cifar(pretrained_resnet8, normalized=False),
    "DS-CNN, MLPerf Tiny": _keywords,
    "MobileNetV1-0.25 96 x 96, MLPerf Tiny": _wake_words,
    "autoencoder 640, MLPerf Tiny": _anomalies,
    "ResNet-20, CIFAR-10": _cifar(pretrained_resnet20, normalized=True),
    "ResNet-56, CIFAR-10": _cifar(pretrained_resnet56, normalized=True),
    "SqueezeNet 1.0, Deep Compression": _photographs(pretrained_squeezenet, caffe_images),
    "EfficientNet-Lite0": _photographs(pretrained_efficientnet_lite0, lite_images),
    "EfficientNet-Lite0, pruned to 50 %": _lite_pruned,
    "ResNet-50, dense, seeded values": _masked(0),
    "ResNet-50, masks of 80 %, seeded values": _masked(0.8),
    "ResNet-50, masks of 90 %, seeded values": _masked(0.9),
    "transformer encoder, masks of 90 %, seeded values": _sequences,
}
