"""Limits of a float network, and the integers that they become."""

from math import inf

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from openwork.activation import Clip
from openwork.frontend.limits import NO_LIMITS, Limits

BOUNDS = st.sampled_from([-inf, -6.0, -0.5, 0.0, 1.0, 6.0, inf])


def limits(pair: tuple[float, float]) -> Limits:
    return Limits(*sorted(pair))


ANY = st.tuples(BOUNDS, BOUNDS).filter(lambda pair: abs(pair[0]) != inf or pair[0] != pair[1]).map(limits)


@given(first=ANY, second=ANY)
def test_two_limits_are_one(first: Limits, second: Limits) -> None:
    values = torch.linspace(-10, 10, 81, dtype=torch.float64)
    assert torch.equal(first.then(second).apply(values), second.apply(first.apply(values)))
    assert torch.equal(first.apply_traceable(values), first.apply(values))
    assert first.then(NO_LIMITS) == first == NO_LIMITS.then(first)
    assert first.are_none == (first == NO_LIMITS)


@pytest.mark.parametrize(
    ("found", "clip"),
    [
        (Limits(), Clip()),
        (Limits(0.0), Clip(-28, 127)),
        (Limits(0.0, 6.0), Clip(-28, 92)),
        (Limits(-1e9, 1e9), Clip()),
        (Limits(100.0), Clip(127, 127)),
    ],
)
def test_limits_become_integers(found: Limits, clip: Clip) -> None:
    assert found.quantized(0.05, -28) == clip
