"""Triplet weight streams: a row, a column and a value per nonzero.

A stream is a string of bytes, little endian. For each nonzero, it holds the row (u16), the column (u16) and the value
(i8). Zeros fill the last word. The nonzeros of a row stand together: a row ends where a nonzero of another row follows,
or where the stream ends.

>>> import numpy as np
>>> layout = ColumnLayout(taps=1, channels=300)
>>> one = np.array([1])
>>> rows = SparseRows(rows=7 * one, lengths=one, columns=258 * one, values=np.array([-1], np.int8))
>>> [f"{word:08x}" for word in encode(rows, layout)]              # 07 00 | 02 01 | ff | padding
['20000001', '01020007', '000000ff']
>>> decode(encode(rows, layout), layout, row_numbers=[7]).columns
array([258])
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows, StreamErrorKind
from openwork_hw.arch.weight_stream import (
    Beat,
    Header,
    bytes_from_words,
    collect,
    parse_header,
    signed_byte,
    words_from_bytes,
)


def encode(rows: SparseRows, layout: ColumnLayout) -> NDArray[np.uint32]:
    """Write rows as triplet words."""
    row_of = np.repeat(rows.rows, rows.lengths)
    body = np.empty((rows.nonzeros, 5), dtype=np.uint8)
    body[:, 0], body[:, 1] = row_of & 255, row_of >> 8
    body[:, 2], body[:, 3] = rows.columns & 255, rows.columns >> 8
    body[:, 4] = rows.values.view(np.uint8)
    return words_from_bytes(Header(Encoding.TRIPLET, len(rows.rows)), body.reshape(-1))


def decode(words: NDArray[np.uint32], layout: ColumnLayout, row_numbers: Sequence[int]) -> SparseRows:
    """Read triplet words.

    Raises:
        StreamError: the words are not a legal stream of these rows.
    """
    header = parse_header(words, Encoding.TRIPLET)
    return collect(_beats(bytes_from_words(words)), header.rows, layout, row_numbers, named_rows=True)


def _beats(body: bytes) -> Iterator[Beat]:
    held: Beat | None = None  # only the next nonzero tells whether this nonzero ends its row
    at = 0
    while len(body) - at >= 5:
        row = body[at] | body[at + 1] << 8
        if held is not None:
            yield held._replace(last=row != held.row)
        held = Beat(row, body[at + 2] | body[at + 3] << 8, signed_byte(body[at + 4]))
        at += 5
    if len(body) - at > 3 or any(body[at:]):
        yield Beat(error=StreamErrorKind.TRUNCATED)
    elif held is not None:
        yield held._replace(last=True)
