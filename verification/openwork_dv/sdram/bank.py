"""One bank of an SDRAM chip: whether its row is open, and what was done too early."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.sdram import SdramConfig


def count_from(m: Module, event: ValueLike, most: int, name: str) -> Signal:
    """A register: cycles since `event`, `most` at most; there at the begin."""
    since = Signal(range(most + 1), init=most, name=name)
    m.d.sync += since.eq(Mux(event, min(1, most), Mux(since == most, most, since + 1)))
    return since


class SdramBank(wiring.Component):
    """Follow one bank of an SDRAM chip.

    Role
        The checker has four banks, each of which must be treated by its own history.
    Function
        Of each command to this bank, says which of the data sheet's rules it breaks. A READ or WRITE with `closes` closes the row
        by itself, one or tWR cycles later.
    Ports
        activate, read, write, precharge, closes : in; a command to this bank
        all_banks : in; REFRESH or MODE
        refresh : in; REFRESH
        o_open : out; a row is open, or about to be closed
        trcd, trp, tras, tras_most, trc, twr, open, closed, all_closed : out; broken in this cycle; combinational
    Timing
        Counters are registers.
    Cost
        Four counters.
    Limits
        Bursts of one word.
    """

    FLAGS = ("trcd", "trp", "tras", "tras_most", "trc", "twr", "open", "closed", "all_closed")

    def __init__(self, config: SdramConfig) -> None:
        self._config = config
        commands = ("activate", "read", "write", "precharge", "closes", "all_banks", "refresh")
        super().__init__(
            {**{name: In(1) for name in commands}, "o_open": Out(1), **{name: Out(1) for name in self.FLAGS}}
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        is_open = Signal()
        closing = Signal(range(config.twr + 2))  # cycles until the row closes by itself, which it does at 1
        usable = is_open & (closing == 0)
        begins = (self.precharge & usable) | (closing == 1)  # to close
        opened = count_from(m, self.activate, max(config.tras_most, config.trc, config.trcd) + 1, "opened")
        closed = count_from(m, begins, config.trp, "closed_since")
        written = count_from(m, self.write, config.twr, "written")

        m.d.sync += closing.eq(Mux(closing == 0, 0, closing - 1))
        with m.If(usable & self.closes & (self.read | self.write)):
            m.d.sync += closing.eq(Mux(self.write, config.twr, 1))
        with m.If(self.activate):
            m.d.sync += is_open.eq(1)
        with m.Elif(begins):
            m.d.sync += is_open.eq(0)

        uses, needs_closed = self.read | self.write, self.activate | self.all_banks
        broken: dict[str, Value] = {
            "trcd": uses & (opened < config.trcd),
            "trp": needs_closed & (closed < config.trp),
            "tras": begins & (opened < config.tras),
            "tras_most": is_open & (opened > config.tras_most),
            "trc": (self.activate | self.refresh) & (opened < config.trc),
            "twr": self.precharge & usable & (written < config.twr),
            "open": self.activate & is_open,
            "closed": uses & ~usable,
            "all_closed": self.all_banks & is_open,
        }
        m.d.comb += self.o_open.eq(is_open)
        m.d.comb += [getattr(self, name).eq(broken[name]) for name in self.FLAGS]
        return m
