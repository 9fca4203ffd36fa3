"""Packed streams: fillers, the order of words, and each kind of malformed stream by name."""

import numpy as np
import pytest

from openwork_dv.weight_stimulus import assert_equal_rows, random_rows
from openwork_hw.arch import packed
from openwork_hw.arch.nonzeros import ColumnLayout, SparseRows, StreamError, StreamErrorKind

LAYOUT = ColumnLayout(taps=1, channels=64)


def one_row(columns: list[int]) -> SparseRows:
    return SparseRows(
        rows=np.array([3]),
        lengths=np.array([len(columns)]),
        columns=np.array(columns),
        values=np.arange(1, len(columns) + 1).astype(np.int8),
    )


def kind_of(words: list[int], layout: ColumnLayout = LAYOUT, rows: int = 1) -> tuple[StreamErrorKind, int]:
    with pytest.raises(StreamError) as caught:
        packed.decode(np.array(words, dtype=np.uint32), layout, list(range(rows)))
    return caught.value.kind, caught.value.position


def test_longest_gap_needs_no_filler_and_one_more_does() -> None:
    assert packed.pad_gaps(one_row([7]), LAYOUT, 0).nonzeros == 1
    padded = packed.pad_gaps(one_row([8]), LAYOUT, 0)
    assert padded.columns.tolist() == [7, 8]
    assert padded.values.tolist() == [0, 1]


def test_fillers_stand_in_legal_columns() -> None:
    layout = ColumnLayout(taps=4, channels=9)
    padded = packed.pad_gaps(one_row([0, 48 + 8]), layout, 0)
    assert padded.columns.tolist() == [0, 8, 16, 24, 32, 40, 48, 56]
    layout = ColumnLayout(taps=4, channels=5)
    padded = packed.pad_gaps(one_row([4, 24]), layout, 0)
    assert padded.columns.tolist() == [4, 12, 20, 24]


def test_gaps_that_no_code_can_say_are_refused() -> None:
    layout = ColumnLayout(taps=2, channels=4097)
    with pytest.raises(ValueError, match="unused column numbers"):
        packed.encode(one_row([0, 8192]), layout)


def test_no_column_is_unused_behind_the_last_tap() -> None:
    layout = ColumnLayout(taps=1, channels=25088)
    assert layout.columns == 25088
    rows = SparseRows(np.arange(2), np.array([1, 1]), np.array([25087, 0]), np.array([1, 2], np.int8))
    assert packed.pad_gaps(rows, layout, 7).columns.tolist()[-2:] == [25087, 0]


def test_columns_must_ascend() -> None:
    with pytest.raises(ValueError, match="ascend"):
        packed.encode(one_row([5, 5]), LAYOUT)


@pytest.mark.parametrize("density", [0.01, 0.1, 0.5, 1.0])
def test_every_rice_decodes(density: float) -> None:
    layout = ColumnLayout(taps=3, channels=100)
    rows = packed.prepare(random_rows(np.random.default_rng(5), layout, 40, density), layout)
    assert_equal_rows(packed.decode(packed.encode(rows, layout), layout, rows.rows.tolist()), rows)


def test_malformed_streams() -> None:
    assert kind_of([]) == (StreamErrorKind.TRUNCATED, 0)
    assert kind_of([0x30000001]) == (StreamErrorKind.TRUNCATED, 0)
    assert kind_of([0x30000000, 1, 1, 1]) == (StreamErrorKind.HEADER, 0)
    assert kind_of([0x10000001, 1, 1, 1]) == (StreamErrorKind.HEADER, 0)
    assert kind_of([0x30080001, 1, 1, 1]) == (StreamErrorKind.HEADER, 0)
    assert kind_of([0x30000001, 0, 1, 1]) == (StreamErrorKind.CODE, 0)  # no nonzero
    assert kind_of([0x30000001, 1 << 24 | 1, 1, 1]) == (StreamErrorKind.CODE, 0)  # more than the count has bits
    assert kind_of([0x30000001, 1]) == (StreamErrorKind.TRUNCATED, 0)  # no stop at all
    assert kind_of([0x30000001, 1, 1]) == (StreamErrorKind.TRUNCATED, 0)  # a stop without a field
    assert kind_of([0x30000001, 1, 0x0100, 0xFF]) == (StreamErrorKind.CODE, 0)  # a zero byte before a stop
    assert kind_of([0x30000001, 1, 1, 0x1FF]) == (StreamErrorKind.LENGTH, 1)  # padding of the fields is not zero
    assert kind_of([0x30000001, 1, 3, 0xFF]) == (StreamErrorKind.LENGTH, 1)  # nor that of the stops
    assert kind_of([0x30000001, 1, 1, 0xFF, *[0] * 7]) == (StreamErrorKind.LENGTH, 1)  # words that nobody asked for
    assert kind_of([0x30000002, 1, 1, 0xFF], rows=2) == (StreamErrorKind.TRUNCATED, 1)  # a row is missing
    layout = ColumnLayout(taps=1, channels=4)
    assert kind_of([0x30000001, 1, 1 << 4, 0xFF], layout) == (StreamErrorKind.CODE, 0)  # the first row would be empty
    assert kind_of([0x30000002, 2, 1 | 1 << 8, 0xFFFF], layout, 2) == (StreamErrorKind.CODE, 1)  # over a whole row
    assert kind_of([0x30000001, 2, 1 | 1 << 5, 0xFFFF], layout) == (StreamErrorKind.LENGTH, 1)  # a second row
    assert kind_of([0x30000002, 1, 1 << 3, 0xFF], ColumnLayout(2, 3), 2) == (StreamErrorKind.COLUMN, 0)
    assert kind_of([0x30000001, 1, 1, 0xFF], rows=2) == (StreamErrorKind.RECORDS, 0)
