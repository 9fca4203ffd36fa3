"""Addresses: no two tensors share a word at one time, and memory is used again."""

from hypothesis import given
from hypothesis import strategies as st

from openwork.compiler.memory import Lifetime, allocate, need

LIFETIMES = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 10), st.integers(0, 5)), min_size=1, max_size=20)


@given(LIFETIMES)
def test_no_two_tensors_share_a_word_at_one_time(sizes: list[tuple[int, int, int]]) -> None:
    lifetimes = [Lifetime(str(n), words, born, born + lives) for n, (words, born, lives) in enumerate(sizes)]
    addresses = allocate(lifetimes)
    for one in lifetimes:
        for other in lifetimes:
            if one is not other and one.born <= other.dies and other.born <= one.dies:
                first, second = sorted((one, other), key=lambda tensor: addresses[tensor.name])
                assert addresses[first.name] + first.words <= addresses[second.name]


def test_memory_is_used_again() -> None:
    chain = [Lifetime(str(step), 10, step, step + 1) for step in range(20)]
    assert need(chain, allocate(chain)) == 20
