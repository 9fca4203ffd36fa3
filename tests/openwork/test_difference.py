"""The first difference of two runs is that of the earliest tensor, at its first pixel."""

import numpy as np

from openwork.difference import first_difference


def test_the_earliest_tensor_and_its_first_pixel_are_named() -> None:
    expected = {name: np.zeros((2, 3, 4), np.int8) for name in ("a", "b", "c")}
    found = {name: tensor.copy() for name, tensor in expected.items()}
    found["b"][1, 2, 3] = found["b"][1, 0, 2] = -7
    found["c"][0, 0, 0] = 1
    first = first_difference(5, ["a", "b", "c"], expected, found)
    assert first is not None
    assert str(first) == "input 5, layer 'b', channel 1, pixel (0, 2): -7, and should be 0"
    assert first.count == 2
    later = first_difference(5, ["c", "b"], expected, found)
    assert later is not None
    assert later.tensor == "c"
    assert first_difference(5, ["a"], expected, found) is None
