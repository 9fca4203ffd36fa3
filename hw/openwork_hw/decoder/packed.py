"""Decodes packed weight streams."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import COLUMN_BITS
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.arch.packed import MAX_QUOTIENT, MAX_RICE, VALUE_BITS
from openwork_hw.arch.timing import DECODER_CYCLES
from openwork_hw.decoder.field_string import FieldString
from openwork_hw.decoder.payloads import DecodedNonzero, WeightWord
from openwork_hw.decoder.stop_string import StopString
from openwork_hw.decoder.word_requests import WordRequests
from openwork_hw.stream.output_buffer import OutputBuffer

GAP_BITS = (MAX_QUOTIENT << MAX_RICE).bit_length()

TOKEN = data.StructLayout({"nonzero": 1, "end": 1, "tail": 1, "over": 1, "code": 1, "truncated": 1})
"""What a cycle sends down the pipeline; at most one flag is set.

`end`: no stop is left; `tail`: some of the fields behind the last nonzero, which must be 0; `over`: nothing is left at
all; `code`, `truncated`: errors.
"""


class PackedDecoder(wiring.Component):
    """Turn the words of a packed stream, after its header, into nonzeros, one a cycle.

    Function
        As `openwork_hw.arch.packed`: gap = quotient << rice | remainder; column' = column + 1 + gap, less `columns` where
        that crosses the row's end. One nonzero is held back until the next one, or the stream's end, tells whether it
        ends its row; it is dropped where an error follows.
    Ports
        i_words : in, stream of WeightWord
        rice : in, 3 bits, and
        columns : in, 17 bits: columns of a row; both steady from restart to restart
        o : out, stream of DecodedNonzero; errors are CODE (a half without a stop, a gap over a whole row, words that
            nobody asked for), TRUNCATED (a nonzero without a field) and LENGTH (not only zeros behind the last nonzero)
        exhausted : out; the last word is taken, and nothing but zero padding is left; level until `restart`
        restart : in; return to the start
    Timing
        One nonzero a cycle when words come every cycle, also at row ends, as long as each stop word holds at least four
        stops. The first nonzero is offered latency_cycles after its first word is taken. The last one is late by
        as many cycles as more than one half of the stop words is left behind its stop. No combinational path.
    Cost
        StopString, FieldString, WordRequests, adders of 16 and twice 18 bits, a comparison of 12 bits.
    Limits
        No word is offered on `i_words` while `restart` is high, nor after the last one.
    """

    latency_cycles = DECODER_CYCLES[Encoding.PACKED]

    i_words: stream.Interface
    rice: Value
    columns: Value
    o: stream.Interface
    exhausted: Value
    restart: Value

    def __init__(self) -> None:
        super().__init__(
            {
                "i_words": In(stream.Signature(WeightWord)),
                "rice": In(range(MAX_RICE + 1)),
                "columns": In(COLUMN_BITS + 1),
                "o": Out(stream.Signature(DecodedNonzero)),
                "exhausted": Out(1),
                "restart": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.requests = requests = WordRequests()
        m.submodules.stops = stops = StopString()
        m.submodules.fields = fields = FieldString()
        # One register says for the whole pipeline whether it moves.
        m.submodules.output = output = OutputBuffer(DecodedNonzero)
        advance = output.i.ready
        m.d.comb += output.flush.eq(self.restart)
        wiring.connect(m, output.o, wiring.flipped(self.o))

        # Words go where the oldest request wants them.
        ended = Signal()
        word_taken = Signal()
        m.d.comb += [
            self.i_words.ready.eq(requests.o_valid & Mux(requests.o_stop, stops.room, fields.room)),
            word_taken.eq(self.i_words.valid & self.i_words.ready),
            requests.taken.eq(word_taken),
            stops.i.eq(self.i_words.payload.data),
            stops.i_valid.eq(word_taken & requests.o_stop),
            fields.i.eq(self.i_words.payload.data),
            fields.i_valid.eq(word_taken & ~requests.o_stop),
            fields.ended.eq(ended),
            fields.rice.eq(self.rice),
        ]
        with m.If(word_taken):
            m.d.sync += ended.eq(self.i_words.payload.last)

        # Stage 0: a stop and a field together are a nonzero.
        token = Signal(TOKEN)
        tokens = [Signal(TOKEN, name=f"token_{stage}") for stage in range(FieldString.latency_cycles + 2)]
        stops_ended = Signal()
        m.d.comb += [
            token.nonzero.eq(stops.some & fields.ready & ~fields.cut),
            token.truncated.eq(stops.some & fields.ready & fields.cut),
            token.code.eq(stops.stray | (stops.dry & stops.empty & requests.o_idle & ~ended)),
            token.end.eq(stops.empty & ended & ~stops.stray & ~stops_ended),
            token.tail.eq(stops_ended & fields.ready & ~fields.spent),
            token.over.eq(stops_ended & fields.ready & fields.spent),
            stops.advance.eq(advance),
            stops.take.eq(advance & stops.some & fields.ready),
            fields.advance.eq(advance),
            fields.take.eq(advance & (stops.some | stops_ended)),
            requests.stop.eq(stops.take & stops.frees),
            requests.field.eq(stops.take & fields.frees),
        ]
        with m.If(advance):
            m.d.sync += [tokens[0].eq(token), Cat(tokens[1:]).eq(Cat(tokens[:-1]))]
            with m.If(token.end):
                m.d.sync += stops_ended.eq(1)

        # The quotient is worked out and shifted while the field is: both are there after FieldString.latency_cycles.
        previous = Signal(4, init=MAX_QUOTIENT)
        quotient = Signal(4)
        shifted_1 = Signal(4 + 1)
        shifted_3 = Signal(4 + 3)
        mask = Signal(MAX_RICE)
        value_1, value_2 = (Signal(VALUE_BITS, name=f"value_{stage}") for stage in (1, 2))
        gap = Signal(GAP_BITS)
        step = Signal(GAP_BITS)
        step_less_row = Signal(COLUMN_BITS + 2)
        remainder = Signal(MAX_RICE)
        m.d.sync += mask.eq((1 << self.rice) - 1)
        m.d.comb += remainder.eq(fields.o[VALUE_BITS:] & mask)
        remainder_not_zero = Signal()
        not_zero = Signal()
        with m.If(advance):
            with m.If(tokens[0].nonzero):
                m.d.sync += previous.eq(stops.o)
            m.d.sync += [
                quotient.eq(stops.o + ~previous),
                shifted_1.eq(Mux(self.rice[0], quotient << 1, quotient)),
                shifted_3.eq(Mux(self.rice[1], shifted_1 << 2, shifted_1)),
                gap.eq(Mux(self.rice[2], shifted_3 << 4, shifted_3) | remainder),
                value_1.eq(fields.o),
                step.eq(gap),
                step_less_row.eq(gap - self.columns),
                value_2.eq(value_1),
                remainder_not_zero.eq(remainder.any()),
                not_zero.eq(value_1.any() | remainder_not_zero),
            ]

        # The held nonzero's column moves on; what it was is offered.
        column = Signal(COLUMN_BITS + 1, init=-1)  # two's complement
        value = Signal(VALUE_BITS)
        held = Signal()
        skipped_row = Signal()
        outside = Signal()
        low_bits = GAP_BITS + 1  # a column behind a crossing is less than 1 << low_bits
        beyond = Signal(low_bits + 1)
        wide_step = Signal(COLUMN_BITS)
        next_column = Signal(COLUMN_BITS)
        less_row = Signal(COLUMN_BITS + 2)
        crosses = Signal()
        arrived = tokens[-1]
        payload = output.i.payload
        m.d.comb += [
            wide_step.eq(step),
            next_column.eq(column - ~wide_step),  # column + step + 1 in one adder
            less_row.eq(column.as_signed() - (~step_less_row).as_signed()),
            crosses.eq(~less_row[-1]),
            beyond.eq(column[:low_bits] - self.columns[:low_bits]),
            outside.eq(skipped_row | (~self.columns[low_bits:].any() & ~beyond[-1])),
        ]
        failed = arrived.code | arrived.truncated
        with m.If(advance):
            with m.If(arrived.nonzero):
                m.d.sync += [
                    column.eq(Mux(crosses, less_row[:low_bits], next_column)),
                    value.eq(value_2),
                    held.eq(1),
                    skipped_row.eq(crosses & ~held),
                ]
            with m.Elif(arrived.end | failed):
                m.d.sync += held.eq(0)
            with m.If(arrived.over):
                m.d.sync += self.exhausted.eq(1)
        m.d.comb += [
            output.i.valid.eq((held & (arrived.nonzero | arrived.end)) | failed | (arrived.tail & not_zero)),
            payload.column.eq(column),
            payload.value.eq(value),
            payload.last.eq(arrived.end | crosses),
        ]
        with m.If((held & outside) | arrived.code):
            m.d.comb += payload.error.eq(StreamErrorKind.CODE)
        with m.Elif(arrived.truncated):
            m.d.comb += payload.error.eq(StreamErrorKind.TRUNCATED)
        with m.Elif(arrived.tail):
            m.d.comb += payload.error.eq(StreamErrorKind.LENGTH)

        with m.If(self.restart):
            for flag in (ended, stops_ended, held, skipped_row, self.exhausted, *tokens):
                m.d.sync += flag.eq(0)
            m.d.sync += [previous.eq(MAX_QUOTIENT), column.eq(-1)]
        m.d.comb += [part.restart.eq(self.restart) for part in (requests, stops, fields)]
        return m
