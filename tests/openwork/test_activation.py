"""Activations: what a layer's outputs go through."""

import numpy as np
import pytest
import torch

from openwork.activation import Clip


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
