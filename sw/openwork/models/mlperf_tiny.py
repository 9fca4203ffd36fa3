"""The reference networks of MLPerf Tiny, made anew in PyTorch; batch norm is already in the weights of their files."""

from itertools import pairwise

import torch
from torch import nn

from openwork.models.same_padding import SameConv2d
from openwork.models.shared_data import data_path
from openwork.models.tflite_weights import load_weights


class ResNet8Block(nn.Module):
    """Two convolutions and the sum with their input, which goes through one of its own where the shape changes."""

    def __init__(self, channels: int, rows: int, stride: int) -> None:
        super().__init__()
        self.first = SameConv2d(channels, rows, 3, stride)
        self.second = SameConv2d(rows, rows, 3)
        self.shortcut = SameConv2d(channels, rows, 1, stride) if stride > 1 else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs [batch, rows, height / stride, width / stride]."""
        outputs: torch.Tensor = self.relu(self.second(self.relu(self.first(inputs))) + self.shortcut(inputs))
        return outputs


def resnet8() -> nn.Module:
    """Image classification: CIFAR-10 images from 0 to 255 [batch, 3, 32, 32] to 10 scores."""
    return nn.Sequential(
        SameConv2d(3, 16, 3),
        nn.ReLU(),
        ResNet8Block(16, 16, 1),
        ResNet8Block(16, 32, 2),
        ResNet8Block(32, 64, 2),
        nn.AvgPool2d(8),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def ds_cnn() -> nn.Module:
    """Keyword spotting: MFCCs [batch, 1, 49, 10] to 12 scores."""
    layers: list[nn.Module] = [SameConv2d(1, 64, (10, 4), 2), nn.ReLU()]
    for _ in range(4):
        layers += _separable(64, 64, 1)
    return nn.Sequential(*layers, nn.AvgPool2d((25, 5)), nn.Flatten(), nn.Linear(64, 12))


MOBILENET_ROWS = (8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
MOBILENET_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)


def mobilenet_v1() -> nn.Module:
    """Visual wake words: MobileNetV1 of width 0.25; images from 0 to 1 [batch, 3, 96, 96] to 2 scores."""
    layers: list[nn.Module] = [SameConv2d(3, 8, 3, 2), nn.ReLU()]
    for (channels, rows), stride in zip(pairwise(MOBILENET_ROWS), MOBILENET_STRIDES, strict=True):
        layers += _separable(channels, rows, stride)
    return nn.Sequential(*layers, nn.AvgPool2d(3), nn.Flatten(), nn.Linear(256, 2))


def autoencoder() -> nn.Module:
    """Anomaly detection: log-mel energies [batch, 640] to what they should have been."""
    widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    layers: list[nn.Module] = []
    for features, rows in pairwise(widths):
        layers += [nn.Linear(features, rows), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def pretrained_resnet8() -> nn.Module:
    """`resnet8` with its published weights."""
    return _pretrained(resnet8(), "pretrainedResnet.tflite")


def pretrained_ds_cnn() -> nn.Module:
    """`ds_cnn` with its published weights."""
    return _pretrained(ds_cnn(), "kws_ref_model_float32.tflite")


def pretrained_mobilenet_v1() -> nn.Module:
    """`mobilenet_v1` with its published weights."""
    return _pretrained(mobilenet_v1(), "vww_96_float.tflite")


def pretrained_autoencoder() -> nn.Module:
    """`autoencoder` with its published weights."""
    return _pretrained(autoencoder(), "ad01_fp32.tflite")


def _pretrained(model: nn.Module, file: str) -> nn.Module:
    load_weights(model, data_path(f"mlperf_tiny/{file}"))
    return model.eval()


def _separable(channels: int, rows: int, stride: int) -> list[nn.Module]:
    depthwise = SameConv2d(channels, channels, 3, stride, groups=channels)
    return [depthwise, nn.ReLU(), nn.Conv2d(channels, rows, 1), nn.ReLU()]
