"""The matrix of an axis as windows: what they add up to is the matrix again."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from openwork.frontend.axes import MOST_PARTS, Windows, as_windows, choice


def added_up(windows: Windows, before: int) -> torch.Tensor:
    """The matrix, by the definition of `Windows`, one weight at a time."""
    matrix = torch.zeros(windows.groups * windows.phases, before, dtype=torch.float64)
    for seen, weights in windows.parts.items():
        for group in range(windows.groups):
            for phase in range(windows.phases):
                for place in range(windows.window):
                    pixel = windows.start + group * windows.advance + place
                    if 0 <= pixel < seen:
                        matrix[group * windows.phases + phase, pixel] += weights[phase, place]
    return matrix[: windows.rows]


@given(data=st.data(), before=st.integers(1, 9), after=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_windows_add_up_to_any_matrix(data: st.DataObject, before: int, after: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(after, before, dtype=torch.float64, generator=generator)
    matrix = matrix * (torch.rand(after, before, generator=generator) < data.draw(st.sampled_from([0.1, 0.5, 1.0])))
    if data.draw(st.booleans()):  # weights that repeat, and others at the borders
        kernel = torch.randn(3, dtype=torch.float64, generator=generator)
        for row in range(1, after - 1):
            matrix[row] = 0
            for place in range(3):
                if 0 <= row + place - 1 < before:
                    matrix[row, row + place - 1] = kernel[place]
    assert torch.allclose(added_up(as_windows(matrix), before), matrix, rtol=0, atol=1e-8)


def resized(before: int, after: int, **options: object) -> torch.Tensor:
    one = torch.eye(before, dtype=torch.float64)[None]
    found: torch.Tensor = functional.interpolate(one, size=after, mode="linear", **options)[0].t()  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize(
    ("matrix", "phases", "advance", "parts"),
    [
        (torch.eye(7, dtype=torch.float64), 1, 1, 1),
        (resized(9, 18), 2, 1, 3),  # the borders are corrected with the first row alone, and with all rows but the last
        (resized(8, 12), 3, 2, 3),
        (resized(5, 80), 16, 1, 3),
        (functional.adaptive_avg_pool1d(torch.eye(7, dtype=torch.float64)[None], 3)[0].t(), 1, 2, 1),
        (choice([2, 3, 4], 9), 1, 1, 1),
        (choice([1, 3, 5, 7], 9), 1, 2, 1),
        (choice([0, *range(9), 8], 9), 1, 1, 3),
        (choice([-1, 0, 1, -1], 2), 1, 1, 1),
    ],
)
def test_what_repeats_is_found(matrix: torch.Tensor, phases: int, advance: int, parts: int) -> None:
    windows = as_windows(matrix)
    assert (windows.phases, windows.advance, len(windows.parts)) == (phases, advance, parts)
    assert torch.allclose(added_up(windows, matrix.shape[1]), matrix, rtol=0, atol=1e-8)


def test_what_never_repeats_is_one_group() -> None:
    windows = as_windows(resized(20, 40, align_corners=True))
    assert (windows.groups, windows.phases, len(windows.parts)) == (1, 40, 1)
    assert len(as_windows(resized(5, 10, align_corners=True)).parts) <= MOST_PARTS
