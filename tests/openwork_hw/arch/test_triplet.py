"""Triplet streams: each kind of malformed stream by name."""

import numpy as np
import pytest

from openwork_hw.arch import triplet
from openwork_hw.arch.nonzeros import ColumnLayout, StreamError, StreamErrorKind

LAYOUT = ColumnLayout(taps=2, channels=3)


def words(rows: int, *triplets: tuple[int, int, int], tail: bytes = b"") -> list[int]:
    body = b"".join(
        row.to_bytes(2, "little") + column.to_bytes(2, "little") + bytes([value]) for row, column, value in triplets
    )
    body += tail
    body += bytes(-len(body) % 4)
    return [0x20000000 | rows, *np.frombuffer(body, "<u4").tolist()]


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (words(1), (StreamErrorKind.TRUNCATED, 0)),
        (words(0, (5, 0, 1)), (StreamErrorKind.HEADER, 0)),
        (words(1, (6, 0, 1)), (StreamErrorKind.ROW, 0)),
        (words(2, (5, 0, 1), (5, 1, 1), (7, 0, 1)), (StreamErrorKind.ROW, 1)),
        (words(2, (5, 0, 1), (6, 1, 1), (5, 2, 1)), (StreamErrorKind.LENGTH, 2)),  # a row is visited again
        (words(1, (5, 3, 1)), (StreamErrorKind.COLUMN, 0)),
        (words(1, (5, 8, 1)), (StreamErrorKind.COLUMN, 0)),
        (words(2, (5, 0, 1)), (StreamErrorKind.TRUNCATED, 1)),
        (words(1, (5, 0, 1), tail=b"\0\1"), (StreamErrorKind.TRUNCATED, 0)),  # padding is not zero
        (words(1, (5, 0, 1), (5, 1, 1), (5, 2, 1), (5, 2, 1), tail=bytes(4)), (StreamErrorKind.TRUNCATED, 0)),
    ],
)
def test_malformed_streams(stream: list[int], error: tuple[StreamErrorKind, int]) -> None:
    row_numbers = [5, 6][: max(1, stream[0] & 0xFFFF)]
    with pytest.raises(StreamError) as caught:
        triplet.decode(np.array(stream, dtype=np.uint32), LAYOUT, row_numbers)
    assert (caught.value.kind, caught.value.position) == error
