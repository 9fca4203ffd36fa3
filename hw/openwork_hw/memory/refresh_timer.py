"""When an SDRAM chip must be refreshed."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ConfigError
from openwork_hw.arch.sdram import MOST_OWED


class RefreshTimer(wiring.Component):
    """Count the refreshes that are due and have not been made.

    Role
        A refresh that waits for a burst is made up for later: on average one is made each `interval` cycles.
    Function
        One more refresh is owed each `interval` cycles, one less after each cycle with `refreshed`. `restart` counts as the end
        of an interval, and the next interval begins.
    Ports
        restart, refreshed : in
        tick : out; the last cycle of an interval
        owed : out, 0 to MOST_OWED
    Timing
        `owed` is a register. After `restart`, ticks are `interval` cycles apart, the first one `interval` cycles later.
    Cost
        A counter to `interval`, a counter of 2 bits.
    Limits
        What is owed beyond MOST_OWED is forgotten, and nothing is refreshed where nothing is owed.
    """

    restart: Signal
    refreshed: Signal
    tick: Signal
    owed: Signal

    def __init__(self, interval: int) -> None:
        if interval < 1:
            raise ConfigError(f"an interval has 1 cycle or more, not {interval}")
        self._interval = interval
        super().__init__({"restart": In(1), "refreshed": In(1), "tick": Out(1), "owed": Out(range(MOST_OWED + 1))})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        left = Signal(range(self._interval), init=self._interval - 1)
        more = Signal()
        m.d.comb += [self.tick.eq(left == 0), more.eq(self.tick | self.restart)]
        m.d.sync += left.eq(Mux(more, self._interval - 1, left - 1))
        with m.If(more & ~self.refreshed & (self.owed != MOST_OWED)):
            m.d.sync += self.owed.eq(self.owed + 1)
        with m.Elif(~more & self.refreshed & (self.owed != 0)):
            m.d.sync += self.owed.eq(self.owed - 1)
        return m
