"""Activations: what a layer's outputs go through."""

import numpy as np
import pytest
import torch

from openwork.activation import Clip, Table


def test_arrays_and_tensors_are_clipped_alike() -> None:
    every = np.arange(-128, 128).astype(np.int8)
    for clip in (Clip(), Clip(-128, -128), Clip(127, 127), Clip(-3, 90)):
        expected = [min(max(int(value), clip.low), clip.high) for value in every]
        assert clip.apply(every).tolist() == expected and clip.apply(every).dtype == np.int8
        assert clip.apply(torch.tensor(every)).tolist() == expected
        assert clip.apply(torch.tensor(every).float()).dtype == torch.float32
        assert clip.limits == (clip.low, clip.high) and clip.fault() is None
    assert Clip(-3, 90) == Clip(-3, 90) != Clip(-3, 91)


@pytest.mark.parametrize(
    ("clip", "words"),
    [
        (Clip(5, 4), "low must not exceed high, and 5 > 4"),
        (Clip(-129, 4), "low must be a whole number from -128 to 127, not -129"),
        (Clip(0, 128), "high must be a whole number from -128 to 127, not 128"),
        (Clip(True, 4), "low must be a whole number"),
        (Clip(0.5, 4), "low must be a whole number"),  # type: ignore[arg-type]  # what is refused
    ],
)
def test_what_means_nothing_is_said(clip: Clip, words: str) -> None:
    assert words in (clip.fault() or "")


VALUES = tuple(int(value) for value in np.random.default_rng(2).integers(-128, 128, 256))


def test_a_table_gives_the_same_for_arrays_and_tensors() -> None:
    table, every = Table(VALUES), np.arange(-128, 128).astype(np.int8)
    assert table.apply(every).tolist() == list(VALUES) and table.apply(every).dtype == np.int8
    assert table.apply(every.reshape(2, 128)).shape == (2, 128)
    assert table.apply(torch.tensor(every)).tolist() == list(VALUES)
    found = table.apply(torch.tensor(every).float())
    assert found.tolist() == list(VALUES) and found.dtype == torch.float32
    assert table.limits == (-128, 127) and table.table == VALUES and table.fault() is None
    assert table == Table(VALUES) != Table((*VALUES[:-1], VALUES[-1] ^ 1)) and Clip().table is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (VALUES[1:], "holds 256 values"),
        (list(VALUES), "holds 256 values"),
        ((*VALUES[1:], 128), "from -128 to 127, not 128"),
        ((*VALUES[1:], True), "not True"),
        ((0.5, *VALUES[1:]), "not 0.5"),
    ],
)
def test_a_table_without_a_value_for_each_int8_is_refused(values: tuple[int, ...], words: str) -> None:
    assert words in (Table(values).fault() or "")
