"""Parametrizations of which a few members are quick."""

import pytest
from tests.slow import slow_but


def test_all_but_the_quick_ones_are_slow_in_their_order() -> None:
    first, second, third = slow_but(["a", "b", "c"], "b")
    assert second == "b"
    assert [(one.values, one.marks[0].name) for one in (first, third)] == [(("a",), "slow"), (("c",), "slow")]
    (_, pair) = slow_but([(1, 2), (3, 4)], (1, 2))
    assert pair.values == (3, 4)


def test_a_quick_one_that_is_no_member_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be members, and \['d'\] are not"):
        slow_but({"a": 1, "b": 2}, "a", "d")
