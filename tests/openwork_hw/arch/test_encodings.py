"""Every encoding: decode undoes encode, and corrupted words raise StreamError or mean legal rows."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openwork_dv.weight_stimulus import assert_equal_rows, corrupt, random_rows
from openwork_hw.arch import encodings
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows, StreamError


@st.composite
def sparse_rows(draw: st.DrawFn) -> tuple[SparseRows, ColumnLayout]:
    """A layer's rows and layout, from one column to a few hundred."""
    layout = ColumnLayout(taps=draw(st.sampled_from([1, 2, 3, 9, 25])), channels=draw(st.integers(1, 40)))
    rows = draw(st.integers(1, 12))
    density = draw(st.sampled_from([0.0, 0.01, 0.05, 0.2, 0.7, 1.0]))
    generator = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    return random_rows(generator, layout, rows, density, first_row=draw(st.integers(0, 60000))), layout


each_encoding = pytest.mark.parametrize("encoding", list(Encoding))


@each_encoding
@given(case=sparse_rows())
def test_decode_undoes_encode(encoding: Encoding, case: tuple[SparseRows, ColumnLayout]) -> None:
    rows, layout = case
    prepared = encodings.prepare(encoding, rows, layout)
    words = encodings.encode(encoding, rows, layout)
    assert_equal_rows(encodings.decode(encoding, words, layout, rows.rows.tolist()), prepared)
    assert_equal_rows(encodings.prepare(encoding, prepared, layout), prepared)
    np.testing.assert_array_equal(encodings.encode(encoding, prepared, layout), words)
    assert encodings.prepared(encoding, rows, layout).encoded_words() == len(words)


@each_encoding
@given(case=sparse_rows(), seed=st.integers(0, 1 << 32), times=st.integers(1, 3))
@settings(max_examples=300)
def test_corrupted_words_raise_only_stream_errors(
    encoding: Encoding, case: tuple[SparseRows, ColumnLayout], seed: int, times: int
) -> None:
    rows, layout = case
    generator = np.random.default_rng(seed)
    words = encodings.encode(encoding, rows, layout)
    for _ in range(times):
        words = corrupt(generator, words)
    try:
        decoded = encodings.decode(encoding, words, layout, rows.rows.tolist())
    except StreamError as error:
        assert 0 <= error.position <= len(rows.rows)
    else:
        assert len(decoded.rows) == len(rows.rows)
        assert decoded.columns.max() < layout.columns


@pytest.mark.parametrize("density", [0.2, 0.1, 0.05])
def test_packed_is_within_five_percent_of_the_entropy_bound(density: float) -> None:
    layout = ColumnLayout(taps=9, channels=128)
    rows = random_rows(np.random.default_rng(1), layout, 256, density)
    measured = encodings.bits_per_nonzero(encodings.encode(Encoding.PACKED, rows, layout), rows.nonzeros)
    assert measured < 1.05 * encodings.entropy_bound_bits(density)


@each_encoding
def test_a_million_nonzeros_take_seconds(encoding: Encoding) -> None:
    layout = ColumnLayout(taps=9, channels=500)
    rows = random_rows(np.random.default_rng(2), layout, 2200, 0.1)
    start = time.process_time()
    encodings.encode(encoding, rows, layout)
    assert time.process_time() - start < 5
