"""Rows over streams: every row once, even loads, the same answer each time."""

import numpy as np

from openwork.compiler.balance import balance


def test_longest_rows_first() -> None:
    parts = balance(np.array([7, 4, 5, 6, 1]), lanes=2, streams=2)
    assert [part.tolist() for part in parts] == [[4, 1, 0], [2, 3]]  # 2 + 4 + 7 and 5 + 6: a row of 1 costs 2


def test_every_row_lands_in_one_stream_and_loads_are_even() -> None:
    lengths = np.random.default_rng(1).integers(1, 100, 500)
    parts = balance(lengths, lanes=7, streams=21)
    assert sorted(np.concatenate(parts).tolist()) == list(range(500))
    loads = [np.maximum(lengths[part], 7).sum() for part in parts]
    assert max(loads) - min(loads) <= 7


def test_more_streams_than_rows() -> None:
    assert [len(part) for part in balance(np.array([3, 3]), lanes=1, streams=4)] == [1, 1, 0, 0]
