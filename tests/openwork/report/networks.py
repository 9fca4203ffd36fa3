"""Compiled networks whose every step is known, for the tests of the report."""

from collections.abc import Sequence

import numpy as np

from openwork.activation import Clip
from openwork.compiler.network import compile_network
from openwork.image import Image
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, MaxPool, Step, Tensor
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

NAMES = ("input", "first", "pool", "sum", "average", "last")


def layer(name: str, weights: np.ndarray, shape: tuple[int, int, int], pad: int = 0, groups: int = 1) -> IntegerLayer:
    """Of zero points 0."""
    rows = np.zeros(len(weights), np.int64)
    padding = (pad, pad, pad, pad)
    return IntegerLayer(
        name, weights.astype(np.int8), rows, rows + 6, 0, 0, Clip(), shape, padding=padding, groups=groups
    )


def small_network(names: Sequence[str] = NAMES) -> IntegerNetwork:
    """A convolution, a maximum, a convolution that a sum joined, an average and a linear layer, on 8 x 8 pixels."""
    source, first, pool, total, average, last = names
    rng = np.random.default_rng(1)
    sparse = rng.integers(1, 100, (6, 6, 3, 3)) * rng.binomial(1, 0.3, (6, 6, 3, 3))
    skip = np.zeros((6, 6, 3, 3))
    skip[np.arange(6), np.arange(6), 1, 1] = 64
    steps: list[Step] = [
        LayerStep((source,), first, layer(first, rng.integers(1, 100, (6, 3, 3, 3)), (3, 8, 8), pad=1)),
        MaxPool((first,), pool, (2, 2), (2, 2)),
        LayerStep((pool, pool), total, layer(total, np.concatenate([sparse, skip], 1), (12, 4, 4), pad=1)),
        LayerStep((total,), average, layer(average, np.full((6, 1, 4, 4), 4), (6, 4, 4), groups=6)),
        LayerStep((average,), last, layer(last, rng.integers(-9, 0, (5, 6, 1, 1)), (6, 1, 1))),
    ]
    tensors = [Tensor(source, (3, 8, 8), 0.1, 0)]
    for step in steps:
        shapes = [one.shape for name in step.inputs for one in tensors if one.name == name]
        channels = sum(shape[0] for shape in shapes)
        tensors.append(Tensor(step.output, step.output_shape((channels, *shapes[0][1:])), 0.1, 0))
    return IntegerNetwork(tuple(tensors), tuple(steps), (last,))


def flattening_network() -> IntegerNetwork:
    """One whose last layer makes a vector of the map that it reads."""
    rng = np.random.default_rng(2)
    first = layer("first", rng.integers(1, 100, (4, 2, 3, 3)), (2, 8, 8), pad=1)
    last = layer("last", rng.integers(1, 9, (3, 4, 8, 8)), (4, 8, 8))
    tensors = (
        Tensor("input", (2, 8, 8), 0.1, 0),
        Tensor("first", (4, 8, 8), 0.1, 0),
        Tensor("last", (3, 1, 1), 0.1, 0),
    )
    steps = (LayerStep(("input",), "first", first), LayerStep(("first",), "last", last))
    return IntegerNetwork(tensors, steps, ("last",))


def small_image(names: Sequence[str] = NAMES, config: ArrayConfig = PRESETS["demo"]) -> Image:
    """Compiled `small_network`."""
    return compile_network(small_network(names), config, Encoding.PACKED)
