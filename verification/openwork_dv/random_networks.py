"""Random integer networks of every kind of step, made to meet what networks need of the array."""

from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from openwork.activation import Activation, Clip, Table
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, MaxPool, PixelShuffle, Reshape, Shape, Step, Tensor, Upsample

MOST_PIXELS = 160
"""Of a map that an enlarging step makes."""

FACTORS = ((2, 2), (1, 2), (2, 1), (1, 3), (3, 1), (1, 1))
"""What channels become, down and across; with (1, 1) pixels are only cut off."""

ZERO_POINTS = (-128, -11, 0, 5, 127)


def random_network(rng: Generator, *, tables: bool = False) -> IntegerNetwork:
    """One to seven steps, each reading mostly what the last one made; not all of them fit an array.

    Args:
        tables: whether the outputs of some layers go through activation tables.
    """
    zero_point = int(rng.choice(ZERO_POINTS))
    shape: Shape = (int(rng.integers(1, 6)), int(rng.integers(1, 13)), int(rng.integers(1, 11)))
    if rng.random() < 0.2:
        shape = (int(rng.integers(2, 16)), 1, 1)
    if rng.random() < 0.04:
        return _with_a_wide_residual(rng, zero_point)
    tensors = [Tensor("input", shape, 1.0, zero_point)]
    steps: list[Step] = []
    for number in range(int(rng.integers(1, 8))):
        sources = _sources(rng, tensors)
        names = tuple(source.name for source in sources)
        whole = (sum(source.shape[0] for source in sources), *sources[0].shape[1:])
        step = _step(rng, f"step {number}", names, whole, tensors)
        zero = next((layer.output_zero_point for layer in step.layers), sources[0].zero_point)
        if tables and isinstance(step, LayerStep) and rng.random() < 0.4:
            step = _tabled(rng, step, [one.layer.activation for one in steps if isinstance(one, LayerStep)])
        tensors.append(Tensor(step.output, step.output_shape(whole), 1.0, zero))
        steps.append(step)
        if tensors[-1].shape[0] <= 24 and rng.random() < 0.1:
            for leaky in _leaky(rng, f"leaky {number}", tensors[-1]):
                steps.append(leaky)
                tensors.append(Tensor(leaky.output, leaky.layer.output_shape, 1.0, leaky.layer.output_zero_point))
    return IntegerNetwork(tuple(tensors), tuple(steps), (tensors[-1].name,))


def _tabled(rng: Generator, step: LayerStep, before: list[Activation]) -> LayerStep:
    """The step with an activation table: its own, or one of a step before. Its tensor has another zero point than its sums."""
    known = [one for one in before if isinstance(one, Table)]
    own = Table(tuple(rng.integers(-128, 128, 256).tolist()))
    table = known[int(rng.integers(len(known)))] if known and rng.random() < 0.5 else own
    layer = replace(step.layer, activation=table, output_zero_point=int(rng.choice(ZERO_POINTS)))
    return replace(step, layer=layer)


def _sources(rng: Generator, tensors: list[Tensor]) -> list[Tensor]:
    """What a step reads: the last tensor or another one, alone, twice, or with one of the same size and zero point."""
    first = tensors[-1] if rng.random() < 0.85 else tensors[int(rng.integers(len(tensors)))]
    if first.shape[0] > 24:
        return [first]
    alike = [one for one in tensors[:-1] if one is not first and one.zero_point == first.zero_point
             and one.shape[1:] == first.shape[1:] and one.shape[0] <= 24]  # fmt: skip
    if alike and rng.random() < 0.5:
        return [first, alike[int(rng.integers(len(alike)))]]
    return [first, first] if rng.random() < 0.08 else [first]


def _step(rng: Generator, name: str, names: tuple[str, ...], shape: Shape, tensors: list[Tensor]) -> Step:
    channels, height, width = shape
    zero = next(tensor.zero_point for tensor in tensors if tensor.name == names[0])
    kinds = {"layer": 5.0, "depthwise": 1.0, "chosen": 0.7}
    if height * width > 1:
        kinds |= {"pool": 2.0, "average": 0.8, "flat": 0.5, "reshape": 0.6}
    elif channels > 3:
        kinds |= {"reshape": 2.0}
    if height * width <= MOST_PIXELS / 4:
        kinds |= {"enlarge": 0.8}
    counts = [tensor.shape[0] for tensor in tensors if tensor.name in names]
    factors = [(down, across) for down, across in FACTORS if all(count % (down * across) == 0 for count in counts)]
    if 1 < height * width <= MOST_PIXELS / 2 and factors:
        kinds |= {"shuffle": 1.5}
    shares = np.array(list(kinds.values()))
    kind = str(rng.choice(list(kinds), p=shares / shares.sum()))
    if kind == "pool":
        kernel = _kernel(rng, height, width)
        padding = [int(rng.integers(0, kernel[side % 2])) for side in range(4)] if rng.random() < 0.4 else [0] * 4
        stride = _both(rng, [1, 2, 2, 3])
        return MaxPool(names, name, kernel, stride, (padding[0], padding[1], padding[2], padding[3]))
    if kind == "enlarge":
        times = 2 if height * width > 10 else int(rng.integers(2, 5))
        ways = ((times, times), (times, times), (times, 1), (1, times))
        return Upsample(names, name, ways[int(rng.integers(len(ways)))])
    if kind == "shuffle":
        factor = factors[int(rng.integers(len(factors)))]
        return PixelShuffle(names, name, factor, (_cut(rng, height * factor[0]), _cut(rng, width * factor[1])))
    if kind == "reshape":
        return Reshape(names, name, _other_shape(rng, shape))
    if kind == "average":
        weights = np.broadcast_to(rng.integers(1, 9, (channels, 1, 1, 1)), (channels, 1, height, width)).astype(np.int8)
        return LayerStep(names, name, _layer(rng, name, weights, shape, zero, groups=channels))
    if kind == "chosen":  # as of `chunk`: rows that read a range of the channels only
        first, last = sorted(int(end) for end in rng.integers(0, channels + 1, 2))
        weights = _weights(rng, (int(rng.integers(1, 9)), channels, 1, 1))
        weights[:, :first], weights[:, last:] = 0, 0
        return LayerStep(names, name, _layer(rng, name, weights, shape, zero))
    if kind == "flat":
        weights = _weights(rng, (int(rng.integers(1, 12)), channels, height, width))
        return LayerStep(names, name, _layer(rng, name, weights, shape, zero))
    return LayerStep(names, name, _convolution(rng, name, names, shape, zero, tensors, depthwise=kind == "depthwise"))


def _leaky(rng: Generator, name: str, source: Tensor) -> list[LayerStep]:
    """What a LeakyReLU becomes: a copy of the negative values, clamped at their zero, and the sum of it and the map."""
    channels, zero = source.shape[0], int(rng.choice(ZERO_POINTS))
    weights, added = -int(rng.integers(64, 128)), int(rng.integers(1, 128))
    shift = np.full(channels, 7, np.int64)
    below = IntegerLayer(
        f"{name} below", np.full((channels, 1, 1, 1), weights, np.int8), np.full(channels, -weights * source.zero_point),
        shift, source.zero_point, zero, Clip(low=zero), source.shape, groups=channels,
    )  # fmt: skip
    one = np.eye(channels, dtype=np.int8)[:, :, None, None]
    total = IntegerLayer(
        name, np.concatenate([127 * one, added * one], axis=1).astype(np.int8),
        np.full(channels, -127 * source.zero_point - added * zero), shift, source.zero_point, source.zero_point,
        Clip(), (2 * channels, *source.shape[1:]),
    )  # fmt: skip
    return [LayerStep((source.name,), below.name, below), LayerStep((source.name, below.name), name, total)]


def _convolution(
    rng: Generator,
    name: str,
    names: tuple[str, ...],
    shape: Shape,
    zero: int,
    tensors: list[Tensor],
    *,
    depthwise: bool,
) -> IntegerLayer:
    channels, height, width = shape
    groups = channels if depthwise else 1
    rows = groups * int(rng.integers(1, 3)) if depthwise else int(rng.integers(1, 14))
    kernel = _kernel(rng, height, width)
    dilation = (1, 1)
    if max(kernel) == 3 and min(height, width) > 5 and rng.random() < 0.2:
        dilation = (2, 2) if rng.random() < 0.7 else (1, 2) if rng.random() < 0.5 else (2, 1)
    padding = [0] * 4
    if height * width > 1 and rng.random() < 0.7:
        padding = [dilation[side % 2] * (kernel[side % 2] // 2) for side in range(4)]
        if rng.random() < 0.25:
            padding = [max(0, pixels + int(rng.integers(-1, 2))) for pixels in padding]
    for axis, size in enumerate((height, width)):  # the window is no larger than the padded map
        missing = dilation[axis] * (kernel[axis] - 1) + 1 - size - padding[axis] - padding[axis + 2]
        padding[axis + 2] += max(missing, 0)
    weights = _weights(rng, (rows, channels // groups, *kernel))
    if len(names) == 2 and names[0] != names[1] and not depthwise and rng.random() < 0.5:
        first = next(tensor.shape[0] for tensor in tensors if tensor.name == names[0])
        weights[:, first:] = 0
        joined = np.arange(min(rows, channels - first))
        weights[joined, first + joined, kernel[0] // 2, kernel[1] // 2] = 64
    stride = (1, 1) if height * width == 1 else _both(rng, [1, 1, 1, 1, 2, 2, 2, 3])
    return _layer(
        rng, name, weights, shape, zero, stride, (padding[0], padding[1], padding[2], padding[3]), dilation, groups
    )


def _layer(
    rng: Generator,
    name: str,
    weights: NDArray[np.int8],
    shape: Shape,
    zero: int,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> IntegerLayer:
    """Of these weights, with shifts that bring most sums near to an int8."""
    rows = len(weights)
    size = np.abs(weights.astype(np.int64)).reshape(rows, -1).sum(axis=1) * 16 + 1
    shift = np.clip(np.log2(size).astype(np.int64) - 6 + rng.integers(-2, 3, rows), 0, 21)
    bias = rng.integers(-64, 64, rows) << shift
    low, high = (int(limit) for limit in ((-128, 127), (-128, 127), (-30, 90), (3, 3))[int(rng.integers(4))])
    output = zero if rng.random() < 0.8 else int(rng.choice(ZERO_POINTS))
    return IntegerLayer(
        name, weights, bias, shift, zero, output, Clip(low, high), shape, stride, padding, dilation, groups
    )


def _cut(rng: Generator, pixels: int) -> int:
    """All pixels of a side, or a few less."""
    return int(rng.integers(max(1, pixels - 2), pixels + 1))


def _both(rng: Generator, numbers: list[int]) -> tuple[int, int]:
    """A number down and one across, mostly the same."""
    down, across = (int(number) for number in rng.choice(numbers, 2))
    return (down, across) if rng.random() < 0.2 else (down, down)


def _kernel(rng: Generator, height: int, width: int) -> tuple[int, int]:
    """Odd squares mostly; sometimes as large as the map, or larger than wide."""
    if rng.random() < 0.7:
        side = int(rng.choice([1, 3, 3, 5]))
        return min(side, height), min(side, width)
    return int(rng.integers(1, min(height, 5) + 1)), int(rng.integers(1, min(width, 5) + 1))


def _other_shape(rng: Generator, shape: Shape) -> Shape:
    """The same values in another order; a map becomes a vector or another map, a vector a map."""
    channels, height, width = shape
    values = channels * height * width
    if height * width > 1 and rng.random() < 0.5:
        return (values, 1, 1)
    sides = [side for side in range(1, 13) if values % side == 0]
    first = int(rng.choice(sides))
    second = int(rng.choice([side for side in sides if values // first % side == 0]))
    if first * second == 1:
        second = max(side for side in sides if values % side == 0)
    return (values // first // second, first, second)


def _weights(rng: Generator, shape: tuple[int, int, int, int]) -> NDArray[np.int8]:
    """Random or extreme, at several densities, sometimes with empty rows."""
    values = rng.choice([-128, 127], shape) if rng.random() < 0.1 else rng.integers(-128, 128, shape)
    kept = rng.random(shape) < rng.choice([0.1, 0.3, 0.6, 1.0])
    if rng.random() < 0.2:
        kept[rng.random(shape[0]) < 0.3] = False
    return np.where(kept, values, 0).astype(np.int8)


def _with_a_wide_residual(rng: Generator, zero_point: int) -> IntegerNetwork:
    """So many rows that each read a channel of their own, that they run in blocks."""
    shape: Shape = (128, int(rng.integers(2, 6)), int(rng.integers(2, 6)))
    weights = np.zeros((128, 64 + 3 * 128, 1, 1), np.int8)
    weights[:, :64] = rng.integers(-1, 2, (128, 64, 1, 1))
    for repetition in range(3):
        weights[np.arange(128), 64 + 128 * repetition + np.arange(128)] = 127
    first = _layer(rng, "narrow", _weights(rng, (64, 128, 1, 1)), shape, zero_point)
    second = _layer(rng, "wide", weights, (448, *shape[1:]), zero_point)
    tensors = (
        Tensor("input", shape, 1.0, zero_point),
        Tensor("narrow", first.output_shape, 1.0, first.output_zero_point),
        Tensor("wide", second.output_shape, 1.0, second.output_zero_point),
    )
    steps = LayerStep(("input",), "narrow", first), LayerStep(("narrow", "input", "input", "input"), "wide", second)
    return IntegerNetwork(tensors, steps, ("wide",))
