"""What quantization to int8 costs every network: accuracy in float and in int8, by observer, and the noise of the scores.

Int8 is what the golden model computes, and so every other part of Openwork; the first inputs of each network go through the
model itself. Networks without labelled data run on random inputs, and have the noise only. Name networks to measure those
alone; the others then stay in the record as they are.
"""

from typing import Any

import numpy as np
import torch
from by_network import keep
from rich.progress import track

from openwork.files import encode_network
from openwork.frontend import FloatNetwork, import_module
from openwork.golden import run_network
from openwork.models.catalogue import SUBJECTS, Subject
from openwork.network import IntegerNetwork
from openwork.quantization import Observer, quantize
from openwork.quantization.evaluation import scores

INPUTS = 1000
FLOAT_BATCH, GOLDEN_INPUTS = 50, 8


def measure(name: str, subject: Subject) -> list[tuple[str, str, float]]:
    """Name, unit and value of everything measured of a network."""
    network = import_module(subject.model, subject.calibration[:1])
    with torch.no_grad():
        wanted = (
            torch.cat([subject.model(batch) for batch in torch.split(subject.inputs, FLOAT_BATCH)]).flatten(1).numpy()
        )
    results = []
    if subject.labels is not None:
        results.append(("float accuracy", "%", accuracy(wanted, subject.labels)))
    for observer in Observer:
        with torch.no_grad():
            quantized = quantize(network, subject.calibration, observer)
        integer_scores = golden_scores(quantized, subject.inputs, f"{name}, {observer}")
        if subject.labels is not None:
            results.append((f"int8 accuracy, {observer}", "%", accuracy(integer_scores, subject.labels)))
        noise = float(((integer_scores - wanted) ** 2).sum() / (wanted**2).sum())
        results.append((f"int8 noise, {observer}", "dB below scores", -10 * float(np.log10(noise))))
        if observer is Observer.MIN_MAX:
            results += sizes(network, quantized)
    return [("inputs", "", len(subject.inputs)), *results]


def sizes(network: FloatNetwork, quantized: IntegerNetwork) -> list[tuple[str, str, float]]:
    """Name, unit and value of what a quantized network holds; what sums add has no weights of its own to count."""
    layers, made = quantized.layers, {tensor.name for tensor in quantized.tensors}
    own = {layer.output: layer for layer in network.layers if layer.output in made}
    for layer in network.layers:  # one that a sum has joined is called after the sum
        readers = (step.output for step in network.steps if layer.output in step.inputs)
        own |= {reader: layer for reader in readers if layer.output not in made}
    weights = sum(layer.weights.numel() for layer in own.values())
    nonzeros = sum(
        int(np.count_nonzero(layer.weights[:, : own[layer.name].weights.shape[1] * own[layer.name].groups]))
        for layer in layers
        if layer.name in own
    )
    return [
        ("layers", "", len(layers)),
        ("weights", "", weights),
        ("density", "%", 100 * nonzeros / weights),
        ("useful MACs", "million", sum(layer.macs for layer in layers) / 1e6),
        ("widest accumulator", "bit", max(int(layer.sum_bits.max()) for layer in layers)),
        (".int8 file", "KiB", len(encode_network(quantized)) / 1024),
    ]


def golden_scores(network: IntegerNetwork, inputs: torch.Tensor, title: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Real scores [inputs, classes] that the golden model's integers stand for.

    They come by the fast way (`evaluation.scores`); the first few are compared with the golden model's own.
    """
    found = scores(network, inputs, lambda steps, _: track(steps, title)).numpy()
    few = run_network(network, network.quantize_inputs(inputs[:GOLDEN_INPUTS].numpy()))
    if not np.array_equal(found[:GOLDEN_INPUTS], network.dequantize_outputs(few).reshape(len(few), -1)):
        raise SystemExit(f"{title}: the fast way does not give the golden model's integers")
    return found


def accuracy(scores: np.ndarray[Any, Any], labels: torch.Tensor) -> float:
    """Share of right answers in %."""
    return 100 * float((scores.argmax(axis=1) == labels.numpy()).mean())


if __name__ == "__main__":
    keep(
        __doc__,
        "network_accuracy",
        list(SUBJECTS),
        lambda name: ((name, *figure) for figure in measure(name, SUBJECTS[name](INPUTS))),
    )
