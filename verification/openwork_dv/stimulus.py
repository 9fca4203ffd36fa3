"""Constrained-random layers, the images they compile to, and ways to corrupt a weight stream."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from openwork.activation import Clip
from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network
from openwork.image import Image
from openwork.layer import IntegerLayer, row_sum_bits
from openwork.network import one_layer_network
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.encodings import encodings_of
from openwork_hw.arch.nonzeros import Encoding

TRIES = 2000
"""Random layers that may not fit before the constraints are called impossible."""


@dataclass(frozen=True, eq=False)
class Case:
    """A network of one layer with an input, compiled.

    Attributes:
        image: of one array, one encoding and one division of the maps.
        inputs: int8 [channels, height, width].
    """

    image: Image
    inputs: NDArray[np.int8]

    @property
    def layer(self) -> IntegerLayer:
        """The layer."""
        (layer,) = self.image.network.layers
        return layer

    @property
    def cycles(self) -> int:
        """Cycles of all commands without stalls, bytes in and out included."""
        return sum(command.predicted_cycles for command in self.image.commands)


def random_case(rng: Generator, config: ArrayConfig, max_cycles: int, encoding: Encoding | None = None) -> Case:
    """A random layer that fits the array and takes at most `max_cycles` cycles, with a random input.

    Raises:
        ValueError: no such layer was found.
    """
    divisions = [groups for groups in config.row_groups if config.pes // groups <= config.replicas]
    for _ in range(TRIES):
        layer = random_layer(rng, config.sum_bits)
        kind = encoding or Encoding(int(rng.choice(encodings_of(config))))
        try:
            image = compile_network(one_layer_network(layer), config, kind, row_groups=int(rng.choice(divisions)))
        except CompileError:
            continue
        case = Case(image, random_inputs(rng, layer))
        if case.cycles <= max_cycles:
            return case
    raise ValueError(f"no random layer for {config} takes at most {max_cycles} cycles")


def random_inputs(rng: Generator, layer: IntegerLayer) -> NDArray[np.int8]:
    """Any int8, or only the largest and smallest."""
    shape = layer.input_shape
    inputs = rng.choice([-128, 127], shape) if rng.random() < 0.2 else rng.integers(-128, 128, shape)
    return inputs.astype(np.int8)


def random_layer(rng: Generator, sum_bits: int) -> IntegerLayer:
    """A layer of any kind that an array runs, its sums within `sum_bits`; small, so that a simulator can follow."""
    channels, groups, rows = _sizes(rng)
    kernel = _kernel(rng)
    stride, dilation = _both(rng, [1, 1, 2, 3]), _both(rng, [1, 1, 2])
    reach = np.array(dilation) * (kernel - 1) + 1
    padding = [int(size) for size in rng.integers(0, np.tile(reach, 2))] if rng.random() < 0.7 else [0, 0, 0, 0]
    smallest = np.maximum(1, reach - padding[:2] - padding[2:])
    largest = int(rng.choice([1, 4, 9]))
    height, width = (int(low + rng.integers(0, largest)) for low in smallest)
    weights = _weights(rng, (rows, channels // groups, int(kernel[0]), int(kernel[1])))
    zero_point = _zero_point(rng)
    output_zero_point = _zero_point(rng)
    bias = rng.integers(-3000, 3000, rows) - zero_point * weights.reshape(rows, -1).astype(np.int64).sum(axis=1)
    shift = rng.integers(0, 11, rows)
    while row_sum_bits(weights, bias, shift, output_zero_point).max() > sum_bits:
        weights = (weights >> 1).astype(np.int8)
        bias, shift = bias >> 1, shift >> 1
    limits = rng.random()
    low, high = sorted(int(limit) for limit in rng.integers(-128, 128, 2)) if limits < 0.3 else (-128, 127)
    if limits > 0.8:
        low = output_zero_point  # a ReLU
    return IntegerLayer(
        name="random",
        weights=weights,
        bias=bias,
        shift=shift,
        input_zero_point=zero_point,
        output_zero_point=output_zero_point,
        activation=Clip(low, high),
        input_shape=(channels, height, width),
        stride=stride,
        padding=(padding[0], padding[1], padding[2], padding[3]),
        dilation=dilation,
        groups=groups,
    )


def _both(rng: Generator, numbers: list[int]) -> tuple[int, int]:
    """A number down and one across, mostly the same."""
    down, across = (int(number) for number in rng.choice(numbers, 2))
    return (down, across) if rng.random() < 0.3 else (down, down)


def _sizes(rng: Generator) -> tuple[int, int, int]:
    """Channels, groups, rows: one group, several, depthwise, or many channels or rows for few pixels."""
    kind = rng.random()
    if kind < 0.5:
        return int(rng.integers(1, 8)), 1, int(rng.integers(1, 12))
    if kind < 0.65:
        groups = int(rng.integers(2, 4))
        return groups * int(rng.integers(1, 4)), groups, groups * int(rng.integers(1, 4))
    if kind < 0.8:
        groups = int(rng.integers(2, 9))
        return groups, groups, groups * int(rng.integers(1, 3))
    if kind < 0.9:
        return int(rng.integers(20, 120)), 1, int(rng.integers(1, 6))
    return int(rng.integers(1, 4)), 1, int(rng.integers(20, 50))


def _zero_point(rng: Generator) -> int:
    return int(rng.integers(-128, 128)) if rng.random() < 0.4 else int(rng.choice([-128, 0, 127]))


def _kernel(rng: Generator) -> NDArray[np.int64]:
    if rng.random() < 0.35:
        return rng.integers(1, 8, 2)
    return np.repeat(rng.choice([1, 1, 3, 3, 5, 7]), 2)


def _weights(rng: Generator, shape: tuple[int, int, int, int]) -> NDArray[np.int8]:
    """Random, extreme or zero, at any density, some rows empty and some dense."""
    density = rng.choice([0.0, 0.05, 0.1, 0.2, 0.5, 1.0], p=[0.04, 0.16, 0.2, 0.3, 0.2, 0.1])
    weights = rng.choice([-128, 127], shape) if rng.random() < 0.2 else rng.integers(-128, 128, shape)
    kept = rng.random(shape) < density
    if density and rng.random() < 0.4:
        kept[rng.random(shape[0]) < 0.3] = False
        kept[rng.random(shape[0]) < 0.1] = True
    return np.where(kept, weights, 0).astype(np.int8)


def flip_bits(rng: Generator, words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """One to three bits are wrong, more often near the start, where headers and lengths are."""
    result = words.copy()
    for _ in range(int(rng.integers(1, 4))):
        place = 0 if rng.random() < 0.15 else int(rng.integers(len(words)))
        result[place] ^= np.uint32(1 << int(rng.integers(32)))
    return result


def truncate(rng: Generator, words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The end is missing."""
    return words[: int(rng.integers(1, max(len(words), 2)))]


def duplicate_word(rng: Generator, words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A word comes twice."""
    place = int(rng.integers(len(words)))
    return np.insert(words, place, words[place])


def drop_word(rng: Generator, words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A word is missing; the only one of a stream stays."""
    return np.delete(words, int(rng.integers(len(words)))) if len(words) > 1 else words


def append_words(rng: Generator, words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Something comes behind the end: zeros or noise."""
    more = rng.integers(0, 1 << 32, int(rng.integers(1, 4)), dtype=np.uint32)
    return np.concatenate([words, more * np.uint32(rng.integers(2))])


def swap_words(rng: Generator, words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Two words have changed places."""
    result = words.copy()
    places = rng.integers(len(words), size=2)
    result[places] = result[places[::-1]]
    return result


CORRUPTIONS: tuple[Callable[[Generator, NDArray[np.uint32]], NDArray[np.uint32]], ...] = (
    flip_bits,
    truncate,
    duplicate_word,
    drop_word,
    append_words,
    swap_words,
)
"""Ways to corrupt a stream: each takes a generator and words, and leaves them as they are."""
