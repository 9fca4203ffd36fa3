"""The way into a feature memory, for several sources that may have a word at the same time."""

from amaranth.hdl import Const, Elaboratable, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import WRITE_CYCLES
from openwork_hw.array.payloads import WordWrite


class WritePort(wiring.Component):
    """Hand on one word per cycle: the word of the first source that has one.

    Role
        Part of a `WriteBack`: the only way into the feature memory of a PE.
    Function
        o[t+1] = the first valid word of i[t]; the others wait. While `o` is not valid, all its fields are 0.
    Ports
        i : in, `sources` x WordWrite(config); source 0 never waits
        taken : out, one bit per source: its word leaves in this cycle
        o : out, WordWrite(config)
    Timing
        latency_cycles = 1, one word per cycle. Combinational path: valid to taken.
    Cost
        A register of a word per source, zero but for the chosen word: so a bit of `o` is one LUT, and no choice.
    Limits
        None.
    """

    latency_cycles = WRITE_CYCLES

    i: list[data.View]
    taken: Value
    o: data.View

    def __init__(self, config: ArrayConfig, *, sources: int) -> None:
        self._config = config
        self._sources = sources
        super().__init__(
            {
                "i": In(WordWrite(config)).array(sources),
                "taken": Out(sources),
                "o": Out(WordWrite(config)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        waits_for: Value = Const(0)
        chosen: Value = Const(0)
        for number, source in enumerate(self.i):
            leaving = Signal(WordWrite(self._config), name=f"leaving_{number}", reset_less=True)
            m.d.comb += self.taken[number].eq(source.valid & ~waits_for)
            m.d.sync += leaving.eq(source)
            with m.If(~self.taken[number]):
                m.d.sync += leaving.eq(0)
            waits_for = waits_for | source.valid
            chosen = chosen | leaving.as_value()
        m.d.comb += self.o.eq(chosen)
        return m
