"""Takes the stops of a packed stream, one a cycle."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.packed import STOP_WORDS
from openwork_hw.primitives.registers import without_reset

BYTE_BITS = 8
BYTES = WORD_BITS // BYTE_BITS
GROUP_BITS = 4


class StopString(wiring.Component):
    """Keep STOP_WORDS words of the stop string and find its next stop: the lowest 1.

    Function
        The string is worked off in bytes. A byte `u` gives the stop ``u & -u`` and becomes ``u & (u - 1)``; with its last
        stop, the next byte takes its place.
    Ports
        i : in, 32 bits; a word
        i_valid : in; take it in. Only if `room`
        room : out; there is room for a word
        some : out; there is a stop
        dry : out; a byte was all 0: no further stop may be asked for
        stray : out; a stop came after that
        empty : out; neither stop nor byte is left
        take : in; drop the stop
        frees : out; with this stop a word is done: room for another will come up
        advance : in; o takes the position of the stop that `take` drops
        o : out, 3 bits; position in its byte of the stop last taken
        restart : in; return to the start
    Timing
        A stop a cycle. A word shows STOP_WORDS + 1 cycles after it is taken in where nothing waits before it. No combinational
        path except from take.
    Cost
        32 flip-flops for each word.
    Limits
        -
    """

    i: Value
    i_valid: Value
    room: Value
    some: Value
    dry: Value
    stray: Value
    empty: Value
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
                "some": Out(1),
                "dry": Out(1),
                "stray": Out(1),
                "empty": Out(1),
                "take": In(1),
                "frees": Out(1),
                "advance": In(1),
                "o": Out(range(BYTE_BITS)),
                "restart": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        # Words wait in line: the last place is the input's. The first gives its bytes away, lowest first, and shows which.
        some, dry, stray = (without_reset(m, getattr(self, name), name) for name in ("some", "dry", "stray"))
        places = STOP_WORDS
        words = [Signal(WORD_BITS, name=f"word_{place}", reset_less=True) for place in range(places)]
        valid = Signal(places, reset_less=True)
        bytes_gone = Signal(range(BYTES), reset_less=True)
        following = Signal(BYTE_BITS, reset_less=True)
        following_valid = Signal(reset_less=True)
        following_some = Signal(reset_less=True)  # it holds a stop
        following_single = Signal(reset_less=True)  # and no second one
        following_ends = Signal(reset_less=True)  # it is its word's last
        byte = Signal(BYTE_BITS, reset_less=True)
        single = Signal(reset_less=True)
        ends = Signal(reset_less=True)
        m.d.comb += [
            self.frees.eq(single & ends),
            self.room.eq(~valid[-1]),
            self.empty.eq(~some & ~following_valid & ~valid.any()),
        ]

        load_byte = Signal()
        load_following = Signal()
        word_done = Signal()
        m.d.comb += [
            load_byte.eq(following_valid & (~some | (self.take & single))),
            load_following.eq(valid[0] & (~following_valid | load_byte)),
            word_done.eq(load_following & (bytes_gone == BYTES - 1)),
        ]
        with m.If(self.take | ~some):
            m.d.sync += [
                byte.eq(Mux((single | ~some) & following_valid, following, byte & (byte - 1)[:BYTE_BITS])),
                single.eq(Mux((single | ~some) & following_valid, following_single, _at_most_two(byte))),
            ]
        with m.If(load_byte):
            m.d.sync += [
                ends.eq(following_ends),
                following_valid.eq(0),
                some.eq(following_some & ~dry),
                stray.eq(stray | (following_some & dry)),
                dry.eq(dry | ~following_some),
            ]
        with m.Elif(self.take & single):
            m.d.sync += some.eq(0)
        lowest = words[0][:BYTE_BITS]
        with m.If(load_following):
            m.d.sync += [
                following.eq(lowest),
                following_some.eq(lowest.any()),
                following_single.eq(_at_most_one(lowest)),
                following_ends.eq(bytes_gone == BYTES - 1),
                following_valid.eq(1),
                bytes_gone.eq(bytes_gone + 1),
                words[0].eq(words[0] >> BYTE_BITS),
            ]
        for place in range(places):
            with m.If(~valid[place] | (word_done if place == 0 else 0)):
                if place + 1 < places:
                    m.d.sync += [words[place].eq(words[place + 1]), valid[place].eq(valid[place + 1])]
                    m.d.sync += valid[place + 1].eq(0)
                else:
                    m.d.sync += words[place].eq(self.i)
        with m.If(self.i_valid):
            m.d.sync += valid[-1].eq(1)

        # Position: which group, and the group itself; encoded behind the register.
        low, high = byte[:GROUP_BITS], byte[GROUP_BITS:]
        in_high = Signal(reset_less=True)
        chosen = Signal(GROUP_BITS, reset_less=True)
        with m.If(self.advance):
            m.d.sync += [in_high.eq(~low.any()), chosen.eq(Mux(low.any(), low, high))]
        m.d.comb += self.o.eq(Cat(~chosen[0] & (chosen[1] | ~chosen[2]), ~chosen[:2].any(), in_high))
        with m.If(self.restart):
            for flag in (valid, following_valid, bytes_gone, some, dry, stray):
                m.d.sync += flag.eq(0)
        return m


def _two_or_more(bits: Value) -> Value:
    """At least two of four bits are set."""
    return (bits[0] & bits[1]) | (bits[2] & bits[3]) | (bits[:2].any() & bits[2:].any())


def _three_or_more(bits: Value) -> Value:
    """At least three of four bits are set."""
    return (bits[:2].all() & bits[2:].any()) | (bits[:2].any() & bits[2:].all())


def _at_most_one(byte: Value) -> Value:
    """At most one bit of a byte is set; two look-up tables deep, without a carry."""
    low, high = byte[:GROUP_BITS], byte[GROUP_BITS:]
    return ~(_two_or_more(low) | _two_or_more(high) | (low.any() & high.any()))


def _at_most_two(byte: Value) -> Value:
    """At most two bits of a byte are set."""
    low, high = byte[:GROUP_BITS], byte[GROUP_BITS:]
    mixed = (_two_or_more(low) & high.any()) | (low.any() & _two_or_more(high))
    return ~(_three_or_more(low) | _three_or_more(high) | mixed)
