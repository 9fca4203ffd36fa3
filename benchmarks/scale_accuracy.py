"""What power-of-two requantization costs in accuracy, against weight scales that may be any number.

Networks: the digits CNN of `openwork.models`, dense and pruned, over several seeds; and, where the shared data is,
ResNet-20 and ResNet-56 on 1,000 CIFAR-10 test images. Each is computed in floating point with weights, or weights and
activations, rounded to the values that int8 has (fake quantization), so that the two kinds of scales differ in nothing
else. The shortcuts of a ResNet are added before the one rounding, and not rounded themselves.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from safetensors.torch import load_file
from torch.nn import functional

from openwork.frontend import import_module
from openwork.models import digits
from openwork.models.shared_data import cifar10, data_folder, data_path
from openwork.quantization import ActivationScale, ScaleKind, activation_scale, weight_scales
from openwork.quantization.scales import round_to_int8
from openwork.records import Figure, Origin, write_record
from openwork.scales import WEIGHT_MAX
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "docs" / "results" / "scale_accuracy.json"
MAX_SHIFT = 18
SEEDS = range(5)
CALIBRATION_IMAGES = 500
UNITS = {"noise": "dB below signal", "multiplier slots, if two requantize a sum": "% of useful MACs"}


@dataclass(frozen=True, eq=False)
class Convolution:
    """A folded convolution: weights [rows, channels / groups, kernel_h, kernel_w], bias [rows]."""

    weights: torch.Tensor
    bias: torch.Tensor
    stride: int = 1
    padding: int = 0
    groups: int = 1


@dataclass(eq=False)
class Arithmetic:
    """How a network is computed: in float while `kind` is None, and then the ranges of its activations are kept.

    Attributes:
        layers: the network's convolutions by name.
        ranges: least and largest value of each tensor, by the name of the layer it comes from.
        kind: weight scales.
        activations: whether these are rounded, too.
        sums, macs: how many sums a run has requantized, and useful multiply-accumulates it has done.
    """

    layers: Mapping[str, Convolution]
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    kind: ScaleKind | None = None
    activations: bool = False
    sums: int = 0
    macs: int = 0

    def scale(self, name: str, least: float = 0.0) -> ActivationScale:
        """The scale of a tensor."""
        return activation_scale(*self.ranges[name], least)

    def tensor(self, name: str, values: torch.Tensor, least: float = 0.0) -> torch.Tensor:
        """An activation as the next layer sees it."""
        if self.kind is None:
            self.ranges[name] = float(values.min()), float(values.max())
        if self.kind is None or not self.activations:
            return values
        scale = self.scale(name, least)
        integers = torch.floor(values / scale.scale + 0.5) + scale.zero_point
        return (integers.clamp(ACTIVATION_MIN, ACTIVATION_MAX) - scale.zero_point) * scale.scale

    def convolve(
        self, name: str, source: str, inputs: torch.Tensor, relu: bool = True, shortcut: torch.Tensor | None = None
    ) -> torch.Tensor:
        """One layer, its shortcut and ReLU; `source` names the layer that `inputs` come from."""
        layer = self.layers[name]
        weights, least = layer.weights, 0.0
        if self.kind is not None:
            before = self.scale(source).scale
            if self.kind is ScaleKind.POWER_OF_TWO:
                least = before * float(weights.abs().max()) / WEIGHT_MAX
            ratio = self.scale(name, least).scale / before
            scales = weight_scales(weights, self.kind, ratio, MAX_SHIFT)
            weights = (round_to_int8(weights, scales) * scales).float()
        sums = functional.conv2d(inputs, weights, layer.bias, layer.stride, layer.padding, groups=layer.groups)
        self.sums += sums.numel()
        self.macs += int(weights.count_nonzero()) * sums[:, 0].numel()
        sums = sums if shortcut is None else sums + shortcut
        return self.tensor(name, sums.relu() if relu else sums, least)


Network = Callable[[Arithmetic, torch.Tensor], torch.Tensor]
"""Class scores for images, computed by that arithmetic."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained network with the images to calibrate and to test it on."""

    network: Network
    layers: Mapping[str, Convolution]
    calibration: torch.Tensor
    images: torch.Tensor
    labels: torch.Tensor


def chain(arithmetic: Arithmetic, images: torch.Tensor) -> torch.Tensor:
    """The digits CNN: one layer after the other, ReLU after all but the last."""
    names = list(arithmetic.layers)
    values = arithmetic.tensor("input", images)
    for source, name in zip(["input", *names], names, strict=False):
        values = arithmetic.convolve(name, source, values, relu=name != names[-1])
    return values.flatten(1)


def resnet(arithmetic: Arithmetic, images: torch.Tensor) -> torch.Tensor:
    """A CIFAR ResNet whose shortcuts subsample and pad channels with zeros."""
    values = arithmetic.convolve("conv1", "input", arithmetic.tensor("input", images))
    source = "conv1"
    for block in sorted({name.rpartition(".")[0] for name in arithmetic.layers if "." in name}, key=_block_number):
        inner = arithmetic.convolve(f"{block}.conv1", source, values)
        shortcut = values
        if inner.shape != values.shape:
            missing = inner.shape[1] - values.shape[1]
            shortcut = functional.pad(values[:, :, ::2, ::2], (0, 0, 0, 0, missing // 2, missing // 2))
        values = arithmetic.convolve(f"{block}.conv2", f"{block}.conv1", inner, shortcut=shortcut)
        source = f"{block}.conv2"
    pooled = arithmetic.tensor("pool", values.mean(dim=(2, 3), keepdim=True))
    return arithmetic.convolve("linear", "pool", pooled, relu=False).flatten(1)


def _block_number(block: str) -> tuple[int, int]:
    group, number = block.removeprefix("layer").split(".")
    return int(group), int(number)


def digits_subjects() -> Iterator[tuple[str, Subject]]:
    """Dense and pruned, one for each seed."""
    data = digits.load()
    for seed in track(SEEDS, "digits CNN"):
        dense = digits.train(seed)
        for name, model in (("digits CNN", dense), ("digits CNN, 20 % dense", digits.prune(dense, seed=seed).model)):
            layers = {
                layer.output: Convolution(
                    layer.weights.float(), layer.bias.float(), layer.stride[0], layer.padding[0], layer.groups
                )
                for layer in import_module(model, data.test_images[:1]).layers
            }
            yield name, Subject(chain, layers, data.train_images, data.test_images, data.test_labels)


def resnet_subjects() -> Iterator[tuple[str, Subject]]:
    """ResNet-20 and ResNet-56 on the lossless CIFAR-10 images."""
    train, test = (cifar10(part, normalized=True) for part in ("train4000", "test1000"))
    for depth in track((20, 56), "CIFAR-10 ResNets"):
        tensors = load_file(data_path(f"cifar10_resnets/resnet{depth}_cifar10_fp32.safetensors"))
        layers = {}
        for name in [key.removesuffix(".weight") for key in tensors if "conv" in key and key.endswith(".weight")]:
            norm = name.replace("conv", "bn")
            factor = tensors[f"{norm}.weight"] / torch.sqrt(tensors[f"{norm}.running_var"] + 1e-5)
            layers[name] = Convolution(
                weights=tensors[f"{name}.weight"] * factor[:, None, None, None],
                bias=tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * factor,
                stride=2 if name in ("layer2.0.conv1", "layer3.0.conv1") else 1,
                padding=1,
            )
        layers["linear"] = Convolution(tensors["linear.weight"][:, :, None, None], tensors["linear.bias"])
        calibration = train.inputs[:: len(train.labels) // CALIBRATION_IMAGES]
        yield f"ResNet-{depth}, CIFAR-10", Subject(resnet, layers, calibration, test.inputs, test.labels)


def measure(subject: Subject) -> dict[str, float]:
    """Accuracy in %; how far below the scores, in dB, the noise of rounding lies; what multipliers would cost."""
    with torch.no_grad():
        exact = Arithmetic(subject.layers)
        exact_scores = subject.network(exact, subject.images)
        results = {"float": _accuracy(exact_scores, subject.labels)}
        results["multiplier slots, if two requantize a sum"] = 100 * 2 * exact.sums / exact.macs
        subject.network(exact, subject.calibration)  # leaves the ranges
        for activations in (False, True):
            for kind in ScaleKind:
                scores = subject.network(Arithmetic(subject.layers, exact.ranges, kind, activations), subject.images)
                what = f"{'all' if activations else 'weights'} int8, {kind}"
                results[what] = _accuracy(scores, subject.labels)
                noise = float(((scores - exact_scores) ** 2).sum() / (exact_scores**2).sum())
                results[f"noise: {what}"] = -10 * float(np.log10(noise))
    return results


def _accuracy(scores: torch.Tensor, labels: torch.Tensor) -> float:
    return 100 * float((scores.argmax(1) == labels).double().mean())


def main() -> None:
    """Measure all, write the record, print it."""
    origin = Origin.of_script(__file__, packages=["torch"])
    results: dict[str, list[dict[str, float]]] = {}
    for name, subject in digits_subjects():
        results.setdefault(name, []).append(measure(subject))
    if (data_folder() / "cifar10_resnets").is_dir():
        for name, subject in resnet_subjects():
            results.setdefault(name, []).append(measure(subject))
    else:
        print("ResNets on CIFAR-10 left out: no data; set OPENWORK_DATA to the folder that holds cifar10_resnets")

    record = []
    for configuration, runs in results.items():
        figures = []
        for name in runs[0]:
            values = [round(run[name], 2) for run in runs]
            spread = (min(values), max(values)) if len(values) > 1 else ()
            unit = UNITS.get(name.partition(":")[0], "%")
            figures.append(Figure(name, unit, round(statistics.mean(values), 2), *spread))
            print(f"{configuration:24} {name:42} {figures[-1].value:8.2f} {unit}")
        record.append(origin.measured(configuration, figures))
    write_record(RECORD, record)


if __name__ == "__main__":
    main()
