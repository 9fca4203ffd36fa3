"""The golden model against a slow Python loop that shares no code with it."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from openwork.activation import Clip
from openwork.golden import partial_sums, run_layer
from openwork.layer import IntegerLayer, LayerError


def slow_layer(layer: IntegerLayer, inputs: NDArray[np.int8]) -> list[list[list[int]]]:
    """The layer by its definition, one Python integer at a time; rounding by exact fractions."""
    channels, height, width = layer.input_shape
    group_channels, group_rows = channels // layer.groups, layer.rows // layer.groups
    low, high = layer.activation.limits
    outputs = []
    for row in range(layer.rows):
        plane = []
        for y in range(layer.output_shape[1]):
            line = []
            for x in range(layer.output_shape[2]):
                total = int(layer.bias[row])
                for channel in range(group_channels):
                    for ky in range(layer.kernel[0]):
                        for kx in range(layer.kernel[1]):
                            source_y = y * layer.stride[0] - layer.padding[0] + ky * layer.dilation[0]
                            source_x = x * layer.stride[1] - layer.padding[1] + kx * layer.dilation[1]
                            inside = 0 <= source_y < height and 0 <= source_x < width
                            source_channel = row // group_rows * group_channels + channel
                            operand = inputs[source_channel, source_y, source_x] if inside else layer.input_zero_point
                            total += int(operand) * int(layer.weights[row, channel, ky, kx])
                rounded = floor(Fraction(total, 2 ** int(layer.shift[row])) + Fraction(1, 2))
                line.append(max(low, min(high, rounded + layer.output_zero_point)))
            plane.append(line)
        outputs.append(plane)
    return outputs


@st.composite
def layers(draw: st.DrawFn) -> IntegerLayer:
    """Small layers of every geometry; values often extreme."""
    groups = draw(st.integers(1, 4))
    channels = groups * (1 if draw(st.booleans()) else draw(st.integers(1, 3)))
    rows = groups * draw(st.integers(1, 2))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    padding = draw(st.tuples(*[st.integers(0, 3)] * 4))
    smallest = [dilation[axis] * (kernel[axis] - 1) + 1 - padding[axis] - padding[axis + 2] for axis in (0, 1)]
    height, width = (draw(st.integers(max(1, size), max(1, size) + 4)) for size in smallest)
    generator = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    largest = draw(st.sampled_from([1, 127, 128]))
    low, high = sorted(draw(st.sampled_from([(-128, 127), (-128, 127), (-7, 50), (3, 3)])))
    return IntegerLayer(
        name="random",
        weights=generator.integers(
            -largest, min(largest, 127), (rows, channels // groups, *kernel), np.int8, endpoint=True
        )
        * generator.integers(0, 2, (rows, 1, 1, 1), np.int8),
        bias=generator.integers(-(1 << 12), 1 << 12, rows),
        shift=generator.integers(0, draw(st.sampled_from([2, 12, 23])), rows),
        input_zero_point=draw(st.sampled_from([-128, -3, 0, 127])),
        output_zero_point=draw(st.sampled_from([-128, 0, 5, 127])),
        activation=Clip(low, high),
        input_shape=(channels, height, width),
        stride=draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        padding=padding,
        dilation=dilation,
        groups=groups,
    )


@given(layer=layers(), seed=st.integers(0, 1 << 32), extreme=st.booleans())
@settings(max_examples=120, deadline=None)
def test_layer_equals_the_slow_loop(layer: IntegerLayer, seed: int, extreme: bool) -> None:
    generator = np.random.default_rng(seed)
    inputs = generator.integers(-128, 128, layer.input_shape, np.int8)
    if extreme:
        inputs = np.where(inputs < 0, -128, 127).astype(np.int8)
    outputs = run_layer(layer, inputs)
    assert outputs.dtype == np.int8 and outputs.shape == layer.output_shape
    assert outputs.tolist() == slow_layer(layer, inputs)


def one_by_one(value: int, channels: int, shift: int, **limits: int) -> IntegerLayer:
    """A linear layer of one row whose weights are all `value`."""
    return IntegerLayer(
        name="linear",
        weights=np.full((1, channels, 1, 1), value, dtype=np.int8),
        bias=np.zeros(1, dtype=np.int64),
        shift=np.array([shift]),
        input_zero_point=0,
        output_zero_point=0,
        activation=Clip(**limits),
        input_shape=(channels, 1, 1),
    )


@pytest.mark.parametrize(("activation", "expected"), [(-128, 127), (127, -128)])
def test_saturates_on_both_sides(activation: int, expected: int) -> None:
    layer = one_by_one(-128, channels=300, shift=0)
    inputs = np.full(layer.input_shape, activation, dtype=np.int8)
    assert partial_sums(layer, inputs).item() == -128 * activation * 300
    assert run_layer(layer, inputs).item() == expected


def test_sums_beyond_float32_are_exact() -> None:
    layer = one_by_one(127, channels=4097, shift=22)
    inputs = np.full(layer.input_shape, 127, dtype=np.int8)
    assert partial_sums(layer, inputs).item() == 127 * 127 * 4097  # odd and over 2**24


def test_batch_is_one_by_one() -> None:
    layer = one_by_one(3, channels=4, shift=2)
    batch = np.random.default_rng(0).integers(-128, 128, (5, 4, 1, 1), np.int8)
    assert run_layer(layer, batch).tolist() == [run_layer(layer, inputs).tolist() for inputs in batch]


@pytest.mark.parametrize(
    "inputs", [np.zeros((4, 1, 1)), np.zeros((4, 1, 2), np.int8), np.zeros((1, 1, 4, 1, 1), np.int8)]
)
def test_refuses_other_inputs(inputs: NDArray[np.int8]) -> None:
    with pytest.raises(LayerError, match="layer 'linear' takes int8"):
        run_layer(one_by_one(1, channels=4, shift=0), inputs)
