"""Integer networks: what they say of themselves, and what is refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from openwork.activation import Clip
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, MaxPool, NetworkError, Reshape, Tensor, Upsample


def a_layer(name: str, channels: int, rows: int = 1, padding: int = 0) -> IntegerLayer:
    """A 1 x 1 layer over a map of 4 x 3, half of its weights 0."""
    return IntegerLayer(
        name=name,
        weights=np.tile(np.array([1, 0], np.int8), rows * channels)[: rows * channels].reshape(rows, channels, 1, 1),
        bias=np.zeros(rows, np.int64),
        shift=np.zeros(rows, np.int64),
        input_zero_point=7,
        output_zero_point=4,
        activation=Clip(),
        input_shape=(channels, 4, 3),
        padding=(padding,) * 4,
    )


def a_network(**changes: Any) -> IntegerNetwork:
    """A layer, whose output is summed with the input, pooled, enlarged and flattened; with `changes`."""
    parts: dict[str, Any] = {
        "tensors": (
            Tensor("input", (2, 4, 3), 0.5, 7),
            Tensor("first", (4, 4, 3), 0.25, 4),
            Tensor("both", (1, 4, 3), 0.125, 4),
            Tensor("pool", (1, 2, 2), 0.125, 4),
            Tensor("large", (1, 4, 4), 0.125, 4),
            Tensor("flat", (16, 1, 1), 0.125, 4),
        ),
        "steps": (
            LayerStep(("input",), "first", a_layer("first", 2, 4)),
            LayerStep(("first", "input"), "both", a_layer("both", 6)),
            MaxPool(("both",), "pool", (2, 2), (2, 2), (0, 0, 0, 1)),
            Upsample(("pool",), "large", (2, 2)),
            Reshape(("large",), "flat", (16, 1, 1)),
        ),
        "outputs": ("flat",),
    }
    return IntegerNetwork(**(parts | changes))


def tensors(which: str, /, **changes: Any) -> tuple[Tensor, ...]:
    """Those of `a_network`, with `changes` of one."""
    return tuple(replace(one, **changes) if one.name == which else one for one in a_network().tensors)


def steps(index: int, **changes: Any) -> tuple[Any, ...]:
    """Those of `a_network`, with `changes` of one."""
    old = a_network().steps
    return (*old[:index], replace(old[index], **changes), *old[index + 1 :])


def test_says_what_it_is() -> None:
    network = a_network()
    assert network.input.name == "input" and network.output_shape == (16, 1, 1)
    assert [layer.name for layer in network.layers] == ["first", "both"]
    assert network.density == (4 + 3) / (8 + 6)
    lines = str(network).splitlines()
    assert len(lines) == 7 and lines[0].split() == ["step", "shape", "weights", "density", "bits", "scale"]
    assert lines[2].split() == "first 4 x 4 x 3 4 x 2 x 1 x 1 0.500 8 in 9 0.25".split(" ")  # noqa: SIM905, it reads as the line does
    assert "max 2 x 2, stride 2" in lines[4] and "upsample 2" in lines[5] and "reshape" in lines[6]


def test_inputs_and_outputs_stand_for_real_numbers() -> None:
    network = a_network()
    values = np.array([0.0, 0.24, 0.25, -0.25, 1e9, -1e9, np.inf, *[0.0] * 17]).reshape(1, 2, 4, 3)
    assert network.quantize_inputs(values).flatten()[:7].tolist() == [7, 7, 8, 7, 127, -128, 127]
    assert network.dequantize_outputs(np.array([4, 12, 3], np.int8)).tolist() == [0.0, 1.0, -0.125]
    with pytest.raises(NetworkError, match="NaN"):
        network.quantize_inputs(np.full((1, 2, 4, 3), np.nan))
    with pytest.raises(NetworkError, match=r"takes inputs \[batch, 2, 4, 3\], not \[2, 4, 3\]"):
        network.quantize_inputs(np.zeros((2, 4, 3)))


@pytest.mark.parametrize("tap", [(0, 1), (1, 0), (1, 1), (1, 2), (2, 1)])
def test_a_padded_layer_reads_another_zero_point_only_inside_the_map(tap: tuple[int, int]) -> None:
    weights = np.zeros((1, 6, 3, 3), np.int8)
    weights[0, 4:] = 1  # of "input", whose zero point is 7
    weights[0, 3, tap[0], tap[1]] = 1  # of "first", whose zero point is 4
    changes = {"steps": steps(1, layer=replace(a_layer("both", 6, padding=1), weights=weights))}
    if tap == (1, 1):
        assert a_network(**changes).layers[1].padding == (1, 1, 1, 1)
    else:
        with pytest.raises(NetworkError, match="which is 4 of 'first'"):
            a_network(**changes)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"steps": ()}, "an input and at least one step"),
        ({"tensors": a_network().tensors[:-1]}, "a tensor for each in that order"),
        ({"tensors": tensors("flat", name="input"), "steps": steps(4, output="input")}, "of different names"),
        ({"tensors": tensors("input", scale=0.0)}, "'input': a scale is a positive number, not 0.0"),
        ({"tensors": tensors("input", scale=float("nan"))}, "a scale is a positive number"),
        ({"tensors": tensors("input", zero_point=128)}, "a zero point is an int8, not 128"),
        ({"tensors": tensors("input", shape=(2, 4))}, "a shape is channels, height, width"),
        ({"tensors": tensors("input", shape=(2, 0, 3))}, "a shape is channels, height, width"),
        ({"tensors": tensors("first", shape=(4, 4, 4))}, "'first' makes 4 x 4 x 3, and its tensor is 4 x 4 x 4"),
        ({"tensors": tensors("first", zero_point=3)}, "'first': its layer .* 4, and its tensor .* 3"),
        ({"tensors": tensors("pool", scale=0.25)}, "step 'pool' must have one scale"),
        ({"tensors": tensors("flat", zero_point=5)}, "step 'flat' must have one scale and zero point"),
        ({"steps": steps(0, inputs=("both",))}, r"'first' reads \['both'\], and there are \['input'\]"),
        ({"steps": steps(0, inputs=())}, "'first' reads nothing"),
        ({"steps": steps(1, inputs=("first",))}, "'both': its layer takes 6 x 4 x 3, not 4 x 4 x 3"),
        ({"steps": steps(1, layer=a_layer("other", 6))}, "its layer is called 'other'"),
        ({"steps": steps(1, layer=replace(a_layer("both", 6), padding=(1, 0, 0, 0))),
          "tensors": tensors("both", shape=(1, 5, 3))}, "'both': its padding is 7, .* which is 4 of 'first'"),
        ({"steps": steps(0, layer=replace(a_layer("first", 2, 4), input_zero_point=0, padding=(1, 0, 0, 0))),
          "tensors": tensors("first", shape=(4, 5, 3))}, "'first': its padding is 0, .* which is 7 of 'input'"),
        ({"steps": steps(2, kernel=(0, 2))}, "'pool': kernel, stride and dilation are 1 or more"),
        ({"steps": steps(2, padding=(2, 0, 0, 0))}, "'pool': padding .* a window without a pixel"),
        ({"steps": steps(2, kernel=(5, 1), padding=(0, 0, 0, 0))}, "window 5 x 1 is larger"),
        ({"steps": steps(3, factor=(2, 0))}, "'large': a factor is 1 or more, not 2 x 0"),
        ({"steps": steps(4, shape=(5, 1, 3))}, "'flat': 1 x 4 x 4 cannot become 5 x 1 x 3"),
        ({"outputs": ()}, "outputs"),
        ({"outputs": ("flat", "none")}, "outputs .* are not all tensors"),
        ({"outputs": ("large", "both")}, "only maps of one height and width"),
        ({"outputs": ("first", "both")}, "the outputs must have one scale"),
    ],
)  # fmt: skip
def test_refuses_by_name(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(NetworkError, match=rule):
        a_network(**changes)
