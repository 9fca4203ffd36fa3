"""Pruning of one tensor."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from openwork.pruning import PruningError, magnitude, threshold


def test_threshold_keeps_theta_itself() -> None:
    weights = torch.tensor([[0.5, -0.5, 0.25], [-1.0, 0.0, 0.499]])
    assert threshold(weights, 0.5).tolist() == [[True, True, False], [True, False, False]]
    assert threshold(weights, 0).all()


@given(values=st.lists(st.integers(-3, 3), min_size=1, max_size=40), density=st.floats(0.001, 1))
@settings(deadline=None)
def test_magnitude_keeps_exactly_the_largest(values: list[int], density: float) -> None:
    mask = magnitude(torch.tensor(values, dtype=torch.float32), density).tolist()
    assert sum(mask) == max(1, round(density * len(values)))
    ranked = sorted(range(len(values)), key=lambda index: (-abs(values[index]), index))  # of equals, the first
    assert {index for index, stays in enumerate(mask) if stays} == set(ranked[: sum(mask)])


@given(
    values=st.lists(st.lists(st.integers(-2, 2), min_size=5, max_size=5), min_size=1, max_size=6),
    density=st.floats(0.001, 1),
)
@settings(deadline=None)
def test_of_equal_magnitudes_those_in_the_shortest_rows_stay(values: list[list[int]], density: float) -> None:
    mask = magnitude(torch.tensor(values, dtype=torch.float32), density)
    # One after the other: the largest; of equals, the one whose row has fewest so far; then the first.
    left = {(row, column): abs(size) for row, line in enumerate(values) for column, size in enumerate(line)}
    held = [0] * len(values)
    for _ in range(max(1, round(density * 5 * len(values)))):
        row, column = min(left, key=lambda place: (-left[place], held[place[0]], place))
        held[row] += 1
        del left[row, column]
    assert {(row, column) for row, column in mask.logical_not().nonzero().tolist()} == set(left)


def test_magnitude_keeps_the_shape() -> None:
    assert magnitude(torch.randn(3, 4, 2, 1), 0.25).shape == (3, 4, 2, 1)


@pytest.mark.parametrize("density", [0, -0.1, 1.0001, float("nan")])
def test_refuses_densities(density: float) -> None:
    with pytest.raises(PruningError, match="density must be over 0 and at most 1"):
        magnitude(torch.ones(3), density)


@pytest.mark.parametrize("theta", [-0.1, float("nan"), float("inf")])
def test_refuses_thetas(theta: float) -> None:
    with pytest.raises(PruningError, match="theta must be 0 or more"):
        threshold(torch.ones(3), theta)


@pytest.mark.parametrize("method", [magnitude, threshold])
def test_refuses_weights(method: object) -> None:
    assert callable(method)
    with pytest.raises(PruningError, match=r"shape \[0, 3\] are empty"):
        method(torch.ones(0, 3), 0.5)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(PruningError, match="1 of the weights are NaN or infinite"):
            method(torch.tensor([1.0, bad]), 0.5)
