"""Takes in the outputs of a PE that computes other rows of the same part of the map."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array.payloads import Copy, word_layout
from openwork_hw.primitives.registers import without_reset


class CopyReceiver(wiring.Component):
    """Gather the bytes of another PE's outputs to words, and hold each word until the feature memory has time for it.

    Function
        When i.write is high, the `lanes` newest bytes of `i` are a word for i.address: it is offered from the next cycle on
        until it is taken.
    Ports
        i : in, Copy(config)
        enable : in; what comes in is meant for this PE
        valid, address, word : out; a word that waits
        taken : in; the word is written in this cycle
    Timing
        latency_cycles = 1. No combinational path.
    Cost
        Two registers of a word.
    Limits
        A word must be taken before the next one is whole.
    """

    latency_cycles = 1

    i: data.View
    enable: Value
    valid: Value
    address: Value
    word: data.View
    taken: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        word = word_layout(config.lanes)
        super().__init__(
            {
                "i": In(Copy(config)),
                "enable": In(1),
                "valid": Out(1),
                "address": Out(config.address_bits),
                "word": Out(word),
                "taken": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        gathered = Signal(word_layout(self._config.lanes), reset_less=True)
        whole = Signal.like(gathered)
        word = Signal.like(gathered, name="held")
        address = Signal(self._config.address_bits, reset_less=True)
        m.d.comb += [whole.eq(Cat(gathered, self.i.byte)[8:]), self.word.eq(word), self.address.eq(address)]
        m.d.sync += gathered.eq(whole)
        arrives = Signal()
        m.d.comb += arrives.eq(self.enable & self.i.write)
        valid = without_reset(m, self.valid, "valid")
        m.d.sync += valid.eq(arrives | (valid & ~self.taken))
        with m.If(arrives):
            m.d.sync += [word.eq(whole), address.eq(self.i.address)]
        return m
