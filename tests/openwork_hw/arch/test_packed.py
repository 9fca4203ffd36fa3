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
    assert packed.pad_gaps(one_row([15]), LAYOUT, 0).nonzeros == 1
    padded = packed.pad_gaps(one_row([16]), LAYOUT, 0)
    assert padded.columns.tolist() == [15, 16]
    assert padded.values.tolist() == [0, 1]


def test_fillers_stand_in_legal_columns() -> None:
    layout = ColumnLayout(taps=4, channels=9)
    padded = packed.pad_gaps(one_row([0, 63 - 7]), layout, 0)
    assert padded.columns.tolist() == [0, 16, 32, 48, 56]
    layout = ColumnLayout(taps=4, channels=5)
    padded = packed.pad_gaps(one_row([4, 28]), layout, 0)
    assert padded.columns.tolist() == [4, 20, 28]


def test_gaps_that_no_code_can_say_are_refused() -> None:
    layout = ColumnLayout(taps=2, channels=4097)
    with pytest.raises(ValueError, match="unused column numbers"):
        packed.encode(one_row([0, 8192]), layout)


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
    assert kind_of([0x30000000, 0]) == (StreamErrorKind.HEADER, 0)
    assert kind_of([0x10000001, 0]) == (StreamErrorKind.HEADER, 0)
    assert kind_of([0x30080001, 0]) == (StreamErrorKind.HEADER, 0)
    assert kind_of([0x30000001, 0]) == (StreamErrorKind.TRUNCATED, 0)  # no stop at all
    assert kind_of([0x30000001, 1]) == (StreamErrorKind.TRUNCATED, 0)  # a stop without a field
    assert kind_of([0x30000001, 0x00010000]) == (StreamErrorKind.CODE, 0)  # a zero half before a stop
    assert kind_of([0x30000001, 1, 0, 0x1FF]) == (StreamErrorKind.LENGTH, 1)  # padding of the fields is not zero
    assert kind_of([0x30000001, 1, 0, 0x1FF, 0, 0, 0, 0]) == (StreamErrorKind.CODE, 0)  # words that nobody asked for
    assert kind_of([0x30000002, 1, 0, 0xFF], rows=2) == (StreamErrorKind.TRUNCATED, 1)  # a row is missing
    layout = ColumnLayout(taps=1, channels=4)
    assert kind_of([0x30000001, 1 << 4, 0, 0xFF], layout) == (StreamErrorKind.CODE, 0)  # the first row would be empty
    assert kind_of([0x30000002, 1 | 1 << 13, 0, 0xFFFF], layout, 2) == (StreamErrorKind.CODE, 1)  # over a whole row
    assert kind_of([0x30000001, 1 | 1 << 5, 0, 0xFFFF], layout) == (StreamErrorKind.LENGTH, 1)  # a second row
    assert kind_of([0x30000001, 1 << 3, 0, 0xFF], ColumnLayout(1, 3)) == (StreamErrorKind.COLUMN, 0)
    assert kind_of([0x30000001, 1, 0, 0xFF], rows=2) == (StreamErrorKind.RECORDS, 0)
