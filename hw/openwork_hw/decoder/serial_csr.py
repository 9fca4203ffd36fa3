"""Decodes CSR weight streams one byte per cycle, for parts where words come slowly and logic is scarce."""

from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.decoder.payloads import DecodedNonzero, WeightWord
from openwork_hw.primitives.registers import without_reset

WORD_BYTES = 4


class Expects(enum.Enum):
    """What the next byte is."""

    LENGTH_LOW = 0
    LENGTH_HIGH = 1
    COLUMN_LOW = 2
    COLUMN_HIGH = 3
    VALUE = 4


class SerialCsrDecoder(wiring.Component):
    """Turn the words of a CSR stream, after its header, into nonzeros, a byte at a time.

    Role
        The only decoder of a `WeightDecoder` in a compact array: for parts where words come slowly and logic is scarce.
    Function
        As CsrDecoder's.
    Ports
        As CsrDecoder's.
    Timing
        Three cycles per nonzero, two per row length, and one per word. Combinational path: o.ready to i_words.ready.
    Cost
        A quarter of CsrDecoder's: a word, a nonzero, a 16-bit counter, no shifter.
    Limits
        No `i_words` transfer while `restart` is high.
    Verified by
        tests/formal/test_decoding.py::test_short_streams_through_the_decoder_that_takes_a_byte_a_cycle
    """

    i_words: stream.Interface
    o: stream.Interface
    exhausted: Value
    restart: Value

    def __init__(self) -> None:
        super().__init__(
            {
                "i_words": In(stream.Signature(WeightWord)),
                "o": Out(stream.Signature(DecodedNonzero)),
                "exhausted": Out(1),
                "restart": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        word = Signal(8 * WORD_BYTES, reset_less=True)  # zeros follow what is shifted out
        count = Signal(range(WORD_BYTES + 1), reset_less=True)
        ended = Signal(reset_less=True)
        expects = Signal(Expects, reset_less=True)
        left = Signal(16, reset_less=True)  # nonzeros of the row, this one included
        failed = Signal(reset_less=True)
        payload = without_reset(m, self.o.payload, "payload")
        valid = without_reset(m, self.o.valid, "valid")
        exhausted = without_reset(m, self.exhausted, "exhausted")
        byte = word[:8]

        moves = Signal()
        m.d.comb += [
            moves.eq((~valid | self.o.ready) & ~failed & ~exhausted),
            self.i_words.ready.eq((count == 0) & ~ended & moves & ~self.restart),
        ]
        with m.If(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(self.i_words.valid & self.i_words.ready):
            m.d.sync += [word.eq(self.i_words.payload.data), count.eq(WORD_BYTES), ended.eq(self.i_words.payload.last)]
        with m.If(moves & (count != 0)):
            m.d.sync += [word.eq(word >> 8), count.eq(count - 1)]
            with m.Switch(expects):
                with m.Case(Expects.LENGTH_LOW):
                    m.d.sync += [left[:8].eq(byte), expects.eq(Expects.LENGTH_HIGH)]
                    # Where a row could begin, at most three zeros are what fills the last word.
                    with m.If(ended & (count != WORD_BYTES) & (word == 0)):
                        m.d.sync += exhausted.eq(1)
                with m.Case(Expects.LENGTH_HIGH):
                    m.d.sync += [left[8:].eq(byte), expects.eq(Expects.COLUMN_LOW)]
                    with m.If((left[:8] == 0) & (byte == 0)):
                        m.d.sync += [valid.eq(1), payload.error.eq(StreamErrorKind.LENGTH), failed.eq(1)]
                with m.Case(Expects.COLUMN_LOW):
                    m.d.sync += [payload.column[:8].eq(byte), expects.eq(Expects.COLUMN_HIGH)]
                with m.Case(Expects.COLUMN_HIGH):
                    m.d.sync += [payload.column[8:].eq(byte), expects.eq(Expects.VALUE)]
                with m.Case(Expects.VALUE):
                    m.d.sync += [
                        payload.value.eq(byte.as_signed()),
                        payload.last.eq(left == 1),
                        valid.eq(1),
                        left.eq(left - 1),
                        expects.eq(Expects.COLUMN_LOW),
                    ]
                    with m.If(left == 1):
                        m.d.sync += expects.eq(Expects.LENGTH_LOW)
        with m.Elif(moves & ended):
            with m.If(expects == Expects.LENGTH_LOW):
                m.d.sync += exhausted.eq(1)
            with m.Else():
                m.d.sync += [valid.eq(1), payload.error.eq(StreamErrorKind.TRUNCATED), failed.eq(1)]
        with m.If(self.restart):
            m.d.sync += [valid.eq(0), exhausted.eq(0), failed.eq(0), count.eq(0), ended.eq(0)]
            m.d.sync += [expects.eq(Expects.LENGTH_LOW), payload.error.eq(StreamErrorKind.NONE)]
        return m
