"""The digits model: built, trained, pruned and quantized."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from openwork.frontend import import_module
from openwork.models import digits


def test_data_is_real_and_divided_once() -> None:
    data = digits.load()
    assert data.train_images.shape == (1437, 1, 8, 8) and data.test_images.shape == (360, 1, 8, 8)
    assert data.train_images.min() == 0 and data.train_images.max() == 1
    assert torch.equal(data.test_labels, digits.load().test_labels)
    assert torch.bincount(data.test_labels).min() > 20


def test_holds_each_kind_of_layer() -> None:
    layers = import_module(digits.build(), torch.zeros(1, 1, 8, 8)).layers
    kinds = [(layer.weights.shape[2:], layer.groups, layer.stride[0]) for layer in layers]
    assert kinds == [((3, 3), 1, 1), ((3, 3), 16, 1), ((1, 1), 1, 1), ((3, 3), 1, 2), ((4, 4), 1, 1)]
    assert sum(layer.weights.numel() for layer in layers) == 15136


def test_building_leaves_the_random_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    digits.build(seed=1)
    assert torch.equal(torch.rand(1), expected)


def test_short_training_is_deterministic_and_shows_progress() -> None:
    titles = []

    def progress(steps: Sequence[int], title: str) -> Sequence[int]:
        titles.append((title, len(steps)))
        return steps

    first, second = (digits.prepare(seed=3, epochs=2, progress=progress) for _ in range(2))
    assert titles[:3] == [("training", 2), ("training at 45% density", 1), ("training at 20% density", 1)]
    assert first.accuracies == second.accuracies
    for one, other in zip(first.model.layers, second.model.layers, strict=True):
        assert np.array_equal(one.weights, other.weights) and np.array_equal(one.bias, other.bias)


@pytest.mark.slow
def test_prepared_model_is_sparse_and_accurate() -> None:
    prepared = digits.prepare()
    assert prepared.accuracies["int8"] > 0.95
    assert prepared.accuracies["float"] - prepared.accuracies["int8"] < 0.03
    assert prepared.model.density <= prepared.pruned_density <= 0.2
    assert prepared.test_inputs.dtype == np.int8 and prepared.test_inputs.shape == (360, 1, 8, 8)
    assert "int8" in str(prepared)
