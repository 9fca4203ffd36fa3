"""Says which of a packed stream's two bit strings the next word belongs to."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.packed import FIRST_WORDS


class WordRequests(wiring.Component):
    """Queue the requests for words in the order in which room for them came up.

    Role
        Part of a `PackedDecoder`: the words of two bit strings come in one stream, in the order of these requests.
    Function
        It starts with the requests of an empty decoder, FIRST_WORDS. `stop` and `field` ask for one more word each. If both
        ask, the stop word comes first.
    Ports
        stop, field : in; ask for a word. Not in the cycle after both did
        taken : in; the word that was asked for first has come
        o_valid : out; a word is asked for
        o_stop : out; it is a stop word, else a field word
        o_idle : out; no request waits
        restart : in; return to the start
    Timing
        A request shows the cycle after it is made; the second of two at once, two cycles after. No combinational path.
    Cost
        A place of two bits for each word that a decoder holds.
    Limits
        As many requests wait as there are places, at most.
    Verified by
        tests/cosim/test_decoder.py::test_streams_decode_to_their_rows_at_every_stall_rate
    """

    stop: Value
    field: Value
    taken: Value
    o_valid: Value
    o_stop: Value
    o_idle: Value
    restart: Value

    def __init__(self) -> None:
        super().__init__(
            {
                "stop": In(1),
                "field": In(1),
                "taken": In(1),
                "o_valid": Out(1),
                "o_stop": Out(1),
                "o_idle": Out(1),
                "restart": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        depth = len(FIRST_WORDS)
        first_kinds = sum(kind << place for place, kind in enumerate(FIRST_WORDS))
        kinds = Signal(depth, init=first_kinds, reset_less=True)  # 1 for a stop word; the oldest request at bit 0
        valid = Signal(depth, init=-1, reset_less=True)
        late_field = Signal(reset_less=True)
        push = Signal()
        m.d.comb += [
            self.o_valid.eq(valid[0]),
            self.o_stop.eq(kinds[0]),
            self.o_idle.eq(~valid[0] & ~late_field),
            push.eq(self.stop | self.field | late_field),
        ]
        m.d.sync += late_field.eq(self.stop & self.field)
        left = Mux(self.taken, valid[1:], valid)
        left_kinds = Mux(self.taken, kinds[1:], kinds)
        for place in range(depth):
            before = left[place - 1] if place else 1
            m.d.sync += valid[place].eq(left[place] | (push & before))
            m.d.sync += kinds[place].eq(Mux(left[place], left_kinds[place], self.stop))
        with m.If(self.restart):
            m.d.sync += [kinds.eq(first_kinds), valid.eq(-1), late_field.eq(0)]
        return m
