"""The payloads of weight decoders: words, decoded nonzeros, checked nonzeros."""

from amaranth.hdl import signed
from amaranth.lib import data

from openwork_hw.arch.config import COLUMN_BITS, ROW_BITS, TAP_BITS, WORD_BITS

ERROR_BITS = 4
"""Bits of a `StreamErrorKind`."""

WeightWord = data.StructLayout({"data": WORD_BITS, "last": 1})
"""A word of a weight stream; `last` marks the stream's last."""

DecodedNonzero = data.StructLayout(
    {"row": ROW_BITS, "column": COLUMN_BITS, "value": signed(8), "last": 1, "error": ERROR_BITS}
)
"""A nonzero of a decoder: `row` is a triplet's row, else 0; `last` ends a row.

A beat with an `error` (a `StreamErrorKind`) is the final one: what follows means nothing until the next restart.
"""


class WeightNonzero(data.StructLayout):
    """A checked nonzero, its column taken apart: `last` ends a row, `final` the stream's last row."""

    def __init__(self, channel_width: int) -> None:
        super().__init__(
            {"row": ROW_BITS, "tap": TAP_BITS, "channel": channel_width, "value": signed(8), "last": 1, "final": 1}
        )
