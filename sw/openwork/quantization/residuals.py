"""Residuals join rows: a sum becomes part of the layer before it, wherever integers lose nothing by it.

A layer without limits whose output only a sum reads, and the sum, become one layer: its rows hold the layer's weights and,
at the tap that reads the output's own pixel, one for the other map, the *skip*. That weight is ``skip scale / output scale
* 2 ** shift``. Where it is larger than an int8, the skip is read several times, and its weights add up; so the layer's own
weights keep their precision.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import frexp

import numpy as np
import torch
from numpy.typing import NDArray

from openwork.frontend import FloatAdd, FloatJoin, FloatLayer, FloatNetwork, FloatStep
from openwork.network import MAX_TAPS, Shape
from openwork.quantization.agreement import agree
from openwork.quantization.observers import Range
from openwork.quantization.scales import ActivationScale, activation_scale, power_of_two_shifts
from openwork.scales import TYPICAL, WEIGHT_MAX
from openwork_hw.arch.nonzeros import ColumnLayout

REPETITIONS = 8
"""Most nonzeros of a row that one residual takes (why: `docs/decisions/0006-residuals-join-rows.md`)."""


@dataclass(frozen=True)
class Plan:
    """What is decided before weights become integers.

    Attributes:
        network: with sums joined to layers.
        scales: of its tensors.
        shifts: for each `FloatJoin`, by its output, the shift of each row, int64 [rows].
    """

    network: FloatNetwork
    scales: Mapping[str, ActivationScale]
    shifts: Mapping[str, NDArray[np.int64]]


def plan(network: FloatNetwork, ranges: Mapping[str, Range], max_shift: int, repetitions: int = REPETITIONS) -> Plan:
    """Which sums join a layer, and the scales then.

    A sum stays a step of its own where its layer, joined, would have more noise than the two steps together.

    Args:
        network: of the front end.
        ranges: of its tensors.
        max_shift: of the array.
        repetitions: most nonzeros of a row that one residual takes; with 0 no sum joins.
    """
    apart: set[tuple[str, str]] = set()
    while True:
        joined = join_residuals(network, apart) if repetitions else network
        scales = agree(joined, ranges)
        shifts = {}
        noisier = set()
        for step in joined.steps:
            if isinstance(step, FloatJoin):
                own = activation_scale(ranges[step.layer.output].low, ranges[step.layer.output].high)
                found = joined_shifts(step, joined.shapes, scales, own.scale, max_shift, repetitions)
                if found is None:
                    noisier.add((step.layer.output, step.output))
                else:
                    shifts[step.output] = found
        if not noisier:
            return Plan(joined, scales, shifts)
        apart |= noisier


def join_residuals(network: FloatNetwork, apart: Collection[tuple[str, str]] = ()) -> FloatNetwork:
    """The network with each sum joined to the layer that makes one of its maps, where there is one that can be.

    If both maps come from such layers, the one that runs last is taken.

    Args:
        network: stays as it is.
        apart: pairs of a layer and a sum that do not join.
    """
    layers = {step.output: step for step in network.steps if isinstance(step, FloatLayer)}
    order = {name: index for index, name in enumerate(network.shapes)}
    readers = Counter(network.outputs) + Counter(name for step in network.steps for name in step.inputs)
    steps: dict[str, FloatStep] = {}
    for step in network.steps:
        steps[step.output] = step
        if not isinstance(step, FloatAdd):
            continue
        sides = [(step.inputs[: step.parts], step.inputs[step.parts :], step.signs),
                 (step.inputs[step.parts :], step.inputs[: step.parts], step.signs[::-1])]  # fmt: skip
        for own, skip, signs in sorted(sides, key=lambda side: -order[side[0][-1]]):
            layer = layers.get(own[0]) if len(own) == 1 else None
            if layer is None or readers[layer.output] > 1 or (layer.output, step.output) in apart:
                continue
            tap = same_pixel_tap(layer, network.shapes)
            if layer.limits.are_none and tap is not None:
                signed = replace(layer, weights=signs[0] * layer.weights, bias=signs[0] * layer.bias)
                del steps[layer.output]
                inputs = layer.inputs + skip
                steps[step.output] = FloatJoin(inputs, step.output, signed, *signs, tap, step.limits)
                break
    shapes = {name: network.shapes[name] for name in (network.input, *steps)}
    return replace(network, shapes=shapes, steps=tuple(steps.values()))


def same_pixel_tap(layer: FloatLayer, shapes: Mapping[str, Shape]) -> tuple[int, int] | None:
    """Row and column of the kernel's tap that reads, for each pixel of the output, the same pixel of an equal map.

    None where there is no such tap, or the output is no map as large as the input.
    """
    if layer.taps > MAX_TAPS:  # one more could be too many
        return None
    tap = []
    for axis in (0, 1):
        pixels = shapes[layer.output][1 + axis]
        place, between = divmod(layer.padding[axis], layer.dilation[axis])
        if shapes[layer.inputs[0]][1 + axis] != pixels or (layer.stride[axis] > 1 and pixels > 1):
            return None
        if between or place >= layer.weights.shape[2 + axis]:
            return None
        tap.append(place)
    return tap[0], tap[1]


def weights_by_step(
    layer: FloatLayer, shapes: Mapping[str, Shape], scales: Mapping[str, ActivationScale]
) -> torch.Tensor:
    """A layer's weights times the scales of what they multiply: what one step of an input changes in the output."""
    counts = [shapes[name][0] for name in layer.inputs]
    if layer.groups > 1:  # its inputs are in agreement
        counts = [layer.weights.shape[1]]
    steps = np.repeat([scales[name].scale for name in layer.inputs[: len(counts)]], counts)
    return layer.weights * torch.tensor(steps)[:, None, None]


def skip_weights(ratio: float, shift: NDArray[np.int64]) -> NDArray[np.int64]:
    """The skip's weight in rows of these shifts, the sum over its repetitions; `ratio`: skip scale / output scale."""
    weights: NDArray[np.int64] = np.floor(ratio * np.exp2(shift.astype(np.float64)) + 0.5).astype(np.int64)
    return weights


def joined_weights(
    own: NDArray[np.int8], groups: int, skip: NDArray[np.int64], tap: tuple[int, int]
) -> tuple[NDArray[np.int8], int]:
    """The weights of a joined layer, without groups, and how many times it reads the skip.

    >>> joined_weights(np.array([[[[5]]], [[[6]]]], np.int8), 2, np.array([3, -300]), (0, 0))[0][:, :, 0, 0].tolist()
    [[5, 0, 3, 0, 0, 0, 0, 0], [0, 6, 0, -127, 0, -127, 0, -46]]

    Args:
        own: of the layer, int8 [rows, channels / groups, kernel_h, kernel_w].
        groups: of the layer.
        skip: the skip's weight in each row, int64 [rows].
        tap: row and column of the tap that reads the output's own pixel.
    """
    rows, each, *kernel = own.shape
    copies = max(1, int(-(-np.abs(skip).max() // WEIGHT_MAX)))
    weights = np.zeros((rows, each * groups + copies * rows, *kernel), np.int8)
    for group in range(groups):
        members = slice(group * rows // groups, (group + 1) * rows // groups)
        weights[members, group * each : (group + 1) * each] = own[members]
    numbers = np.arange(rows)
    for copy in range(copies):
        part = np.clip(np.abs(skip) - copy * WEIGHT_MAX, 0, WEIGHT_MAX) * np.sign(skip)
        weights[numbers, each * groups + copy * rows + numbers, tap[0], tap[1]] = part
    return weights, copies


def joined_shifts(
    step: FloatJoin,
    shapes: Mapping[str, Shape],
    scales: Mapping[str, ActivationScale],
    own_scale: float,
    max_shift: int,
    repetitions: int,
) -> NDArray[np.int64] | None:
    """The shift of each row of a joined layer, int64 [rows]; None if it would have more noise than two steps.

    Noise is what rounding the output, the weights and the skip's weight changes in an output, the mean square for inputs of
    a typical size. A row takes as few repetitions as keep it from having more noise than it has in two steps, and the most
    that there may be if none do.

    Args:
        step: as joined.
        shapes, scales: of the tensors.
        own_scale: of the layer's output, if it were a tensor.
        max_shift: of the array.
        repetitions: most nonzeros of a row for the skip.
    """
    layer, after = step.layer, scales[step.output].scale
    ratio = scales[step.skip[0]].scale / after
    weights = weights_by_step(layer, shapes, scales)
    power = (weights != 0).flatten(1).sum(dim=1).numpy() * TYPICAL**2

    def of_weights(shift: NDArray[np.int64]) -> NDArray[np.float64]:
        """In squares of the unit that the shift leads to, times 12, as all noise here."""
        noise: NDArray[np.float64] = power * np.exp2(-2.0 * shift)
        return noise

    separate = 1 + (own_scale / after) ** 2 * (
        1 + of_weights(power_of_two_shifts(weights, own_scale, max_shift).numpy())
    )
    own = np.where(power > 0, power_of_two_shifts(weights, after, max_shift).numpy(), max_shift)
    shifts, least = own, np.full(len(own), np.inf)
    for copies in _possible_copies(layer, shapes, repetitions):
        shift = np.minimum(own, frexp((WEIGHT_MAX * copies + 0.49) / ratio)[1] - 1)
        if shift.min() < 0:
            continue
        skip = ratio * np.exp2(shift.astype(np.float64))
        wrong = (skip_weights(ratio, shift) - skip) / skip * ratio * TYPICAL
        noise = 1 + of_weights(shift) + 12 * wrong**2
        better = (least > separate) & (noise < least)
        shifts, least = np.where(better, shift, shifts), np.where(better, noise, least)
    return shifts if least.mean() <= separate.mean() else None


def _possible_copies(layer: FloatLayer, shapes: Mapping[str, Shape], repetitions: int) -> list[int]:
    """Powers of two up to `repetitions` for which the columns of a joined layer can be numbered."""
    possible = []
    copies = 1
    while copies <= repetitions:
        channels = sum(shapes[name][0] for name in layer.inputs) + copies * len(layer.weights)
        try:
            ColumnLayout(layer.taps, channels)
        except ValueError:
            break
        possible.append(copies)
        copies *= 2
    return possible
