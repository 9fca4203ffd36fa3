"""A queue of words in registers."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS


class WordQueue(wiring.Component):
    """Keep up to `depth` words in the order in which they came.

    Role
        Part of a `StopString` and of a `FieldString`: it holds the words that wait there.
    Function
        A word goes to the first free place. When the first word is taken, the others move up.
    Ports
        i : in, 32 bits; a word
        i_valid : in; take it in
        o : out, 32 bits; the word that came first
        o_valid : out; there is one
        taken : in; drop it
        restart : in; forget all
    Timing
        A word shows in the cycle after it came, if nothing waits before it. One word per cycle. No combinational path.
    Cost
        32 flip-flops per word, and 32 LUTs per word but one.
    Limits
        No word may come while all places are in use: the component that asks for words counts them.
    Verified by
        tests/cosim/test_decoder.py::test_streams_decode_to_their_rows_at_every_stall_rate
    """

    i: Value
    i_valid: Value
    o: Value
    o_valid: Value
    taken: Value
    restart: Value

    def __init__(self, depth: int) -> None:
        self._depth = depth
        super().__init__(
            {
                "i": In(WORD_BITS),
                "i_valid": In(1),
                "o": Out(WORD_BITS),
                "o_valid": Out(1),
                "taken": In(1),
                "restart": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        words = [Signal(WORD_BITS, name=f"word_{place}", reset_less=True) for place in range(self._depth)]
        valid = Signal(self._depth, reset_less=True)
        m.d.comb += [self.o.eq(words[0]), self.o_valid.eq(valid[0])]
        left = Mux(self.taken, valid[1:], valid)
        for place, word in enumerate(words):
            m.d.sync += valid[place].eq(left[place] | (self.i_valid & (left[place - 1] if place else 1)))
            with m.If(self.taken | ~valid[place]):
                # In a place behind the last word, whatever comes in does no harm.
                m.d.sync += word.eq(
                    self.i if place + 1 == self._depth else Mux(valid[place + 1], words[place + 1], self.i)
                )
        with m.If(self.restart):
            m.d.sync += valid.eq(0)
        return m
