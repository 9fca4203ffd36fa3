"""CSR and triplet streams read from behind: what the next nonzero must be, given the words that came and the nonzeros that left.

The gateware decides as words come; this decides as nonzeros leave, with all words before it. The rules are those of
`arch.csr`, `arch.triplet` and `arch.weight_stream.collect`.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import COLUMN_BITS, ROW_BITS
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, StreamErrorKind
from openwork_hw.decoder.payloads import ERROR_BITS, WeightWord

Outcome = data.StructLayout(
    {"nonzero": 1, "end": 1, "error": ERROR_BITS, "row": ROW_BITS, "column": COLUMN_BITS, "value": 8, "last": 1}
)
"""What follows: a nonzero, the stream's good end, or an error. None of them where that depends on words to come."""


class ReferenceDecoder(wiring.Component):
    """Say what must follow.

    Ports
        clear : in; begin anew
        i, taken : in, WeightWord and whether it has been taken
        accepted : in; the nonzero has left
        o : out, Outcome
        rows_complete : out; rows that have left
        fits : out; no more than `words` words have come, header included
    """

    def __init__(self, encoding: Encoding, layout: ColumnLayout, *, words: int) -> None:
        self._encoding = encoding
        self._layout = layout
        self._words = words
        super().__init__(
            {
                "clear": In(1),
                "i": In(WeightWord),
                "taken": In(1),
                "accepted": In(1),
                "o": Out(Outcome),
                "rows_complete": Out(ROW_BITS),
                "fits": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # All words so far.
        words = [Signal(32, name=f"word_{place}") for place in range(self._words)]
        count = Signal(range(self._words + 2))
        ended = Signal()
        m.d.comb += self.fits.eq(count <= self._words)
        with m.If(self.taken & self.fits):
            m.d.sync += [count.eq(count + 1), ended.eq(self.i.last)]
            for place, word in enumerate(words):
                with m.If(count == place):
                    m.d.sync += word.eq(self.i.data)

        # All nonzeros so far.
        place, left, used = Signal(range(4 * self._words + 1)), Signal(16), Signal(3)
        next_left = Signal(16)
        bytes_there = Signal(range(4 * self._words + 1))
        m.d.comb += bytes_there.eq(((count - 1) << 2) - place)
        window = Cat(words[1:]) >> (place << 3)
        with m.If(self.accepted):
            m.d.sync += [place.eq(place + used), left.eq(next_left)]
            m.d.sync += self.rows_complete.eq(self.rows_complete + self.o.last)

        # The rest is padding: up to three zeros.
        def only_padding(skipped: int) -> Value:
            rest = bytes_there - skipped
            return ended & (rest <= 3) & ((window >> 8 * skipped)[:24] == 0)

        found = Signal(Outcome)
        if self._encoding is Encoding.CSR:
            head = Mux(left == 0, 2, 0)
            nonzero = Mux(left == 0, window >> 16, window)
            length = window[:16]
            at_row = left == 0
            m.d.comb += [used.eq(head + 3), next_left.eq(Mux(at_row, length, left) - 1)]
            m.d.comb += [found.column.eq(nonzero[:16]), found.value.eq(nonzero[16:24]), found.last.eq(next_left == 0)]
            with m.If(at_row & only_padding(0)):
                m.d.comb += found.end.eq(1)
            with m.Elif(at_row & (bytes_there >= 2) & (length == 0)):
                m.d.comb += found.error.eq(StreamErrorKind.LENGTH)
            with m.Elif(bytes_there >= used):
                m.d.comb += found.nonzero.eq(1)
            with m.Elif(ended):
                m.d.comb += found.error.eq(StreamErrorKind.TRUNCATED)
        else:
            m.d.comb += [used.eq(5), found.row.eq(window[:16])]
            m.d.comb += [found.column.eq(window[16:32]), found.value.eq(window[32:40])]
            with m.If(bytes_there >= 10):
                m.d.comb += [found.nonzero.eq(1), found.last.eq(window[40:56] != window[:16])]
            with m.Elif(ended):
                with m.If(bytes_there >= 5):
                    m.d.comb += [found.nonzero.eq(only_padding(5)), found.last.eq(1)]
                    m.d.comb += found.error.eq(Mux(only_padding(5), 0, StreamErrorKind.TRUNCATED))
                with m.Else():
                    m.d.comb += found.end.eq(only_padding(0))
                    m.d.comb += found.error.eq(Mux(only_padding(0), 0, StreamErrorKind.TRUNCATED))

        # The order of the checks.
        header = words[0]
        rows = header[:ROW_BITS]
        wrong_header = (header[28:] != self._encoding) | (header[16:28] != 0) | (rows == 0)
        channel = found.column[: self._layout.channel_bits]
        m.d.comb += self.o.eq(found)
        with m.If(count == 0):
            m.d.comb += self.o.eq(0)
        with m.Elif(wrong_header):
            m.d.comb += [self.o.eq(0), self.o.error.eq(StreamErrorKind.HEADER)]
        with m.Elif(count == 1):
            m.d.comb += [self.o.eq(0), self.o.error.eq(Mux(ended, StreamErrorKind.TRUNCATED, 0))]
        with m.Elif(found.end & (self.rows_complete != rows)):
            m.d.comb += [self.o.eq(0), self.o.error.eq(StreamErrorKind.TRUNCATED)]
        with m.Elif((found.nonzero | (found.error != 0)) & (self.rows_complete == rows)):
            m.d.comb += [self.o.eq(0), self.o.error.eq(StreamErrorKind.LENGTH)]
        with m.Elif(found.nonzero & ((found.column >= self._layout.columns) | (channel >= self._layout.channels))):
            m.d.comb += [self.o.eq(0), self.o.error.eq(StreamErrorKind.COLUMN)]
        with m.If(self.clear):
            for forgotten in (count, ended, place, left, self.rows_complete, *words):
                m.d.sync += forgotten.eq(0)
        return m
