"""Parametrizations of which a few members are quick, and all others are slow."""

from collections.abc import Iterable
from typing import Any

import pytest


def slow_but(members: Iterable[Any], *quick: Any) -> list[Any]:
    """The members in their order for `pytest.mark.parametrize`; all but the quick ones are marked slow.

    A tuple holds the values of several parameters.

    Raises:
        ValueError: a quick one is no member.
    """
    all_members = list(members)
    if missing := [one for one in quick if one not in all_members]:
        raise ValueError(f"the quick ones must be members, and {missing} are not")
    return [
        one if one in quick else pytest.param(*(one if isinstance(one, tuple) else (one,)), marks=pytest.mark.slow)
        for one in all_members
    ]
