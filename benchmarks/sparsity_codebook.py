"""Whether weights that share 16 or 32 values for each layer (Deep Compression) pay: bits a nonzero, and accuracy.

The values are the centres of a one-dimensional k-means over a layer's int8 nonzeros; nothing is trained on afterwards.
"""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from sparsity import ROOT, counting, int8_accuracy, origin, record

from openwork.frontend import import_module
from openwork.models.catalogue import SUBJECTS
from openwork.network import IntegerNetwork, LayerStep
from openwork.pruning import reconstruct
from openwork.quantization import TrainableNetwork, quantize
from openwork.report.compression import network_sizes

RECORD = ROOT / "docs" / "results" / "codebook.json"
ROUNDS = 50
CASES = {"digits CNN": 0.2, "ResNet-8, MLPerf Tiny": 0.3, "ResNet-20, CIFAR-10": 0.2}
"""Densities of the networks."""


def shared(values: NDArray[np.int8], count: int) -> NDArray[np.int8]:
    """Each value replaced by one of at most `count`, which are the centres of what they replace."""
    found, numbers, often = np.unique(values, return_inverse=True, return_counts=True)
    if len(found) <= count:
        return values
    centres = np.quantile(values, (np.arange(count) + 0.5) / count)
    for _ in range(ROUNDS):
        nearest = np.abs(found[:, None] - centres).argmin(axis=1)
        total = np.bincount(nearest, often, count)
        centres = np.where(total, np.bincount(nearest, often * found, count) / np.maximum(total, 1), centres)
    whole = np.rint(centres).astype(np.int8)
    result: NDArray[np.int8] = whole[np.abs(found[:, None] - whole.astype(np.int64)).argmin(axis=1)][numbers]
    return result


def with_codebook(network: IntegerNetwork, count: int) -> IntegerNetwork:
    """The network with at most so many values in each layer; those that become 0 stay as they were."""
    steps = []
    for step in network.steps:
        if isinstance(step, LayerStep):
            weights = step.layer.weights.copy()
            nonzero = weights != 0
            weights[nonzero] = shared(weights[nonzero], count)
            lost = step.layer.weights.astype(np.int64).sum(axis=(2, 3)) - weights.astype(np.int64).sum(axis=(2, 3))
            zero_points = np.repeat([network.tensor(name).zero_point for name in step.inputs],
                                    [network.tensor(name).shape[0] for name in step.inputs])  # fmt: skip
            bias = step.layer.bias + lost @ zero_points[: weights.shape[1]]  # what the zero points add to the sums
            step = replace(step, layer=replace(step.layer, weights=weights, bias=bias))
        steps.append(step)
    return replace(network, steps=tuple(steps))


def main() -> None:
    """Prune, quantize, share values, measure, record."""
    origin()
    for name, density in CASES.items():
        subject = SUBJECTS[name](1000)
        assert subject.labels is not None
        inputs = subject.calibration[:200]
        dense = TrainableNetwork(import_module(subject.model, inputs[:2]))
        pruned = reconstruct(dense, inputs, density, dense.learned, counting)
        assert isinstance(pruned.model, TrainableNetwork)
        with torch.no_grad():
            network = quantize(pruned.model.network, inputs, error_aware=True)
        sizes = network_sizes(network)
        bits = {
            size: 8 * getattr(sizes, size) / sizes.nonzeros
            for size in ("packed", "bound", "value_bound", "codebook16", "codebook32")
        }
        record(
            RECORD,
            f"{name}, {density:.0%} dense",
            [
                ("packed", "bits a nonzero", bits["packed"]),
                ("bound, random values", "bits a nonzero", bits["bound"]),
                ("bound, these values", "bits a nonzero", bits["value_bound"]),
                ("packed, 32 values", "bits a nonzero", bits["codebook32"]),
                ("packed, 16 values", "bits a nonzero", bits["codebook16"]),
                ("int8", "%", int8_accuracy(network, subject.inputs, subject.labels)),
                ("32 values", "%", int8_accuracy(with_codebook(network, 32), subject.inputs, subject.labels)),
                ("16 values", "%", int8_accuracy(with_codebook(network, 16), subject.inputs, subject.labels)),
            ],
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
