"""Forms: the rows of nonzeros that operations become."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwork import limits
from openwork.operations.form import FormError, Nonzeros, Tap, check_matrix, check_one_pixel, copies
from openwork_hw.arch.commands import Operation


@given(channels=st.lists(st.integers(1, 5), min_size=1, max_size=3), places=st.integers(1, 4))
def test_copies_are_the_nonzeros_of_a_unit_matrix(channels: list[int], places: int) -> None:
    form = copies("copy", channels, Operation.MAX, [(0, place) for place in range(places)])
    unit = np.split(np.eye(sum(channels), dtype=np.int8), np.cumsum(channels)[:-1], axis=1)
    expected = Nonzeros.of([block for block in unit for _ in range(places)])
    for name, array in vars(expected).items():
        found = getattr(form.nonzeros, name)
        assert np.array_equal(found, array) and found.dtype == array.dtype, name
    assert form.taps == tuple(Tap(number, 0, place) for number in range(len(channels)) for place in range(places))


@pytest.mark.parametrize("value", [-128, -1, 0, 127])
def test_a_copy_hands_its_operand_on(value: int) -> None:
    """Weight, shift and offset together: 64 v + 32 >> 6 is v."""
    form = copies("copy", [1], Operation.SUM)
    assert int(form.nonzeros.values[0]) * value + int(form.offsets[0]) >> int(form.shifts[0]) == value


def test_nonzeros_of_rows_without_any_hold_a_zero() -> None:
    found = Nonzeros.of([np.array([[0, 0], [0, 3]], np.int8), np.array([[0], [5]], np.int8)])
    assert found.lengths.tolist() == [1, 2]
    assert found.values.tolist() == [0, 3, 5] and found.taps.tolist() == [0, 0, 1]
    assert found.select(np.array([1, 0])).values.tolist() == [3, 5, 0]
    assert found.row_sums(np.array([1, 10, 100])).tolist() == [1, 110]


def test_what_has_no_form_is_named() -> None:
    with pytest.raises(FormError, match="the matrix of step 'y' needs 1,073,741,825 entries"):
        check_matrix("y", limits.MAX_MATRIX + 1)
    check_matrix("y", limits.MAX_MATRIX)
    with pytest.raises(FormError, match="step 'y': its padding makes a map out of one pixel"):
        check_one_pixel("y", (1, 2))
    check_one_pixel("y", (1, 1))
