"""LeNet-5 and an MLP on MNIST at 5 % density: gradual pruning with the dense network as teacher, then int8; three seeds."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from itertools import product

import torch
from sparsity import (
    CHECKPOINTS,
    RECORD,
    counting,
    figures,
    float_accuracy,
    int8_accuracy,
    kept,
    origin,
    quantized,
    record,
)
from torch import nn

from openwork.models import mnist, shared_data
from openwork.pruning import Recipe, fit, gradual
from openwork.report.compression import network_sizes

DENSITY, SEEDS = 0.05, 3
BUILDERS: dict[str, Callable[[], nn.Module]] = {"LeNet-5": mnist.lenet5, "MLP 784-300-100-10": mnist.mlp}


def main() -> None:
    """Train, prune, quantize, measure; the record is kept after each seed."""
    origin()
    train, test = shared_data.mnist("train"), shared_data.mnist("test")
    CHECKPOINTS.mkdir(parents=True, exist_ok=True)
    dense_accuracies: dict[str, list[float]] = {name: [] for name in BUILDERS}
    sparse_accuracies: dict[str, list[float]] = {name: [] for name in BUILDERS}
    for seed, (name, build) in product(range(SEEDS), BUILDERS.items()):
        dense = kept(CHECKPOINTS / f"{name}, seed {seed}, dense.pt", build, partial(mnist.train, build, seed))
        model = deepcopy(dense)
        inputs, values = mnist.as_inputs(train, dense), mnist.as_inputs(test, dense)
        recipe = Recipe(epochs=12, rate=4e-3, batch=256, teaching=0.5, seed=seed)
        pruner = gradual(model.train(), DENSITY, recipe.steps(len(inputs)) // 2, every=50, scope="global")
        fit(
            model,
            inputs,
            train.labels,
            recipe,
            pruner=pruner,
            teacher=dense,
            checkpoint=CHECKPOINTS / f"{name}, seed {seed}.pt",
            progress=counting,
        )
        pruned = pruner.finish()
        network = quantized(pruned.model, inputs[::120])
        dense_accuracies[name].append(float_accuracy(dense, values, test.labels))
        sparse_accuracies[name].append(int8_accuracy(network, values, test.labels))
        accuracies = dense_accuracies[name], sparse_accuracies[name]
        record(
            RECORD,
            f"{name}, MNIST: gradual, then int8",
            figures(*accuracies, 0.3, len(values), pruned.density, network_sizes(network)),
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
