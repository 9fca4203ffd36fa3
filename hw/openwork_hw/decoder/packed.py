"""Decodes packed weight streams."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import COLUMN_BITS, WORD_BITS, bits_for
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.arch.packed import COUNT_BITS, MAX_QUOTIENT, MAX_RICE, VALUE_BITS
from openwork_hw.arch.timing import DECODER_CYCLES
from openwork_hw.decoder.field_shifter import FieldShifter
from openwork_hw.decoder.field_string import FieldString
from openwork_hw.decoder.payloads import DecodedNonzero, WeightWord
from openwork_hw.decoder.stop_string import StopString
from openwork_hw.decoder.word_requests import WordRequests
from openwork_hw.stream.output_buffer import OutputBuffer

GAP_BITS = (MAX_QUOTIENT << MAX_RICE).bit_length()

TOKEN = data.StructLayout({"nonzero": 1, "end": 1, "tail": 1, "over": 1, "code": 1, "truncated": 1, "extra": 1})
"""What a cycle sends down the pipeline.

`end`: that was the last nonzero; `tail`: some of the fields behind it, which must be 0; `over`: nothing is left at all;
`code`, `truncated`, `extra`: errors.
"""


class PackedDecoder(wiring.Component):
    """Turn the words of a packed stream, after its header, into nonzeros, one per cycle.

    Role
        One of the decoders that a `WeightDecoder` is built with: the one for `packed`, which most boards use.
    Function
        The format is that of `openwork_hw.arch.packed`: gap = quotient << rice | remainder, and column' = column + 1 + gap,
        minus `columns` if this crosses the end of the row. A nonzero is held back until the next nonzero, or the end of the
        stream, tells whether it ends its row. It is dropped if an error follows.
    Ports
        i_words : in, stream of WeightWord
        rice : in, 3 bits, and
        columns : in, 17 bits: columns of a row; both steady from restart to restart
        o : out, stream of DecodedNonzero; errors are CODE (a count that cannot be, a byte without a stop, a gap over a whole
            row), TRUNCATED (a nonzero without a stop or field) and LENGTH (behind the last nonzero not only zeros, or words
            that nobody asked for)
        exhausted : out; the last word is taken, and nothing but zero padding is left; level until `restart`
        restart : in; return to the start
    Timing
        The first nonzero is offered latency_cycles after the first word is taken, and then one per cycle to the last, if a word
        comes every cycle. `exhausted` follows within 30 cycles. No combinational path.
    Cost
        StopString, FieldString, WordRequests, a counter of 25 bits, adders of 16 and twice 18 bits, a comparison of 11 bits.
    Limits
        No word is offered on `i_words` while `restart` is high, nor after the last one.
    Verified by
        tests/cosim/test_decoder.py::test_streams_decode_to_their_rows_at_every_stall_rate
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
        m.submodules.shifter = shifter = FieldShifter()
        # One register says for the whole pipeline whether it moves.
        m.submodules.output = output = OutputBuffer(DecodedNonzero)
        advance = output.i.ready
        m.d.comb += output.flush.eq(self.restart)
        wiring.connect(m, output.o, wiring.flipped(self.o))

        # The first word is the count; then words go where the oldest request wants them.
        word = self.i_words.payload
        incoming = Signal(WORD_BITS, reset_less=True)
        incoming_stop, incoming_field, incoming_last = (
            Signal(name=name, reset_less=True) for name in ("incoming_stop", "incoming_field", "incoming_last")
        )
        counted = Signal(reset_less=True)
        bad_count = Signal(reset_less=True)
        left = Signal(signed(COUNT_BITS + 1), reset_less=True)  # nonzeros to come, less one
        ended = Signal(reset_less=True)
        word_taken = Signal()
        stop, field = stops.o.payload, fields.o.payload
        more, both, taken = (Signal(name=name) for name in ("more", "both", "taken"))
        m.d.comb += [
            self.i_words.ready.eq(~counted | requests.o_valid),
            word_taken.eq(self.i_words.valid & self.i_words.ready),
            requests.taken.eq(word_taken & counted),
            stops.i.eq(incoming),
            stops.i_valid.eq(incoming_stop),
            fields.i.eq(incoming),
            fields.i_valid.eq(incoming_field),
            fields.ended.eq(ended),
            fields.rice.eq(self.rice),
        ]
        m.d.sync += [
            incoming.eq(word.data),
            incoming_stop.eq(word_taken & counted & requests.o_stop),
            incoming_field.eq(word_taken & counted & ~requests.o_stop),
            incoming_last.eq(word_taken & word.last),
            ended.eq(ended | incoming_last),
        ]
        with m.If(word_taken):
            m.d.sync += counted.eq(1)
        with m.If(~counted):
            count, reserved = word.data[:COUNT_BITS], word.data[COUNT_BITS:]
            m.d.sync += [left.eq(count - 1), bad_count.eq(word_taken & ((count == 0) | reserved.any()))]
        with m.Elif(taken):
            m.d.sync += left.eq(left - 1)

        # Stage 0: a stop and a field together are a nonzero.
        token = Signal(TOKEN)
        tokens = [
            Signal(TOKEN, name=f"token_{stage}", reset_less=True) for stage in range(FieldShifter.latency_cycles + 2)
        ]
        finished = Signal(reset_less=True)
        m.d.comb += [
            more.eq(~left[-1]),
            both.eq(stops.o.valid & fields.o.valid),
            token.nonzero.eq(more & both & ~field.cut),
            token.truncated.eq(counted & more & ((both & field.cut) | (stops.empty & ended & ~stops.dry))),
            token.code.eq(bad_count | (counted & more & stops.dry & ~stops.o.valid)),
            token.end.eq(counted & ~more & ~finished & ~bad_count),
            token.tail.eq(finished & fields.o.valid & ~field.spent),
            token.over.eq(finished & fields.o.valid & field.spent & stops.empty),
            token.extra.eq(finished & (stops.o.valid | stops.stray | (requests.o_idle & ~ended))),
            stops.o.ready.eq(advance & more & fields.o.valid),
            fields.o.ready.eq(advance & (finished | (more & stops.o.valid))),
            taken.eq(advance & more & both),
            requests.stop.eq(taken & stop.frees),
            requests.field.eq(taken & field.frees),
            shifter.window.eq(field.window),
            shifter.offset.eq(field.offset),
            shifter.advance.eq(advance),
        ]
        with m.If(advance):
            m.d.sync += [tokens[0].eq(token), Cat(tokens[1:]).eq(Cat(tokens[:-1]))]
            with m.If(token.end):
                m.d.sync += finished.eq(1)

        # The quotient is worked out and shifted while the field is: both are there after FieldShifter.latency_cycles.
        quotient_bits = bits_for(MAX_QUOTIENT + 1)
        stop_place = Signal(quotient_bits, reset_less=True)
        previous = Signal(quotient_bits, init=MAX_QUOTIENT, reset_less=True)
        quotient = Signal(quotient_bits, reset_less=True)
        shifted_1 = Signal(quotient_bits + 1, reset_less=True)
        shifted_3 = Signal(quotient_bits + 3, reset_less=True)
        mask = Signal(MAX_RICE, reset_less=True)
        value_1, value_2 = (Signal(VALUE_BITS, name=f"value_{stage}", reset_less=True) for stage in (1, 2))
        gap = Signal(GAP_BITS, reset_less=True)
        step = Signal(GAP_BITS, reset_less=True)
        step_less_row = Signal(COLUMN_BITS + 2, reset_less=True)
        remainder = Signal(MAX_RICE)
        m.d.sync += mask.eq((1 << self.rice) - 1)
        m.d.comb += remainder.eq(shifter.o[VALUE_BITS:] & mask)
        remainder_not_zero = Signal(reset_less=True)
        not_zero = Signal(reset_less=True)
        with m.If(advance):
            with m.If(tokens[0].nonzero):
                m.d.sync += previous.eq(stop_place)
            m.d.sync += [
                stop_place.eq(stop.place),
                quotient.eq(stop_place + ~previous),
                shifted_1.eq(Mux(self.rice[0], quotient << 1, quotient)),
                shifted_3.eq(Mux(self.rice[1], shifted_1 << 2, shifted_1)),
                gap.eq(Mux(self.rice[2], shifted_3 << 4, shifted_3) | remainder),
                value_1.eq(shifter.o),
                step.eq(gap),
                step_less_row.eq(gap - self.columns),
                value_2.eq(value_1),
                remainder_not_zero.eq(remainder.any()),
                not_zero.eq(value_1.any() | remainder_not_zero),
            ]

        # The held nonzero's column moves on; what it was leaves, and is offered a cycle later.
        leaves = Signal(reset_less=True)
        leaving = Signal(
            data.StructLayout(
                {"column": COLUMN_BITS, "value": VALUE_BITS, "last": 1, "code": 1, "truncated": 1, "extra": 1}
            ),
            reset_less=True,
        )
        column = Signal(COLUMN_BITS + 1, init=-1, reset_less=True)  # two's complement
        value = Signal(VALUE_BITS, reset_less=True)
        held = Signal(reset_less=True)
        skipped_row = Signal(reset_less=True)
        outside = Signal()
        over = Signal(reset_less=True)
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
        surplus = arrived.extra | (arrived.tail & not_zero)
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
                m.d.sync += over.eq(1)
        m.d.comb += [
            output.i.valid.eq(leaves),
            payload.column.eq(leaving.column),
            payload.value.eq(leaving.value),
            payload.last.eq(leaving.last),
            self.exhausted.eq(over & ~leaves & ~output.o.valid),
        ]
        with m.If(advance):
            m.d.sync += [
                leaves.eq((held & (arrived.nonzero | arrived.end)) | failed | surplus),
                leaving.column.eq(column),
                leaving.value.eq(value),
                leaving.last.eq(arrived.end | crosses),
                leaving.code.eq((held & outside) | arrived.code),
                leaving.truncated.eq(arrived.truncated),
                leaving.extra.eq(surplus),
            ]
        with m.If(leaving.code):
            m.d.comb += payload.error.eq(StreamErrorKind.CODE)
        with m.Elif(leaving.truncated):
            m.d.comb += payload.error.eq(StreamErrorKind.TRUNCATED)
        with m.Elif(leaving.extra):
            m.d.comb += payload.error.eq(StreamErrorKind.LENGTH)

        with m.If(self.restart):
            for flag in (counted, bad_count, incoming_stop, incoming_field, incoming_last, ended, finished):
                m.d.sync += flag.eq(0)
            for flag in (held, skipped_row, leaves, over, *tokens):
                m.d.sync += flag.eq(0)
            m.d.sync += [previous.eq(MAX_QUOTIENT), column.eq(-1)]
        m.d.comb += [part.restart.eq(self.restart) for part in (requests, stops, fields)]
        return m
