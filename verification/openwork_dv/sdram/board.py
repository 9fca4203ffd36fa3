"""A board with an SDRAM, for simulations: the gateware and the model of the chip."""

from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_dv.sdram.chip import SdramModel
from openwork_dv.sdram.violations import VIOLATIONS
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.sdram import SdramConfig
from openwork_hw.shells.sdram_shell import SdramShell


class SdramBoard(wiring.Component):
    """An SdramShell with its chip. The board's reset does not reach the chip, which keeps its words, rows and ages.

    Ports
        rx : in, 1; tx : out, 1
        seen : out; a bit per entry of VIOLATIONS
    Timing
        As SdramShell's.
    Cost
        -
    Limits
        -
    """

    rx: Signal
    tx: Signal
    seen: Signal

    def __init__(self, config: ArrayConfig, *, sdram: SdramConfig, clock_hz: int, **options: Any) -> None:
        """`options`: SdramShell's. `clock_hz` is the SDRAM's, too."""
        assert clock_hz == sdram.clock_hz
        self._shell = SdramShell(config, sdram=sdram, **options)
        self._model = SdramModel(sdram)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "seen": Out(len(VIOLATIONS))})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.domains.chip = chip = ClockDomain(reset_less=True)
        m.d.comb += chip.clk.eq(ClockSignal())
        m.submodules.shell = shell = self._shell
        m.submodules.model = DomainRenamer("chip")(self._model)
        wiring.connect(m, shell.sdram, self._model.pins)
        m.d.comb += [shell.rx.eq(self.rx), self.tx.eq(shell.tx), self.seen.eq(self._model.seen)]
        return m
