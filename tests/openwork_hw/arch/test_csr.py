"""CSR streams: each kind of malformed stream by name."""

import numpy as np
import pytest

from openwork_hw.arch import csr
from openwork_hw.arch.nonzeros import ColumnLayout, SparseRows, StreamError, StreamErrorKind

LAYOUT = ColumnLayout(taps=2, channels=3)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], (StreamErrorKind.TRUNCATED, 0)),
        ([0x10000001], (StreamErrorKind.TRUNCATED, 0)),
        ([0x10000000, 0], (StreamErrorKind.HEADER, 0)),
        ([0x10010001, 0], (StreamErrorKind.HEADER, 0)),
        ([0x20000001, 0], (StreamErrorKind.HEADER, 0)),
        ([0x10000001, 0x00010000], (StreamErrorKind.LENGTH, 0)),  # a row of length 0
        ([0x10000001, 0x00000002], (StreamErrorKind.TRUNCATED, 0)),
        ([0x10000001, 0x00000001, 0x00000000, 0], (StreamErrorKind.LENGTH, 1)),  # a word too many
        ([0x10000001, 0x00000001, 0x00000100], (StreamErrorKind.LENGTH, 1)),  # padding is not zero
        ([0x10000002, 0x00000001, 0x00000000], (StreamErrorKind.TRUNCATED, 1)),  # the second row is missing
        ([0x10000001, 0x00030001, 0x00000000], (StreamErrorKind.COLUMN, 0)),  # a channel that there is not
        ([0x10000001, 0x00080001, 0x00000000], (StreamErrorKind.COLUMN, 0)),  # a tap that there is not
    ],
)
def test_malformed_streams(words: list[int], error: tuple[StreamErrorKind, int]) -> None:
    rows = max(1, words[0] & 0xFFFF) if words else 1
    with pytest.raises(StreamError) as caught:
        csr.decode(np.array(words, dtype=np.uint32), LAYOUT, list(range(rows)))
    assert (caught.value.kind, caught.value.position) == error


def test_a_row_longer_than_its_length_field_is_refused() -> None:
    length = 1 << 16
    rows = SparseRows(np.array([0]), np.array([length]), np.arange(length), np.ones(length, np.int8))
    with pytest.raises(ValueError, match="not 65536"):
        csr.encode(rows, ColumnLayout(taps=1, channels=length))
