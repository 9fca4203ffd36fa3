"""What the three encodings share: the header word, and the order in which every decoder checks a stream."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.layouts import HEADER_FIELDS, pack, unpack
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows, StreamError, StreamErrorKind


@dataclass(frozen=True)
class Header:
    """The first word of a weight stream, with the fields of `layouts.HEADER_FIELDS`.

    >>> hex(Header(Encoding.PACKED, rows=5, rice=2).word)
    '0x30020005'
    """

    encoding: Encoding
    rows: int
    rice: int = 0

    @property
    def word(self) -> int:
        """The first word of the stream."""
        return pack(HEADER_FIELDS, vars(self))

    @staticmethod
    def encoding_of(word: int) -> int:
        """The number of the encoding in a stream's first word. Nothing else of the word is checked."""
        return unpack(HEADER_FIELDS, word)["encoding"]


class Beat(NamedTuple):
    """A nonzero as a decoder hands it on. `last` says that its row ends. After a beat with an `error` no beat follows."""

    row: int = 0
    column: int = 0
    value: int = 0
    last: bool = False
    error: StreamErrorKind = StreamErrorKind.NONE


def parse_header(words: NDArray[np.uint32], encoding: Encoding) -> Header:
    """Check the first word of a stream and decode it.

    Raises:
        StreamError: HEADER, or TRUNCATED if no word follows the header.
    """
    if len(words) == 0:
        raise StreamError(StreamErrorKind.TRUNCATED, 0)
    word = int(words[0])
    fields = unpack(HEADER_FIELDS, word)
    header = Header(encoding, fields["rows"], fields["rice"])
    if header.word != word or header.rows == 0 or (header.rice != 0 and encoding is not Encoding.PACKED):
        raise StreamError(StreamErrorKind.HEADER, 0)
    if len(words) == 1:
        raise StreamError(StreamErrorKind.TRUNCATED, 0)
    return header


def collect(
    beats: Iterable[Beat], rows: int, layout: ColumnLayout, row_numbers: Sequence[int], *, named_rows: bool = False
) -> SparseRows:
    """Check nonzeros in the order in which the gateware does, and put them together.

    Each beat is checked in this order. A beat after the last row is LENGTH. Then come the decoder's own error, COLUMN, and
    ROW (only if the encoding names its rows). When a row ends, it must be the last row of the stream if and only if its
    record is the last record; if not, the error is RECORDS. If the beats end before the last row does, the error is TRUNCATED.

    Args:
        beats: the beats of a decoder.
        rows: number of rows that the header promises.
        layout: how column numbers hold taps and channels.
        row_numbers: row number of each row record.
        named_rows: whether each beat holds a row number, which must be the number of the row record.

    Raises:
        StreamError: the first error, with the number of complete rows before it.
    """
    columns: list[int] = []
    values: list[int] = []
    lengths: list[int] = []
    row_start = 0
    channel_mask = (1 << layout.channel_bits) - 1
    for beat in beats:
        position = len(lengths)
        if position == rows:
            raise StreamError(StreamErrorKind.LENGTH, position)
        if beat.error:
            raise StreamError(beat.error, position)
        if beat.column >= layout.columns or beat.column & channel_mask >= layout.channels:
            raise StreamError(StreamErrorKind.COLUMN, position)
        if named_rows and beat.row != row_numbers[position]:
            raise StreamError(StreamErrorKind.ROW, position)
        columns.append(beat.column)
        values.append(beat.value)
        if beat.last:
            lengths.append(len(values) - row_start)
            row_start = len(values)
            if (position + 1 == rows) != (position + 1 == len(row_numbers)):
                raise StreamError(StreamErrorKind.RECORDS, position)
    if len(lengths) < rows:
        raise StreamError(StreamErrorKind.TRUNCATED, len(lengths))
    return SparseRows(
        rows=np.array(row_numbers, dtype=np.int64),
        lengths=np.array(lengths, dtype=np.int64),
        columns=np.array(columns, dtype=np.int64),
        values=np.array(values, dtype=np.int8),
    )


def words_from_bytes(header: Header, body: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The words of a stream: the header, then the bytes, little endian. Zeros fill the last word."""
    padded = np.zeros(-(-len(body) // 4) * 4, dtype=np.uint8)
    padded[: len(body)] = body
    return np.concatenate([np.array([header.word], dtype=np.uint32), padded.view("<u4").astype(np.uint32)])


def bytes_from_words(words: NDArray[np.uint32]) -> bytes:
    """The bytes of a stream after its header."""
    return words[1:].astype("<u4").tobytes()


def signed_byte(byte: int) -> int:
    """A byte read as a two's complement number.

    >>> signed_byte(255), signed_byte(127)
    (-1, 127)
    """
    return byte - 256 if byte > 127 else byte
