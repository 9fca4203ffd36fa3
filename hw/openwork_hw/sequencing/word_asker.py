"""Decides when a STORE or MOVE asks its PE for the next word."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import LOADED_CYCLES
from openwork_hw.sequencing.payloads import period_bits
from openwork_hw.sequencing.return_path import queue_bytes


class WordAsker(wiring.Component):
    """Ask for words far enough apart, and for no more bytes than the queue has room for.

    Role
        Part of the `Sequencer`: its `promise` becomes a beat.
    Function
        `promise` asks for a word. It is high for one cycle at a time, while `asks` and `more` are high, row_spacing cycles apart
        for a STORE and `period` cycles apart for a MOVE. It waits until the bytes that are promised and not taken leave room for
        two words.
    Ports
        asks : in; a STORE or MOVE goes on
        moving : in; it is a MOVE; period : in, its cycles from word to word
        more : in; a word is left to ask for, which counts two cycles later
        taken : in; a byte is taken out of the queue
        promise : out
        pauses : out; a byte that is loaded now would collide with the read or the write of a word
        returned : out; all promised bytes have come and are taken, and no word is left to ask for
    Timing
        All outputs are registers but pauses, which is promise and, with one memory port, a comparison.
    Cost
        Two counters.
    Limits
        None.
    """

    asks: Value
    moving: Value
    period: Value
    more: Value
    taken: Value
    promise: Value
    pauses: Value
    returned: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "asks": In(1),
                "moving": In(1),
                "period": In(period_bits(config)),
                "more": In(1),
                "taken": In(1),
                "promise": Out(1),
                "pauses": Out(1),
                "returned": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        promise = Signal()
        promised = Signal(range(queue_bytes(config) + 1))
        wait = Signal(period_bits(config))  # cycles to the next word that is asked for
        rested = Signal()  # wait is 0
        room, more, taken = Signal(), Signal(), Signal()
        returned = Signal(reset_less=True)
        m.d.comb += [self.promise.eq(promise), self.pauses.eq(promise), self.returned.eq(returned & ~more)]
        if config.single_port:
            # So long before it the byte would be written while the next word is read.
            m.d.comb += self.pauses.eq(promise | (wait == LOADED_CYCLES))
        m.d.sync += [
            # Two cycles late, which is early enough: promises are row_spacing cycles apart, and two of them fit.
            room.eq(promised <= queue_bytes(config) - 2 * config.lanes),
            promise.eq(self.asks & room & more & rested & ~promise),
            more.eq(self.more),
            returned.eq(~more & (promised == 0)),
            taken.eq(self.taken),
            promised.eq(promised + Mux(promise, config.lanes, 0) - taken),
            rested.eq(wait <= 2),
        ]
        with m.If(promise):
            m.d.sync += [wait.eq(Mux(self.moving, self.period, config.row_spacing) - 1), rested.eq(0)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        return m
