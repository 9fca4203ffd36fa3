"""CSR weight streams: the length of each row, then a column and a value per nonzero.

A stream is a string of bytes, little endian. For each row, it holds the length (u16), and then for each nonzero of the
row the column (u16) and the value (i8). Zeros fill the last word.

>>> import numpy as np
>>> layout = ColumnLayout(taps=1, channels=300)
>>> one = np.array([1])
>>> rows = SparseRows(rows=7 * one, lengths=one, columns=258 * one, values=np.array([-1], np.int8))
>>> [f"{word:08x}" for word in encode(rows, layout)]              # 01 00 | 02 01 ff | padding
['10000001', '01020001', '000000ff']
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

MAX_LENGTH = (1 << 16) - 1
"""Most nonzeros that a row can have in this format."""


def encode(rows: SparseRows, layout: ColumnLayout) -> NDArray[np.uint32]:
    """Write rows as CSR words.

    Raises:
        ValueError: the length of a row does not fit its field.
    """
    if int(rows.lengths.max()) > MAX_LENGTH:
        raise ValueError(f"a CSR row holds up to {MAX_LENGTH} nonzeros, not {int(rows.lengths.max())}")
    starts = np.cumsum(rows.lengths) - rows.lengths
    heads = 3 * starts + 2 * np.arange(len(rows.rows))
    places = 3 * np.arange(rows.nonzeros) + 2 * np.repeat(np.arange(1, len(rows.rows) + 1), rows.lengths)
    body = np.zeros(3 * rows.nonzeros + 2 * len(rows.rows), dtype=np.uint8)
    body[heads], body[heads + 1] = rows.lengths & 255, rows.lengths >> 8
    body[places], body[places + 1] = rows.columns & 255, rows.columns >> 8
    body[places + 2] = rows.values.view(np.uint8)
    return words_from_bytes(Header(Encoding.CSR, len(rows.rows)), body)


def decode(words: NDArray[np.uint32], layout: ColumnLayout, row_numbers: Sequence[int]) -> SparseRows:
    """Read CSR words.

    Raises:
        StreamError: the words are not a legal stream of these rows.
    """
    header = parse_header(words, Encoding.CSR)
    return collect(_beats(bytes_from_words(words)), header.rows, layout, row_numbers)


def _beats(body: bytes) -> Iterator[Beat]:
    at = 0
    while True:
        if len(body) - at <= 3 and not any(body[at:]):
            return
        if len(body) - at < 2:
            yield Beat(error=StreamErrorKind.TRUNCATED)
            return
        length = body[at] | body[at + 1] << 8
        at += 2
        if length == 0:
            yield Beat(error=StreamErrorKind.LENGTH)
            return
        for left in range(length - 1, -1, -1):
            if len(body) - at < 3:
                yield Beat(error=StreamErrorKind.TRUNCATED)
                return
            yield Beat(0, body[at] | body[at + 1] << 8, signed_byte(body[at + 2]), left == 0)
            at += 3
