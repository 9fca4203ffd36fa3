"""The array that each network of the catalogue is measured on, and how many of its inputs run there."""

from dataclasses import dataclass, replace

from openwork_hw.arch.config import PRESETS, ArrayConfig


@dataclass(frozen=True)
class Case:
    """An array for a network, and what runs on it.

    Attributes:
        config: the array.
        inputs: that run on it.
        watched: inputs of them, at most, of which every layer is compared, not the output alone.
        dense: the same network without zeros, whose cycles are compared with.
    """

    config: ArrayConfig
    inputs: int = 2
    watched: int = 8
    dense: str = ""


SQUARE = ArrayConfig(16, 8, group_sizes=(8, 16), replicas=2, feature_words=4096)
LARGE = ArrayConfig(21, 7, group_sizes=(7, 21), replicas=3, feature_words=65536)
VECTORS = ArrayConfig(16, 8, group_sizes=(1, 2, 16), replicas=8)

DENSE = "ResNet-50, dense, seeded values"

CASES = {
    "digits CNN": Case(PRESETS["demo"], 8),
    "digits autoencoder": Case(PRESETS["demo"], 8),
    "LeNet-5": Case(PRESETS["demo"], 8),
    "MLP 784-300-100-10": Case(VECTORS, 8),
    "ResNet-8, MLPerf Tiny": Case(SQUARE, 4),
    "DS-CNN, MLPerf Tiny": Case(ArrayConfig(25, 5, group_sizes=(5, 25), replicas=5), 4),
    "MobileNetV1-0.25 96 x 96, MLPerf Tiny": Case(ArrayConfig(24, 6, group_sizes=(6,), replicas=4), 4),
    "autoencoder 640, MLPerf Tiny": Case(VECTORS, 4),
    "ResNet-20, CIFAR-10": Case(SQUARE, 4),
    "ResNet-56, CIFAR-10": Case(SQUARE),
    "SqueezeNet 1.0, Deep Compression": Case(LARGE, 20, watched=2),
    "EfficientNet-Lite0, pruned to 50 %": Case(replace(LARGE, group_sizes=(1, 7, 21)), 1),
    "transformer encoder, masks of 90 %, seeded values": Case(replace(SQUARE, feature_words=8192), 1),
    DENSE: Case(LARGE, 1, watched=0),
    "ResNet-50, masks of 80 %, seeded values": Case(LARGE, 1, dense=DENSE),
    "ResNet-50, masks of 90 %, seeded values": Case(LARGE, 1, dense=DENSE),
}
"""The best array of those tried of at most 148 MACs; one with more than 2,048 words fits no board preset."""
