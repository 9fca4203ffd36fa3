"""Whole networks against slow Python loops that share no code with the golden model, and against the float network."""

from dataclasses import replace
from fractions import Fraction
from math import floor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.openwork.frontend.zoo import MODELS, inputs, trained
from tests.openwork.networks import integer_networks

from openwork.frontend import import_module
from openwork.golden import run_network, trace_network
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, MaxPool, NetworkError, PixelShuffle, Reshape, Upsample
from openwork.quantization import Observer, quantize

Map = dict[tuple[int, int, int], int]
"""Values by channel, row and column."""


def slow_network(network: IntegerNetwork, image: NDArray[np.int8]) -> dict[str, Map]:
    """Every tensor by the definition of its step, one Python integer at a time; rounding by exact fractions."""
    tensors: dict[str, Map] = {"input": {place: int(value) for place, value in np.ndenumerate(image)}}
    for step in network.steps:
        source: Map = {}
        offset = 0
        for name in step.inputs:
            source |= {(channel + offset, y, x): value for (channel, y, x), value in tensors[name].items()}
            offset += network.tensor(name).shape[0]
        channels, height, width = network.tensor(step.output).shape
        places = [(channel, y, x) for channel in range(channels) for y in range(height) for x in range(width)]
        match step:
            case LayerStep(layer=layer):
                result = {place: slow_output(layer, source, *place) for place in places}
            case MaxPool(kernel=kernel, stride=(down, across), padding=padding, dilation=(far, wide)):
                result = {
                    (channel, y, x): max(
                        source[channel, row, column]
                        for row in range(y * down - padding[0], y * down - padding[0] + far * kernel[0], far)
                        for column in range(x * across - padding[1], x * across - padding[1] + wide * kernel[1], wide)
                        if (channel, row, column) in source
                    )
                    for channel, y, x in places
                }
            case Upsample(factor=(down, across)):
                result = {(channel, y, x): source[channel, y // down, x // across] for channel, y, x in places}
            case PixelShuffle(factor=(down, across)):
                result = {
                    (channel, y, x): source[(channel * down + y % down) * across + x % across, y // down, x // across]
                    for channel, y, x in places
                }
            case Reshape():
                result = dict(zip(places, [source[place] for place in sorted(source)], strict=True))
        tensors[step.output] = result
    return tensors


def slow_output(layer: IntegerLayer, source: Map, row: int, y: int, x: int) -> int:
    group_channels = layer.channels // layer.groups
    first = row // (layer.rows // layer.groups) * group_channels
    total = int(layer.bias[row])
    for (channel, ky, kx), weight in np.ndenumerate(layer.weights[row]):
        place = (
            first + channel,
            y * layer.stride[0] - layer.padding[0] + ky * layer.dilation[0],
            x * layer.stride[1] - layer.padding[1] + kx * layer.dilation[1],
        )
        total += int(weight) * source.get(place, layer.input_zero_point)
    rounded = floor(Fraction(total, 2 ** int(layer.shift[row])) + Fraction(1, 2))
    low, high = layer.activation.limits
    limited = max(low, min(high, rounded + layer.output_zero_point))
    return limited if layer.activation.table is None else layer.activation.table[limited + 128]


def as_array(network: IntegerNetwork, name: str, values: Map) -> NDArray[np.int8]:
    return np.array([values[place] for place in sorted(values)], np.int8).reshape(network.tensor(name).shape)


@given(network=integer_networks(), seed=st.integers(0, 1 << 32))
@settings(max_examples=60)
def test_every_tensor_equals_the_slow_loop(network: IntegerNetwork, seed: int) -> None:
    image = np.random.default_rng(seed).integers(-128, 128, network.input.shape, np.int8)
    traced = trace_network(network, image[None])
    assert list(traced) == [tensor.name for tensor in network.tensors]
    for name, values in slow_network(network, image).items():
        assert traced[name].dtype == np.int8
        assert np.array_equal(traced[name][0], as_array(network, name, values)), name


@pytest.mark.parametrize("name", MODELS)
def test_quantized_models_equal_the_slow_loop(name: str) -> None:
    network = quantize(import_module(trained(name), inputs(name, 1)), inputs(name, 20))
    image = network.quantize_inputs(inputs(name, 1, seed=1).numpy())
    traced = trace_network(network, image)
    for tensor, values in slow_network(network, image[0]).items():
        assert np.array_equal(traced[tensor][0], as_array(network, tensor, values)), tensor


@pytest.mark.parametrize("observer", Observer)
@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_near_those_of_the_float_network(name: str, observer: Observer) -> None:
    exact = import_module(trained(name), inputs(name, 1))
    network = quantize(exact, inputs(name, 200), observer)
    batch = inputs(name, 100, seed=1)
    outputs = network.dequantize_outputs(run_network(network, network.quantize_inputs(batch.numpy())))
    expected = exact.run(batch).numpy()
    assert ((outputs - expected) ** 2).mean() < 1e-3 * expected.var()


def test_a_batch_is_one_by_one_and_concatenated_outputs_are_one() -> None:
    network = quantize(import_module(trained("residual"), inputs("residual", 1)), inputs("residual", 20))
    network = replace(network, outputs=("left", "right"), named=(), tail=None)
    batch = network.quantize_inputs(inputs("residual", 4, seed=1).numpy())
    outputs = run_network(network, batch)
    assert outputs.shape == (4, *network.output_shape) == (4, 8, 5, 4)
    traced = trace_network(network, batch)
    assert np.array_equal(outputs, np.concatenate([traced["left"], traced["right"]], axis=1))
    assert all(np.array_equal(outputs[[index]], run_network(network, batch[[index]])) for index in range(4))


@pytest.mark.parametrize(
    "batch", [np.zeros((1, 2, 8, 8)), np.zeros((2, 8, 8), np.int8), np.zeros((1, 2, 8, 7), np.int8)]
)
def test_refuses_other_inputs(batch: NDArray[np.int8]) -> None:
    network = quantize(import_module(trained("chain"), inputs("chain", 1)), inputs("chain", 4))
    with pytest.raises(NetworkError, match=r"takes int8 \[batch, 2, 8, 8\], not"):
        run_network(network, batch)


def test_network_of_one_pixel_takes_vectors() -> None:
    network = quantize(import_module(torch.nn.Linear(3, 2), torch.zeros(1, 3)), torch.randn(8, 3))
    assert network.quantize_inputs(np.zeros((5, 3))).shape == (5, 3, 1, 1)
