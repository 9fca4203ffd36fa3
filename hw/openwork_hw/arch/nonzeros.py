"""The rows of one weight stream, before encoding and after decoding, and the row records that go with them."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.config import COLUMN_BITS, ROW_BITS, bits_for
from openwork_hw.arch.refusal import Refusal

MAX_ROWS = (1 << ROW_BITS) - 1


class Encoding(IntEnum):
    """How nonzeros are written as words; the number stands in the stream's header."""

    CSR = 1
    TRIPLET = 2
    PACKED = 3


class StreamErrorKind(IntEnum):
    """What can be wrong with a weight stream or its row records."""

    NONE = 0
    HEADER = 1
    """Unknown encoding, no rows, or reserved bits set."""
    COLUMN = 2
    """Tap or channel outside the layer."""
    ROW = 3
    """A triplet's row is not the row its record names: revisited, skipped or out of range."""
    LENGTH = 4
    """A row of length 0, words after the last row, or padding that is not zero."""
    TRUNCATED = 5
    """The stream ended before its last row did."""
    CODE = 6
    """Packed only: eight stop bits without a stop, a gap over a whole row, or a count of nonzeros that cannot be."""
    ROW_TOO_LONG = 7
    """A row that is replayed does not fit into the row buffer."""
    RECORDS = 8
    """The row records end before or after the rows do."""


class StreamError(Refusal):
    """A malformed weight stream.

    Attributes:
        kind: what is wrong.
        position: rows of the stream that were complete before the error.
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
        """Bits of the channel number."""
        return bits_for(self.channels)

    @property
    def columns(self) -> int:
        """Columns of the matrix, the unused channel numbers between two taps included."""
        return (self.taps - 1 << self.channel_bits) + self.channels

    def column(self, tap: int, channel: int) -> int:
        """The column of one tap and channel."""
        return tap << self.channel_bits | channel


@dataclass(frozen=True)
class SparseRows:
    """The rows of one stream, in stream order.

    Attributes:
        rows: int64 [rows], the row number (output channel) of each row; all different.
        lengths: int64 [rows], nonzeros of each row, at least 1 (an empty row holds one padding nonzero of value 0).
        columns: int64 [nonzeros], ascending within a row where the encoding is packed.
        values: int8 [nonzeros].
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
        """Stored nonzeros, padding included."""
        return len(self.values)


@dataclass(frozen=True)
class RowRecord:
    """What a row needs besides its nonzeros.

    Attributes:
        row: row number: the output channel, and the word's place within a pixel of the output.
        offset: signed, `sum_bits` wide: bias, rounding and zero point in one (`arithmetic.fold_offset`).
        shift: requantization shift.
        write: False for a dummy row, whose result is dropped.
        last: the stream's last row.
    """

    row: int
    offset: int
    shift: int
    write: bool
    last: bool
