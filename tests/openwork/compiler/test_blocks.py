"""Cut steps keep every nonzero; where a residual joins, cutting leaves far fewer columns to pass."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from openwork.compiler.blocks import cut_again, row_block, ways_to_cut
from openwork.compiler.errors import CompileError
from openwork.operations.form import Form, Nonzeros, Tap


def form(weights: NDArray[np.int8]) -> Form:
    """Of int8 [rows, taps, channels]."""
    rows, taps, _ = weights.shape
    zeros = np.zeros(rows, np.int64)
    places = tuple(Tap(0, number, -number) for number in range(taps))
    return Form("a", Nonzeros.of(list(weights.transpose(1, 0, 2))), places, zeros, zeros)


def joined(rows: int, channels: int) -> NDArray[np.int8]:
    """One tap of `channels` that every row reads at random, one of `rows` of which each row reads its own."""
    weights = np.zeros((rows, 2, max(rows, channels)), np.int8)
    weights[:, 0, :channels] = np.random.default_rng(1).integers(-2, 3, (rows, channels))
    weights[np.arange(rows), 1, np.arange(rows)] = 127
    return weights


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 4), st.integers(1, 40)),
    density=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    seed=st.integers(0, 1 << 20),
)
@settings(deadline=None)
def test_every_way_to_cut_keeps_every_nonzero(shape: tuple[int, int, int], density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, shape).astype(np.int8) * (rng.random(shape) < density)
    for blocks in ways_to_cut(form(weights.astype(np.int8))):
        found = np.zeros(shape, np.int64)
        for block in blocks:
            stream = block.stream(np.arange(len(block.rows)))
            assert (stream.columns < block.layout.columns).all()
            taps = [block.taps[number] for number in stream.columns >> block.layout.channel_bits]
            channels = stream.columns & ((1 << block.layout.channel_bits) - 1)
            assert (channels < block.layout.channels).all()
            rows = np.repeat(stream.rows, stream.lengths)
            for row, tap, channel, value in zip(rows, taps, channels, stream.values, strict=True):
                assert tap.right == -tap.down
                found[row, tap.down, tap.channel + channel] += value
        assert (found == weights).all()


@given(lengths=st.lists(st.integers(1, 40), min_size=1, max_size=30), data=st.data())
def test_a_block_that_is_cut_again_has_as_many_parts_as_asked_for(lengths: list[int], data: st.DataObject) -> None:
    weights = np.zeros((len(lengths), 1, 40), np.int8)
    for row, length in enumerate(lengths):
        weights[row, 0, :length] = 1
    whole = form(weights)
    block = row_block(whole, np.arange(len(lengths)), 64)
    parts = data.draw(st.integers(1, len(lengths)))
    cut = cut_again(whole, block, parts)
    assert len(cut) == parts
    assert np.concatenate([one.rows for one in cut]).tolist() == list(range(len(lengths)))
    assert max(one.nonzeros.lengths.sum() for one in cut) <= sum(lengths) / parts + max(lengths) * min(parts, 2)


def test_a_residual_adds_as_many_columns_as_a_block_has_rows() -> None:
    *_, last = ways_to_cut(form(joined(256, 64)))
    assert len(last) == 32
    assert {block.layout.columns for block in last} == {64 + 8}


def test_dense_steps_are_not_cut() -> None:
    weights = np.ones((64, 3, 32), np.int8)
    assert len(list(ways_to_cut(form(weights)))) == 1


def test_too_many_taps_are_refused() -> None:
    with pytest.raises(CompileError, match="a row has at most 64 taps, not 65"):
        list(ways_to_cut(form(np.ones((2, 65, 4), np.int8))))
    with pytest.raises(CompileError, match="at most 64 taps, not 80"):
        row_block(form(np.ones((2, 5, 16), np.int8)), np.arange(2), 1)
