"""What pruning without any training costs: accuracy in int8 against density, by method, of networks with published weights.

Calibration inputs have no labels here and are never test inputs. Name networks to measure those alone; each point is kept in the
record when it is there, so an interrupted run goes on if no source has changed.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from sparsity import CURVES, counting, float_accuracy, int8_accuracy, kept_figures, origin, record

from openwork.frontend import import_module
from openwork.models import shared_data
from openwork.models.catalogue import SUBJECTS, Subject
from openwork.models.efficientnet_lite import lite_images, pretrained_efficientnet_lite0
from openwork.models.squeezenet import imagenet_images, pretrained_squeezenet11
from openwork.pruning import Scope, prune_by
from openwork.quantization import TrainableNetwork, quantize

HALF = 500
METHODS: dict[str, tuple[str, str, Scope]] = {
    "obc": ("obc", "obc", "layer"),
    "obc-global": ("obc, a density for each layer", "obc", "global"),
    "magnitude": ("magnitude", "magnitude", "layer"),
}
"""What the record calls a method, its name for `prune_by`, and how the density is shared out."""


@dataclass(frozen=True)
class Case:
    """A network, and how it is pruned.

    Attributes:
        densities: of the layers that are pruned.
        spares_depthwise: whether layers with a group for each channel stay dense.
        calibration: inputs that the pruning sees.
    """

    subject: Subject
    densities: tuple[float, ...]
    spares_depthwise: bool = False
    calibration: int = 200


def photographs(name: str) -> Case:
    """ImageNet networks: the test images are one half of those that there are, the calibration images come from the other."""
    build, prepare = {
        "SqueezeNet 1.1": (pretrained_squeezenet11, imagenet_images),
        "EfficientNet-Lite0": (pretrained_efficientnet_lite0, lite_images),
    }[name]
    calibration, test = shared_data.imagenet(HALF, 250), shared_data.imagenet(0, HALF)
    subject = Subject(build(), prepare(calibration.inputs), prepare(test.inputs), test.labels)
    return Case(subject, (0.7, 0.5, 0.3), spares_depthwise=True, calibration=250)


CASES: dict[str, Callable[[], Case]] = {
    "ResNet-8, MLPerf Tiny": lambda: Case(SUBJECTS["ResNet-8, MLPerf Tiny"](1000), (0.5, 0.4, 0.3, 0.25, 0.2, 0.15)),
    "DS-CNN, MLPerf Tiny": lambda: Case(SUBJECTS["DS-CNN, MLPerf Tiny"](1000), (0.7, 0.6, 0.5, 0.4, 0.3), True),
    "ResNet-20, CIFAR-10": lambda: Case(SUBJECTS["ResNet-20, CIFAR-10"](1000), (0.5, 0.3, 0.2, 0.15, 0.1)),
    "ResNet-56, CIFAR-10": lambda: Case(SUBJECTS["ResNet-56, CIFAR-10"](1000), (0.5, 0.3, 0.2, 0.15, 0.1)),
    "SqueezeNet 1.1": lambda: photographs("SqueezeNet 1.1"),
    "EfficientNet-Lite0": lambda: photographs("EfficientNet-Lite0"),
}


def measure(name: str, case: Case, methods: Sequence[str]) -> None:
    """All points of a network that are not in the record."""
    subject, inputs = case.subject, case.subject.calibration[: case.calibration]
    assert subject.labels is not None
    dense = TrainableNetwork(import_module(subject.model, inputs[:2]))
    weights = {layer: dense.get_parameter(f"{layer}.weight") for layer in dense.learned}
    spared = [
        layer for layer, tensor in weights.items() if case.spares_depthwise and tensor.shape[1] == 1 < len(tensor)
    ]
    names = [layer for layer in weights if layer not in spared]
    share = sum(weights[layer].numel() for layer in names) / sum(tensor.numel() for tensor in weights.values())
    for title, method, scope in (METHODS[one] for one in methods):
        setting = f"{name}: {title}"
        found = kept_figures(CURVES, setting) or [
            ("dense float", "%", float_accuracy(subject.model, subject.inputs, subject.labels)),
            ("test inputs", "", len(subject.inputs)),
            ("weights in pruned layers", "%", 100 * share),
        ]
        for density in case.densities:
            what = f"int8 at {100 * density:g} %"
            if any(what == one for one, _, _ in found):
                continue
            pruned = prune_by(method, dense, density, inputs, names=names, scope=scope, progress=counting)
            assert isinstance(pruned.model, TrainableNetwork)
            with torch.no_grad():
                integers = quantize(pruned.model.network, inputs, error_aware=True, progress=counting)
            found.append((what, "%", int8_accuracy(integers, subject.inputs, subject.labels)))
            record(CURVES, setting, found)


def main() -> None:
    """Measure the networks that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"networks, by the beginnings of their names: {', '.join(CASES)}")
    parser.add_argument("--methods", default=",".join(METHODS), help="some of these, with commas")
    arguments = parser.parse_args()
    origin()
    for name, case in CASES.items():
        if not arguments.names or any(name.startswith(start) for start in arguments.names):
            measure(name, case(), arguments.methods.split(","))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
