"""A queue of reports for a processor. The array never waits for the processor."""

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch import registers
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.image.run_control import CommandReport
from openwork_hw.sequencing.payloads import CYCLE_BITS
from openwork_hw.shells.register_file import layout

DEPTH = 64
"""Reports that wait: more than the commands of a small network, and no more block memory than half of them."""


class ReportQueue(wiring.Component):
    """Number the reports of a run, and show the oldest in registers.

    Role
        Part of a `BusShell`: reports wait for a processor, and the array does not.
    Function
        A report that finds the queue full is lost. `lost` then stays high until the next run begins.
    Ports
        i : in, stream of CommandReport(config); always ready
        begins : in; the next report is a run's first
        drop : in; high for one cycle: the next report takes the place of the report that is shown
        report, report_command, report_cycles, report_stalls : out; the values of the registers
        lost : out
        comes : out; high for one cycle when a report comes
    Timing
        One report per cycle; it is shown two cycles later.
    Cost
        Block memory of DEPTH reports.
    Limits
        -
    Verified by
        tests/cosim/test_bus_shell.py::test_reports_that_nobody_reads_are_lost_and_hold_nothing_up
    """

    i: stream.Interface
    begins: Signal
    drop: Signal
    report: data.View
    report_command: data.View
    report_cycles: data.View
    report_stalls: data.View
    lost: Signal
    comes: Signal

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        super().__init__(
            {
                "i": In(stream.Signature(CommandReport(config))),
                "begins": In(1),
                "drop": In(1),
                "report": Out(layout(registers.REPORT)),
                "report_command": Out(layout(registers.REPORT_COMMAND)),
                "report_cycles": Out(layout(registers.REPORT_CYCLES)),
                "report_stalls": Out(layout(registers.REPORT_STALLS)),
                "lost": Out(1),
                "comes": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        numbered = data.StructLayout({"report": CommandReport(self._config), "index": CYCLE_BITS})
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=numbered.size, depth=DEPTH)
        index = Signal(CYCLE_BITS)
        comes = Signal(numbered)
        shown = data.View(numbered, queue.r_data & queue.r_rdy.replicate(numbered.size))
        one = shown.report.report
        m.d.comb += [
            self.i.ready.eq(1),
            comes.report.eq(self.i.payload),
            comes.index.eq(index),
            queue.w_data.eq(comes),
            queue.w_en.eq(self.i.valid),
            queue.r_en.eq(self.drop),
            self.report.kind.eq(one.fault.kind),
            self.report.pe.eq(one.fault.pe),
            self.report.position.eq(one.fault.position),
            self.report.valid.eq(queue.r_rdy),
            self.report_command.index.eq(shown.index),
            self.report_cycles.cycles.eq(one.cycles),
            self.report_stalls.stalls.eq(shown.report.stalls),
        ]
        m.d.sync += self.comes.eq(self.i.valid)
        with m.If(self.begins):
            m.d.sync += [index.eq(0), self.lost.eq(0)]
        with m.Elif(self.i.valid):
            m.d.sync += [index.eq(index + 1), self.lost.eq(self.lost | ~queue.w_rdy)]
        return m
