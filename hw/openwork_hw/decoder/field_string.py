"""Takes the fields of a packed stream, one a cycle."""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.packed import FIELD_WORDS, MAX_RICE, VALUE_BITS

HALF_BITS = WORD_BITS // 2
FIELD_BITS = VALUE_BITS + MAX_RICE


class FieldString(wiring.Component):
    """Keep FIELD_WORDS words of the field string and cut out the next field of 8 + rice bits.

    Function
        The string passes through a window of two halves of 16 bits, more words wait behind it. The field is the window
        from `offset` on; taking it moves the offset on by 8 + rice, and the window by a half where that leaves its lower
        half.
    Ports
        i : in, 32 bits; a word
        i_valid : in; take it in. Only if `room`
        room : out; there is room for a word
        ended : in; no word will follow
        rice : in, 3 bits; steady
        ready : out; there is a field; where the string has ended, zeros follow
        cut : out; some of it lies behind the string's end
        spent : out; all of it lies behind the string's end
        take : in; drop the field, if it is ready
        frees : out; with this field a word is done: room for another will come up
        advance : in; the registers on the way to o move on
        o : out, 15 bits; the field that was next latency_cycles = 4 advances ago; above 8 + rice, it holds what follows
        restart : in; return to the start
    Timing
        A field a cycle. The first half of a word shows FIELD_WORDS + 1 cycles after the word is taken in where nothing waits
        before it. No combinational path except from take.
    Cost
        32 flip-flops for each word, a shifter of 71 bits in four stages.
    Limits
        -
    """

    latency_cycles = 4

    i: Value
    i_valid: Value
    room: Value
    ended: Value
    rice: Value
    ready: Value
    cut: Value
    spent: Value
    take: Value
    frees: Value
    advance: Value
    o: Value
    restart: Value

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(WORD_BITS),
                "i_valid": In(1),
                "room": Out(1),
                "ended": In(1),
                "rice": In(range(MAX_RICE + 1)),
                "ready": Out(1),
                "cut": Out(1),
                "spent": Out(1),
                "take": In(1),
                "frees": Out(1),
                "advance": In(1),
                "o": Out(FIELD_BITS),
                "restart": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        # Words wait in line: the last place is the input's, place 0 is next to the window.
        places = FIELD_WORDS - 2
        queued = [Signal(WORD_BITS, name=f"queued_{place}", reset_less=True) for place in range(places)]
        queued_valid = Signal(places, reset_less=True)
        word = Signal(WORD_BITS, reset_less=True)
        word_valid = Signal(reset_less=True)
        word_at_high = Signal(reset_less=True)  # its low half has left
        high = Signal(HALF_BITS, reset_less=True)
        high_valid = Signal(reset_less=True)
        high_behind = Signal(reset_less=True)  # behind the string's end
        low = Signal(HALF_BITS, reset_less=True)
        low_valid = Signal(reset_less=True)
        low_behind = Signal(reset_less=True)
        low_is_high_half = Signal(init=1, reset_less=True)
        offset = Signal(range(HALF_BITS), reset_less=True)
        fresh = Signal(init=1, reset_less=True)  # no field yet: offset is still 0
        drained = Signal(reset_less=True)  # nothing will follow the upper half

        end = Signal(range(2 * HALF_BITS), reset_less=True)  # of the field; one step ahead of `offset`
        next_end = Signal(range(2 * HALF_BITS))
        reaches_high = Signal(reset_less=True)
        dropped = Signal()
        m.d.comb += [
            next_end.eq(Mux(fresh, 0, end[:-1]) + Cat(self.rice, Const(1, 1))),
            self.ready.eq(low_valid & (high_valid | ~reaches_high)),
            dropped.eq(self.take & self.ready),
            self.cut.eq(low_behind | (high_behind & reaches_high)),
            self.spent.eq(low_behind),
            self.frees.eq(end[-1] & low_is_high_half),
            self.room.eq(~queued_valid[-1]),
        ]

        load_low = Signal()
        load_high = Signal()
        load_word = Signal()
        m.d.comb += [
            load_low.eq(~low_valid | (dropped & end[-1])),
            load_high.eq(~high_valid | load_low),
            load_word.eq(~word_valid | (load_high & word_at_high)),
        ]
        with m.If(load_low):
            m.d.sync += [low.eq(high), low_valid.eq(high_valid), low_behind.eq(high_behind)]
            with m.If(high_valid):
                m.d.sync += fresh.eq(0)
                m.d.sync += low_is_high_half.eq(~low_is_high_half)
        with m.If(load_high):
            m.d.sync += high.eq(Mux(word_valid, Mux(word_at_high, word[HALF_BITS:], word[:HALF_BITS]), 0))
            m.d.sync += [high_valid.eq(word_valid | drained), high_behind.eq(drained)]
            with m.If(word_valid):
                m.d.sync += word_at_high.eq(~word_at_high)
        with m.If(load_word):
            m.d.sync += [word.eq(queued[0]), word_valid.eq(queued_valid[0]), queued_valid[0].eq(0)]
        for place in range(places - 1):
            with m.If(~queued_valid[place]):
                m.d.sync += [queued[place].eq(queued[place + 1]), queued_valid[place].eq(queued_valid[place + 1])]
                m.d.sync += queued_valid[place + 1].eq(0)
        with m.If(self.i_valid):
            m.d.sync += [queued[-1].eq(self.i), queued_valid[-1].eq(1)]
        m.d.sync += drained.eq(self.ended & ~queued_valid.any() & load_word)
        with m.If(dropped | fresh):
            m.d.sync += [
                offset.eq(Mux(fresh, 0, end[:-1])),
                end.eq(next_end),
                reaches_high.eq(next_end[-1] & next_end[:-1].any()),
            ]

        # The shift, a bit of the offset in each stage, which keeps the bits that the rest can still reach.
        shifted: Value = Cat(low, high)
        by: Value = offset
        for stage, bit in enumerate(reversed(range(len(offset)))):
            narrower = Signal(FIELD_BITS + (1 << bit) - 1, name=f"shifted_{stage}", reset_less=True)
            with m.If(self.advance):
                m.d.sync += narrower.eq(Mux(by[bit], shifted[1 << bit :], shifted))
            shifted = narrower
            if bit:
                rest = Signal(bit, name=f"by_{stage}", reset_less=True)
                with m.If(self.advance):
                    m.d.sync += rest.eq(by[:bit])
                by = rest
        m.d.comb += self.o.eq(shifted)
        with m.If(self.restart):
            for flag in (
                queued_valid,
                word_valid,
                word_at_high,
                high_valid,
                high_behind,
                low_valid,
                low_behind,
                drained,
            ):
                m.d.sync += flag.eq(0)
            m.d.sync += [low_is_high_half.eq(1), fresh.eq(1)]
        return m
