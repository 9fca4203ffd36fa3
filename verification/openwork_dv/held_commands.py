"""A compact accelerator behind the ports of any other."""

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import wiring

from openwork_hw.accelerator import Accelerator
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.sequencing.payloads import CommandLayout


class HeldCommands(wiring.Component):
    """Keep each command until its report is taken, as a compact accelerator wants it.

    Ports
        As Accelerator's.
    Timing
        A command is taken two cycles after the report of the one before.
    Cost
        A register of a command.
    Limits
        -
    """

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        self._accelerator = Accelerator(config)
        super().__init__(self._accelerator.signature)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.accelerator = inner = self._accelerator
        for name in ("i_taps", "i_features", *["i_table"] * self._config.activation_tables):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(inner, name))
        for name in ("i_words", "i_records"):
            for outside, inside in zip(getattr(self, name), getattr(inner, name), strict=True):
                wiring.connect(m, wiring.flipped(outside), inside)
        for name in ("o_features", "o_reports"):
            wiring.connect(m, getattr(inner, name), wiring.flipped(getattr(self, name)))

        command = Signal(CommandLayout(self._config))
        holds, given = Signal(), Signal()
        m.d.comb += [
            self.i_commands.ready.eq(~holds),
            inner.i_commands.payload.eq(command),
            inner.i_commands.valid.eq(holds & ~given),
        ]
        with m.If(~holds & self.i_commands.valid):
            m.d.sync += [command.eq(self.i_commands.payload), holds.eq(1)]
        with m.If(inner.i_commands.valid & inner.i_commands.ready):
            m.d.sync += given.eq(1)
        with m.If(inner.o_reports.valid & inner.o_reports.ready):
            m.d.sync += [holds.eq(0), given.eq(0)]
        return m
