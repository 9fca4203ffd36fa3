"""Finds the fields of a packed stream, one per cycle."""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.packed import FIELD_WORDS, MAX_RICE
from openwork_hw.decoder.field_shifter import HALF_BITS, OFFSET_BITS, WINDOW_BITS
from openwork_hw.decoder.word_queue import WordQueue
from openwork_hw.stream.output_buffer import OutputBuffer

Half = data.StructLayout({"bits": HALF_BITS, "behind": 1})
"""Half a word of the string; `behind` its end: zeros."""

FieldPlace = data.StructLayout({"window": WINDOW_BITS, "offset": OFFSET_BITS, "cut": 1, "spent": 1, "frees": 1})
"""A field, from bit `offset` of `window` on.

`cut`: some of it lies behind the string's end; `spent`: all of it does. `frees`: with it a word is done.
"""


class FieldString(wiring.Component):
    """Keep FIELD_WORDS words of the field string and find the next field of 8 + rice bits.

    Role
        Part of a `PackedDecoder`: it finds the value and the remainder of each nonzero.
    Function
        The string passes through a window of two halves of 16 bits. The field is the window from `offset` on. When the field
        is taken, the offset grows by 8 + rice. If it leaves the lower half, the window moves on by one half.
    Ports
        i : in, 32 bits; a word
        i_valid : in; take it in
        ended : in; no word will follow
        rice : in, 3 bits; steady
        o : out, stream of FieldPlace; after the end of the string, zeros follow
        restart : in; return to the start
    Timing
        One field per cycle. The first field is offered 5 cycles after the first word came, once its last bit is there.
        No combinational path.
    Cost
        Flip-flops for FIELD_WORDS words; an adder of 5 bits.
    Limits
        After the first FIELD_WORDS words, a word may come only when a word has been freed.
    Verified by
        tests/cosim/test_decoder.py::test_streams_decode_to_their_rows_at_every_stall_rate
    """

    i: Value
    i_valid: Value
    ended: Value
    rice: Value
    o: stream.Interface
    restart: Value

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(WORD_BITS),
                "i_valid": In(1),
                "ended": In(1),
                "rice": In(range(MAX_RICE + 1)),
                "o": Out(stream.Signature(FieldPlace)),
                "restart": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        # Two words are in the halves on the way and in the window.
        m.submodules.words = words = WordQueue(FIELD_WORDS - 2)
        m.submodules.halves = halves = OutputBuffer(Half)
        m.submodules.fields = fields = OutputBuffer(FieldPlace)
        at_high = Signal(reset_less=True)  # the word's low half has left
        half = halves.i.payload
        m.d.comb += [
            words.i.eq(self.i),
            words.i_valid.eq(self.i_valid),
            words.restart.eq(self.restart),
            half.bits.eq(Mux(words.o_valid, Mux(at_high, words.o[HALF_BITS:], words.o[:HALF_BITS]), 0)),
            half.behind.eq(~words.o_valid),
            halves.i.valid.eq((words.o_valid | self.ended) & ~self.restart),
            halves.flush.eq(self.restart),
            words.taken.eq(words.o_valid & at_high & halves.i.ready),
        ]
        with m.If(words.o_valid & halves.i.ready):
            m.d.sync += at_high.eq(~at_high)

        high = Signal(Half, reset_less=True)
        high_valid = Signal(reset_less=True)
        low = Signal(Half, reset_less=True)
        low_valid = Signal(reset_less=True)
        low_is_high_half = Signal(init=1, reset_less=True)
        offset = Signal(OFFSET_BITS, reset_less=True)
        fresh = Signal(init=1, reset_less=True)  # no field yet: offset is still 0
        end = Signal(range(2 * HALF_BITS), reset_less=True)  # of the field; one step ahead of `offset`
        next_end = Signal(range(2 * HALF_BITS))
        reaches_high = Signal(reset_less=True)
        dropped = Signal()
        load_low = Signal()
        load_high = Signal()
        place = fields.i.payload
        m.d.comb += [
            next_end.eq(Mux(fresh, 0, end[:-1]) + Cat(self.rice, Const(1, 1))),
            place.window.eq(Cat(low.bits, high.bits)),
            place.offset.eq(offset),
            place.cut.eq(low.behind | (high.behind & reaches_high)),
            place.spent.eq(low.behind),
            place.frees.eq(end[-1] & low_is_high_half),
            fields.i.valid.eq(low_valid & (high_valid | ~reaches_high) & ~self.restart),
            fields.flush.eq(self.restart),
            dropped.eq(low_valid & (high_valid | ~reaches_high) & fields.i.ready),
            load_low.eq(~low_valid | (dropped & end[-1])),
            # As ~high_valid | load_low, which is longer: with `high` there is a field.
            load_high.eq(~high_valid | ~low_valid | (fields.i.ready & end[-1])),
            halves.o.ready.eq(load_high),
        ]
        wiring.connect(m, fields.o, wiring.flipped(self.o))
        with m.If(load_low):
            m.d.sync += [low.eq(high), low_valid.eq(high_valid)]
            with m.If(high_valid):
                m.d.sync += [fresh.eq(0), low_is_high_half.eq(~low_is_high_half)]
        with m.If(load_high):
            m.d.sync += [high.eq(halves.o.payload), high_valid.eq(halves.o.valid)]
        with m.If(dropped | fresh):
            m.d.sync += [
                offset.eq(Mux(fresh, 0, end[:-1])),
                end.eq(next_end),
                reaches_high.eq(next_end[-1] & next_end[:-1].any()),
            ]
        with m.If(self.restart):
            m.d.sync += [flag.eq(0) for flag in (at_high, high_valid, low_valid)]
            m.d.sync += [low_is_high_half.eq(1), fresh.eq(1)]
        return m
