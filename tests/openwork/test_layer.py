"""Integer layers: their geometry, and what is refused."""

from typing import Any

import numpy as np
import pytest

from openwork.activation import Clip
from openwork.layer import IntegerLayer, LayerError


def a_layer(**changes: Any) -> IntegerLayer:
    """A 2-row, 2-group, 1 x 2-kernel layer over a 6 x 3 x 4 map, with `changes`."""
    weights = np.array([[1, 0], [0, 2], [3, 0], [0, 0], [5, 6], [0, -7]], dtype=np.int8).reshape(2, 3, 1, 2)
    fields: dict[str, Any] = {
        "name": "odd",
        "weights": weights,
        "bias": np.array([5, -5], dtype=np.int64),
        "shift": np.array([3, 0], dtype=np.int64),
        "input_zero_point": -7,
        "output_zero_point": 4,
        "activation": Clip(4, 100),
        "input_shape": (6, 3, 4),
        "groups": 2,
    }
    return IntegerLayer(**(fields | changes))


def test_geometry() -> None:
    layer = a_layer()
    assert (layer.rows, layer.channels, layer.kernel, layer.taps) == (2, 6, (1, 2), 2)
    assert layer.output_shape == (2, 3, 3)
    assert (layer.nonzeros, layer.density) == (6, 0.5)
    assert (layer.macs, layer.dense_macs) == (6 * 9, 12 * 9)
    assert a_layer(stride=(2, 2), padding=(1, 2, 0, 3), dilation=(3, 3)).output_shape == (2, 2, 3)
    assert a_layer(stride=(1, 3), padding=(0, 1, 0, 0), dilation=(9, 2)).output_shape == (2, 3, 1)


def test_strides_and_dilations_are_pairs() -> None:
    for name in ("stride", "dilation"):
        with pytest.raises(LayerError, match=f"{name} is two numbers, down and across, not 2"):
            a_layer(**{name: 2})
        with pytest.raises(LayerError, match=f"{name} must be a whole number from 1"):
            a_layer(**{name: (1, 0)})


def test_arrays_are_copied_and_read_only() -> None:
    weights = np.ones((2, 3, 1, 2), dtype=np.int8)
    layer = a_layer(weights=weights)
    weights[:] = 0
    assert layer.nonzeros == 12
    with pytest.raises(ValueError, match="read-only"):
        layer.weights[0] = 1


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"weights": np.zeros((2, 3, 1, 2))}, "weights must be a NumPy array of int8, not float64"),
        ({"weights": [1]}, "weights must be a NumPy array of int8, not list"),
        ({"weights": np.zeros((2, 3, 0, 2), dtype=np.int8)}, "not empty"),
        (
            {"weights": np.zeros((2, 3), dtype=np.int8)},
            r"weights must be \[rows, channels / groups, kernel_h, kernel_w\]",
        ),
        ({"bias": np.zeros(2, dtype=np.int32)}, "bias must be a NumPy array of int64"),
        ({"bias": np.zeros(3, dtype=np.int64)}, "each of the 2 rows"),
        ({"bias": np.array([0, 1 << 31])}, "bias must be from"),
        ({"shift": np.array([0, -1])}, "shift must be from 0 to 22"),
        ({"shift": np.array([23, 0])}, "shift must be from 0 to 22"),
        ({"input_zero_point": 128}, "input_zero_point must be a whole number from -128 to 127, not 128"),
        ({"output_zero_point": 0.5}, "output_zero_point must be a whole number"),
        ({"activation": Clip(5, 4)}, "low must not exceed high"),
        ({"stride": (0, 1)}, "stride must be"),
        ({"dilation": (1, 0)}, "dilation must be"),
        ({"groups": 3}, "3 groups x 3 channels"),
        ({"input_shape": (6, 3)}, "input_shape is channels, height, width"),
        ({"input_shape": (6, 0, 4)}, "input height must be"),
        ({"padding": (0, 0, -1, 0)}, "bottom padding must be"),
        ({"padding": (0, 0)}, "padding is top, left, bottom, right"),
        ({"dilation": (4, 4)}, "larger than the padded map"),
    ],
)
def test_refuses_by_name(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(LayerError, match=f"layer 'odd': .*{rule}"):
        a_layer(**changes)


def test_prints_as_a_table() -> None:
    assert "6 x 3 x 4 -> 2 x 3 x 3" in str(a_layer()) and "density 0.500" in str(a_layer())
