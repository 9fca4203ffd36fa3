"""The digits CNN at 10 % density: gradual pruning with the dense network as teacher, trained on in integers; three seeds."""

from copy import deepcopy

import torch
from sparsity import RECORD, figures, float_accuracy, int8_accuracy, origin, record

from openwork.frontend import import_module
from openwork.models import digits
from openwork.pruning import Recipe, check_masks, fit, gradual
from openwork.quantization import TrainableNetwork
from openwork.report.compression import network_sizes

DENSITY, SEEDS = 0.1, 3


def main() -> None:
    """Train, prune, train on in the golden model's arithmetic, measure, record."""
    origin()
    data = digits.load()
    dense_accuracies, sparse_accuracies = [], []
    for seed in range(SEEDS):
        dense = digits.train(seed).eval()
        model = deepcopy(dense).train()
        recipe = Recipe(epochs=20, rate=4e-3, batch=96, teaching=0.5, seed=seed)
        steps = recipe.steps(len(data.train_images))
        pruner = gradual(model, DENSITY, steps // 2, every=5, scope="global")
        fit(model, data.train_images, data.train_labels, recipe, pruner=pruner, teacher=dense)
        pruned = pruner.finish()
        integer = TrainableNetwork(import_module(pruned.model, data.train_images[:2]))
        masks = integer.masks()
        integer.make_integer(data.train_images)
        recipe = Recipe(epochs=5, rate=5e-4, batch=96, teaching=0.5, seed=seed)
        fit(integer, data.train_images, data.train_labels, recipe, masks=masks, teacher=dense)
        check_masks(integer, masks)
        network = integer.integers()
        dense_accuracies.append(float_accuracy(dense, data.test_images, data.test_labels))
        sparse_accuracies.append(int8_accuracy(network, data.test_images, data.test_labels))
    found = figures(
        dense_accuracies, sparse_accuracies, 1.0, len(data.test_images), pruned.density, network_sizes(network)
    )
    record(RECORD, "digits CNN: gradual, then in integers", found)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
