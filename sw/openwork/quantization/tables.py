"""Functions of one value become activation tables, and join the layers that make what they read."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from openwork.activation import Table
from openwork.frontend import FloatFunction, FloatNetwork
from openwork.layer import IntegerLayer
from openwork.network import LayerStep, Shape, Step
from openwork.operations.form import COPY_SHIFT, COPY_WEIGHT
from openwork.quantization.errors import QuantizationError
from openwork.quantization.observers import Range
from openwork.quantization.scales import ActivationScale, activation_scale
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN

POINTS = 4096
"""Values for which a function is computed, to see where it is flat."""

FLAT = 0.25
"""A function is flat where its values differ by less than this many steps of its output's int8."""


def function_layer(step: FloatFunction, shape: Shape, before: ActivationScale, after: ActivationScale) -> LayerStep:
    """A layer that copies every channel, and whose outputs go through the table of a function.

    Args:
        step: of the float network.
        shape: of its tensor.
        before, after: scales of what it reads and of what it makes.

    Raises:
        QuantizationError: the function has no value for a number that can come.
    """
    integers = torch.arange(ACTIVATION_MIN, ACTIVATION_MAX + 1, dtype=torch.float64)
    values = step.run_real(before.scale * (integers - before.zero_point))
    if bool(values.isnan().any()):
        raise QuantizationError(f"layer {step.output!r}: {step.function.name} has no value for some of its inputs")
    rounded = torch.floor(values / after.scale + 0.5) + after.zero_point
    table = tuple(int(value) for value in rounded.clamp(ACTIVATION_MIN, ACTIVATION_MAX).tolist())
    channels = shape[0]
    layer = IntegerLayer(
        name=step.output,
        weights=np.full((channels, 1, 1, 1), COPY_WEIGHT, np.int8),
        bias=np.full(channels, -COPY_WEIGHT * before.zero_point, np.int64),
        shift=np.full(channels, COPY_SHIFT, np.int64),
        input_zero_point=before.zero_point,
        output_zero_point=before.zero_point,
        activation=Table(table),
        input_shape=shape,
        groups=channels,
    )
    return LayerStep(step.inputs, step.output, layer)


def with_joined_tables(steps: Sequence[Step], functions: Collection[str], outputs: Collection[str]) -> tuple[Step, ...]:
    """The steps, where a layer that only a function reads takes over the function's table. Its own tensor is then gone.

    Args:
        steps: of the network in integers.
        functions: names of the tensors that functions make.
        outputs: of the network.
    """
    readers = Counter(name for step in steps for name in step.inputs)
    made: dict[str, Step] = {}
    for step in steps:
        made[step.output] = step
        before = made.get(step.inputs[0])
        if step.output not in functions or not isinstance(step, LayerStep) or not isinstance(before, LayerStep):
            continue
        if readers[before.output] > 1 or before.output in outputs:
            continue
        every = np.arange(ACTIVATION_MIN, ACTIVATION_MAX + 1).astype(np.int8)
        table = step.layer.activation.apply(before.layer.activation.apply(every))
        layer = replace(before.layer, name=step.output, activation=Table(tuple(table.tolist())))
        del made[before.output]
        made[step.output] = LayerStep(before.inputs, step.output, layer)
    return tuple(made.values())


def without_flat_ends(network: FloatNetwork, ranges: Mapping[str, Range]) -> dict[str, Range]:
    """The ranges of a network's tensors, without what a function makes nothing of.

    Far below 0 a SiLU is 0, and a sigmoid is 1 far above 0. If nothing else reads such a tensor, its integers need not cover
    the values at these ends. So they are finer where the function is steep.
    """
    readers = Counter(name for step in network.steps for name in step.inputs)
    outputs = {name for names in network.groups for name in names}
    found = dict(ranges)
    for step in network.steps:
        name = step.inputs[0]
        if isinstance(step, FloatFunction) and readers[name] == 1 and name not in outputs:
            after = ranges[step.output]
            found[name] = _steep(step, ranges[name], activation_scale(after.low, after.high).scale)
    return found


def _steep(step: FloatFunction, whole: Range, scale: float) -> Range:
    """The part of a range beyond which a function's values stay the same, as far as int8 of this scale can say it."""
    points = torch.linspace(whole.low, whole.high, POINTS, dtype=torch.float64)
    values = step.run_real(points)
    if not bool(values.isfinite().all()):
        return whole
    below = (values - values[0]).abs() > FLAT * scale
    above = (values - values[-1]).abs() > FLAT * scale
    if not bool(below.any()):  # the same everywhere
        return whole
    first, last = int(below.nonzero()[0]) - 1, int(above.nonzero()[-1]) + 1
    return Range(float(points[first]), float(points[last]))
