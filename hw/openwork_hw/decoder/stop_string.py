"""Takes the stops of a packed stream, one a cycle."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS

HALF_BITS = WORD_BITS // 2
GROUP_BITS = 4


class StopString(wiring.Component):
    """Keep two words of the stop string and find its next stop: the lowest 1.

    Function
        The string is worked off in halves of 16 bits. A half `u` gives the stop ``u & -u`` and becomes ``u & (u - 1)``;
        with its last stop, the next half takes its place.
    Ports
        i : in, 32 bits; a word
        i_valid : in; take it in. Only if `room`
        room : out; there is room for a word
        some : out; there is a stop
        dry : out; a half was all 0, so the string must be over
        stray : out; a stop came after that
        empty : out; neither stop nor half is left
        take : in; drop the stop
        frees : out; with this stop a word is done: room for another will come up
        advance : in; o takes the position of the stop that `take` drops
        o : out, 4 bits; position in its half of the stop last taken
        restart : in; return to the start
    Timing
        A stop a cycle. A word shows two cycles after it is taken in. No combinational path except from take.
    Cost
        64 flip-flops for the words.
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
                "o": Out(range(HALF_BITS)),
                "restart": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        word = Signal(WORD_BITS)
        word_valid = Signal()
        word_at_high = Signal()  # its low half has left
        following = Signal(HALF_BITS)
        following_valid = Signal()
        following_some = Signal()  # it holds a stop
        half = Signal(HALF_BITS)
        half_is_high = Signal(init=1)

        groups = _groups(half)
        used = Cat(group.any() for group in groups)
        last_stop = Signal()  # the half holds no second one
        following_is_last = Signal()
        m.d.comb += [
            self.frees.eq(last_stop & half_is_high),
            self.room.eq(~word_valid),
            self.empty.eq(~self.some & ~following_valid & ~word_valid),
        ]

        load_half = Signal()
        load_following = Signal()
        below = (half - 1)[:HALF_BITS]
        following_next = Signal(HALF_BITS)
        m.d.comb += [
            load_half.eq(following_valid & (~self.some | (self.take & last_stop))),
            load_following.eq(word_valid & (~following_valid | load_half)),
            following_next.eq(Mux(word_at_high, word[HALF_BITS:], word[:HALF_BITS])),
        ]
        with m.If(self.take | ~self.some):
            m.d.sync += [
                half.eq(Mux((last_stop | ~self.some) & following_valid, following, half & below)),
                last_stop.eq(Mux((last_stop | ~self.some) & following_valid, following_is_last, _at_most_two(half))),
            ]
        with m.If(load_half):
            m.d.sync += [half_is_high.eq(~half_is_high), following_valid.eq(0)]
            m.d.sync += [
                self.some.eq(following_some & ~self.dry),
                self.stray.eq(self.stray | (following_some & self.dry)),
                self.dry.eq(self.dry | ~following_some),
            ]
        with m.Elif(self.take & last_stop):
            m.d.sync += self.some.eq(0)
        with m.If(load_following):
            m.d.sync += [
                following.eq(following_next),
                following_some.eq(following_next.any()),
                following_is_last.eq(_at_most_one(following_next)),
                following_valid.eq(1),
                word_at_high.eq(~word_at_high),
            ]
            with m.If(word_at_high):
                m.d.sync += word_valid.eq(0)
        with m.If(self.i_valid):
            m.d.sync += [word.eq(self.i), word_valid.eq(1)]

        # Position: which group, and the group itself; encoded behind the register.
        group_number = Signal(2)
        chosen = Signal(GROUP_BITS)
        with m.If(self.advance):
            m.d.sync += group_number.eq(Cat(~used[0] & (used[1] | ~used[2]), ~used[:2].any()))
            m.d.sync += chosen.eq(Mux(used[:2].any(), Mux(used[0], groups[0], groups[1]), Mux(used[2], *groups[2:])))
        m.d.comb += self.o.eq(Cat(~chosen[0] & (chosen[1] | ~chosen[2]), ~chosen[:2].any(), group_number))
        with m.If(self.restart):
            for flag in (half, self.some, word_valid, following_valid, word_at_high, self.dry, self.stray):
                m.d.sync += flag.eq(0)
            m.d.sync += half_is_high.eq(1)
        return m


def _groups(half: Value) -> list[Value]:
    """A half by fours, as many bits as a look-up table has inputs."""
    return [half[start : start + GROUP_BITS] for start in range(0, HALF_BITS, GROUP_BITS)]


def _two_or_more(bits: Value) -> Value:
    """At least two of four bits are set."""
    return (bits[0] & bits[1]) | (bits[2] & bits[3]) | (bits[:2].any() & bits[2:].any())


def _three_or_more(bits: Value) -> Value:
    """At least three of four bits are set."""
    return (bits[:2].all() & bits[2:].any()) | (bits[:2].any() & bits[2:].all())


def _at_most_one(half: Value) -> Value:
    """At most one bit of a half is set; three look-up tables deep, without a carry."""
    used = Cat(group.any() for group in _groups(half))
    crowded = Cat(_two_or_more(group) for group in _groups(half))
    return ~crowded.any() & ~_two_or_more(used)


def _at_most_two(half: Value) -> Value:
    """At most two bits of a half are set."""
    used = Cat(group.any() for group in _groups(half))
    crowded = Cat(_two_or_more(group) for group in _groups(half)).any()
    full = Cat(_three_or_more(group) for group in _groups(half)).any()
    return ~full & Mux(crowded, ~_two_or_more(used), ~_three_or_more(used))
