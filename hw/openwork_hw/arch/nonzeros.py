"""The rows of one weight stream before encoding and after decoding, and the record that belongs to each row."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.config import COLUMN_BITS, ROW_BITS, bits_for
from openwork_hw.arch.refusal import Refusal

MAX_ROWS = (1 << ROW_BITS) - 1


class Encoding(IntEnum):
    """How a weight stream writes nonzeros as words. The number stands in the header of the stream."""

    CSR = 1
    TRIPLET = 2
    PACKED = 3


class StreamErrorKind(IntEnum):
    """What can be wrong with a weight stream or its row records. `arch.report.MEANINGS` says the same to users."""

    NONE = 0
    HEADER = 1
    """The encoding is unknown, the stream has no rows, or a reserved bit is set."""
    COLUMN = 2
    """The tap or the channel of a nonzero is outside the layer."""
    ROW = 3
    """The row of a triplet is not the row of its record: the row was there before, was skipped, or does not exist."""
    LENGTH = 4
    """A row has length 0, words follow the last row, or the padding is not zero."""
    TRUNCATED = 5
    """The stream ends before its last row ends."""
    CODE = 6
    """Only in packed streams: eight bits without a stop, a gap longer than a row, or an impossible count of nonzeros."""
    ROW_TOO_LONG = 7
    """A row that is replayed does not fit the row buffer."""
    RECORDS = 8
    """There are fewer or more row records than rows."""


class StreamError(Refusal):
    """A malformed weight stream.

    Attributes:
        kind: what is wrong.
        position: number of complete rows before the error.
    """

    def __init__(self, kind: StreamErrorKind, position: int) -> None:
        super().__init__(f"malformed weight stream: {kind.name.lower()} error after {position} complete rows")
        self.kind = kind
        self.position = position


@dataclass(frozen=True)
class ColumnLayout:
    """How a column number holds a tap and an input channel: ``tap << channel_bits | channel``.

    >>> layout = ColumnLayout(taps=9, channels=6)
    >>> layout.channel_bits, layout.columns, layout.column(tap=2, channel=5)
    (3, 70, 21)
    """

    taps: int
    channels: int

    def __post_init__(self) -> None:
        if self.taps < 1 or self.channels < 1:
            raise ValueError(f"a layer has at least one tap and one channel, not {self.taps} and {self.channels}")
        if self.columns > 1 << COLUMN_BITS:
            raise ValueError(
                f"{self.taps} taps x {self.channels} channels need columns up to {self.columns}, "
                f"and a stream's columns end at {1 << COLUMN_BITS}: use fewer channels or a smaller kernel"
            )

    @property
    def channel_bits(self) -> int:
        """Bits per channel number."""
        return bits_for(self.channels)

    @property
    def columns(self) -> int:
        """Columns of the matrix. The channel numbers that no channel uses, between two taps, count as columns, too."""
        return (self.taps - 1 << self.channel_bits) + self.channels

    def column(self, tap: int, channel: int) -> int:
        """The column number of a channel under a tap."""
        return tap << self.channel_bits | channel


@dataclass(frozen=True)
class SparseRows:
    """The rows of one weight stream, in the order of the stream.

    Attributes:
        rows: int64 [rows], the row number (output channel) of each row. No two are equal.
        lengths: int64 [rows], nonzeros per row, at least 1. An empty row holds one padding nonzero of value 0.
        columns: int64 [nonzeros], the column of each nonzero. For the packed encoding, columns ascend within a row.
        values: int8 [nonzeros], the value of each nonzero.
    """

    rows: NDArray[np.int64]
    lengths: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.int8]

    def __post_init__(self) -> None:
        if not 1 <= len(self.rows) <= MAX_ROWS:
            raise ValueError(f"a weight stream holds 1 to {MAX_ROWS} rows, not {len(self.rows)}")
        if len(self.lengths) != len(self.rows) or self.lengths.min() < 1:
            raise ValueError("every row of a weight stream needs at least one nonzero: pad empty rows with value 0")
        if not len(self.columns) == len(self.values) == int(self.lengths.sum()):
            raise ValueError("columns, values and lengths of a weight stream disagree")

    @property
    def nonzeros(self) -> int:
        """Number of stored nonzeros, padding included."""
        return len(self.values)


@dataclass(frozen=True)
class RowRecord:
    """What the requantizer and the writer of outputs need to know about a row, besides its nonzeros.

    Attributes:
        row: row number: the output channel, which is also the index of the word within a local pixel of the output.
        offset: offset of the requantization, signed, `sum_bits` wide (`arithmetic.fold_offset`).
        shift: shift of the requantization.
        write: whether the result is written. The result of a dummy row is dropped.
        last: whether the row is the last row of its stream.
    """

    row: int
    offset: int
    shift: int
    write: bool
    last: bool
