"""What the three encodings share: the header word, and the order in which a decoder, here or in gateware, checks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.layouts import HEADER_FIELDS, pack, unpack
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows, StreamError, StreamErrorKind


@dataclass(frozen=True)
class Header:
    """The first word of a weight stream, as `layouts.HEADER_FIELDS` says.

    >>> hex(Header(Encoding.PACKED, rows=5, rice=2).word)
    '0x30020005'
    """

    encoding: Encoding
    rows: int
    rice: int = 0

    @property
    def word(self) -> int:
        """The header as the stream's first word."""
        return pack(HEADER_FIELDS, vars(self))

    @staticmethod
    def encoding_of(word: int) -> int:
        """The number of the encoding in a stream's first word, whatever else is wrong with that."""
        return unpack(HEADER_FIELDS, word)["encoding"]


class Beat(NamedTuple):
    """A nonzero as a decoder hands it on: `last` ends its row. With an `error` it is the decoder's final beat."""

    row: int = 0
    column: int = 0
    value: int = 0
    last: bool = False
    error: StreamErrorKind = StreamErrorKind.NONE


def parse_header(words: NDArray[np.uint32], encoding: Encoding) -> Header:
    """Check the first word of a stream.

    Raises:
        StreamError: HEADER, or TRUNCATED where there is nothing besides the header.
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

    For each beat: after the last row anything is LENGTH; then the decoder's own error; then COLUMN; then ROW (only
    where the encoding names its rows). A row that ends must be the stream's last exactly if it is the records' last:
    else RECORDS. The end of the beats before the last row is TRUNCATED.

    Args:
        beats: what a decoder emits.
        rows: rows that the header promises.
        layout: taps and channels of a legal column.
        row_numbers: row number of each row record.
        named_rows: beats hold a row number, which must be the record's.

    Raises:
        StreamError: the first thing that is wrong, with the rows completed before it.
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
    """The header, then the bytes, little endian, zero padded to a word."""
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
