"""Receives the outputs of a PE that computes other rows of the same part of the map."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array.payloads import Copy, WordWrite, word_layout
from openwork_hw.primitives.registers import without_reset


class CopyReceiver(wiring.Component):
    """Gather the bytes of another PE's outputs to words, and hold each word until the feature memory has time for it.

    Role
        Part of a `WriteBack`, once per other stream: with it, the PEs of all streams hold the whole map.
    Function
        When i.write is high, the `lanes` newest bytes of `i` are a word for i.address: it is offered from the next cycle on
        until it is taken.
    Ports
        i : in, Copy(config)
        o : out, WordWrite(config); a word that waits
        taken : in; the word is written in this cycle
    Timing
        latency_cycles = 1. No combinational path.
    Cost
        Two registers of a word.
    Limits
        A word must be taken before the next one is whole.
    Verified by
        tests/openwork_hw/array/test_write_back.py::test_a_loaded_word_and_a_copy_are_both_written
    """

    latency_cycles = 1

    i: data.View
    o: data.View
    taken: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__({"i": In(Copy(config)), "o": Out(WordWrite(config)), "taken": In(1)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        gathered = Signal(word_layout(self._config.lanes), reset_less=True)
        whole = Signal.like(gathered)
        m.d.comb += whole.eq(Cat(gathered, self.i.byte)[8:])
        m.d.sync += gathered.eq(whole)
        held = without_reset(m, self.o, "held")
        m.d.sync += held.valid.eq(self.i.write | (held.valid & ~self.taken))
        with m.If(self.i.write):
            m.d.sync += [held.word.eq(whole), held.address.eq(self.i.address)]
        return m
