"""What it gives and costs that residuals join rows, by the most nonzeros of a row that one residual may take.

With 0 each sum is a step of its own. Noise of the sums is what int8 changes in them, the mean over all sums of a network in
decibels below their own power, so that it shows what the classifier's rounding hides. A PE of seven lanes spends at least
seven cycles on each row and pixel. Accuracy depends on the calibration inputs more than on anything here; for the CIFAR-10
networks it is the mean over the catalogue's and several other draws of them. Name networks to measure those alone; the
others then stay in the record as they are.
"""

from collections.abc import Iterator

import numpy as np
import torch
from by_network import Figure, keep
from network_accuracy import FLOAT_BATCH, accuracy, golden_scores

from openwork.frontend import FloatAdd, FloatNetwork, import_module
from openwork.golden import trace_network
from openwork.models.catalogue import CALIBRATION_INPUTS, SUBJECTS, Subject
from openwork.models.shared_data import cifar10
from openwork.network import IntegerNetwork
from openwork.quantization import quantize

LANES = 7
REPETITIONS = (0, 2, 4, 8)
NETWORKS = {
    "ResNet-8, MLPerf Tiny": (1000, 5),
    "ResNet-20, CIFAR-10": (300, 5),
    "ResNet-56, CIFAR-10": (100, 3),
    "EfficientNet-Lite0": (100, 0),
    "ResNet-50, masks of 80 %, seeded values": (2, 0),
    "ResNet-50, masks of 90 %, seeded values": (2, 0),
}
"""Test inputs, and other draws of calibration inputs, of each network."""

TRACED = 20
"""Of these, those whose sums are looked at."""


def measure(name: str, subject: Subject, draws: int) -> Iterator[Figure]:
    """Everything that is measured of a network."""
    network = import_module(subject.model, subject.calibration[:1])
    sums = [step.output for step in network.steps if isinstance(step, FloatAdd)]
    with torch.no_grad():
        parts = [subject.model(batch) for batch in torch.split(subject.inputs, FLOAT_BATCH)]
        reals = {key: value for key, value in network.tensors(subject.inputs[:TRACED]) if key in sums}
    scores = torch.cat(parts).flatten(1).numpy()
    calibrations = [subject.calibration, *drawn(draws, normalized="MLPerf" not in name)]
    for repetitions in REPETITIONS:
        with torch.no_grad():
            all_quantized = [quantize(network, inputs, repetitions=repetitions) for inputs in calibrations]
        quantized = all_quantized[0]
        what = f"{name}, up to {repetitions}" if repetitions else f"{name}, apart"
        yield what, "sums apart", "", len(separate(network, quantized))
        layers = quantized.layers
        pixels = [(np.count_nonzero(layer.weights, axis=(1, 2, 3)), layer.output_pixels) for layer in layers]
        yield what, "useful MACs", "million", sum(int(rows.sum()) * count for rows, count in pixels) / 1e6
        slots = sum(int(np.maximum(rows, LANES).sum()) * count for rows, count in pixels)
        yield what, f"nonzeros x pixels, at least {LANES} a row", "million", slots / 1e6
        traced = trace_network(quantized, quantized.quantize_inputs(subject.inputs[:TRACED].numpy()))
        decibels = []
        for key, real in reals.items():
            tensor = quantized.tensor(key)
            wrong = tensor.scale * (traced[key].astype(np.float64) - tensor.zero_point) - real.numpy()
            decibels.append(10 * np.log10(float((real.numpy().astype(np.float64) ** 2).mean() / (wrong**2).mean())))
        yield what, "noise of the sums", "dB below", float(np.mean(decibels))
        if subject.labels is not None:
            all_scores = [golden_scores(one, subject.inputs, what) for one in all_quantized]
            yield what, "float accuracy", "%", accuracy(scores, subject.labels)
            accuracies = [accuracy(one, subject.labels) for one in all_scores]
            yield what, "int8 accuracy", "%", float(np.mean(accuracies))
            answers = torch.tensor(scores.argmax(axis=1))
            yield what, "same answer as float", "%", float(np.mean([accuracy(one, answers) for one in all_scores]))
            noise = [float(((one - scores) ** 2).sum() / (scores**2).sum()) for one in all_scores]
            yield what, "noise of the scores", "dB below", float(np.mean(-10 * np.log10(noise)))


def drawn(draws: int, normalized: bool) -> list[torch.Tensor]:
    """Other calibration inputs of a CIFAR-10 network, as many as the catalogue has."""
    if not draws:
        return []
    images = cifar10("train4000", normalized).inputs
    generators = [torch.Generator().manual_seed(seed) for seed in range(draws)]
    return [images[torch.randperm(len(images), generator=one)[:CALIBRATION_INPUTS]] for one in generators]


def separate(network: FloatNetwork, quantized: IntegerNetwork) -> set[str]:
    """The sums that are a step of their own: both their maps are tensors still."""
    made = {tensor.name for tensor in quantized.tensors}
    return {step.output for step in network.steps if isinstance(step, FloatAdd) and set(step.inputs) <= made}


if __name__ == "__main__":
    keep(
        __doc__,
        "residuals",
        list(NETWORKS),
        lambda name: measure(name, SUBJECTS[name](NETWORKS[name][0]), NETWORKS[name][1]),
    )
