"""The array as a block for systems with a bus: AXI4-Lite registers, AXI4-Stream data. Wiring only."""

from amaranth.hdl import Elaboratable, Module, ResetInserter, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, ArrayConfig, bits_for
from openwork_hw.arch.encodings import chosen_encodings
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.registers import ADDRESS_BITS
from openwork_hw.image_runner import ImageRunner
from openwork_hw.shells.axi_lite import AxiLite
from openwork_hw.shells.axi_stream import AxiStream, FeaturePackets, ImageLoader
from openwork_hw.shells.image_memory import ImageMemory
from openwork_hw.shells.memory import memory_readers
from openwork_hw.shells.register_file import RegisterFile
from openwork_hw.shells.report_queue import ReportQueue
from openwork_hw.shells.requests import RequestGate
from openwork_hw.stream.output_buffer import OutputBuffer

RESET_CYCLES = 16
"""Cycles that a memory needs to drop its requests."""


class BusShell(wiring.Component):
    """Run images that come over a bus, from a memory inside the block.

    Role
        The array as a block for systems with a processor and DMA engines. `AxiTop` gives it the port names of the standard.
    Function
        A packet of s_axis_image goes to the image memory. A write to CONTROL checks or runs the image. A run takes the features
        of its LOAD commands from s_axis_features, and gives the features of all its STORE commands as one packet of
        m_axis_features. `docs/registers.md` lists the registers.
    Ports
        s_axi : in, AxiLite(12): registers
        s_axis_image : in, AxiStream(32, last): one image per packet
        s_axis_features : in, AxiStream(8): per run as many bytes as the image's header says; more bytes wait for the next run
        m_axis_features : out, AxiStream(8, last)
        interrupt : out; high while an event is pending that INTERRUPT_ENABLE names
    Timing
        One clock. No combinational path from any input to any output. The cycles of reports are those that `openwork.compiler`
        predicts, and an answer takes ImageMemory.latency_cycles - 1 more. This holds as long as features come and go without a
        wait, and the memory keeps up: it serves one word per cycle to all ports together.
    Cost
        `ImageRunner`, `image_words` words of block memory, a queue of reports, two registers per channel of the bus, and
        the registers' read multiplexer.
    Limits
        Those of ImageRunner. A CHECK of an image that is longer than the memory answers DAMAGED or LENGTH.
    Verified by
        tests/cosim/test_bus_shell.py::test_every_output_and_every_cycle_is_right
    """

    s_axi: wiring.PureInterface
    s_axis_image: wiring.PureInterface
    s_axis_features: wiring.PureInterface
    m_axis_features: wiring.PureInterface
    interrupt: Signal

    def __init__(self, config: ArrayConfig, *, encodings: tuple[Encoding, ...] | None = None, image_words: int) -> None:
        self._config = config
        self._encodings = chosen_encodings(config, encodings)
        self._image_words = image_words
        super().__init__(
            {
                "s_axi": In(AxiLite(ADDRESS_BITS)),
                "s_axis_image": In(AxiStream(WORD_BITS, last=True)),
                "s_axis_features": In(AxiStream(8, last=False)),
                "m_axis_features": Out(AxiStream(8, last=True)),
                "interrupt": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        runner = ImageRunner(config, encodings=self._encodings, address_bits=bits_for(self._image_words + 1))
        memory = ImageMemory(self._image_words, memory_readers(config, peek=False), config.technology)
        gate = RequestGate()
        reports = ReportQueue(config)
        m.submodules.registers = registers = RegisterFile(
            config, encodings=self._encodings, image_words=self._image_words
        )
        m.submodules.loader = loader = ImageLoader(self._image_words)
        m.submodules.features = features = OutputBuffer(8)
        m.submodules.packets = packets = FeaturePackets()

        # RESET lasts long enough for the memory to drain what is on its way.
        left = Signal(range(RESET_CYCLES + 1))
        resets = Signal()
        with m.If(registers.reset.hold & ~resets):
            m.d.sync += left.eq(RESET_CYCLES)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        m.d.sync += resets.eq(registers.reset.hold | (left != 0))
        m.submodules.gate = ResetInserter(resets)(gate)
        m.submodules.runner = runner
        m.submodules.reports = ResetInserter(resets)(reports)
        m.submodules.memory = memory

        wiring.connect(m, wiring.flipped(self.s_axi), registers.s_axi)
        wiring.connect(m, wiring.flipped(self.s_axis_image), loader.s_axis)
        wiring.connect(m, loader.o_writes, memory.i_writes)
        for asks, takes in zip(runner.o_memory_requests, memory.i_requests, strict=True):
            wiring.connect(m, asks, takes)
        for gives, takes in zip(memory.o_words, runner.i_memory_words, strict=True):
            wiring.connect(m, gives, takes)
        wiring.connect(m, gate.o_requests, runner.i_requests)
        wiring.connect(m, runner.o_answers, gate.i_answers)
        wiring.connect(m, runner.o_reports, reports.i)
        wiring.connect(m, packets.m_axis, wiring.flipped(self.m_axis_features))

        # Features pass unless there is a reset: then those that come are dropped, and those that go end.
        m.d.comb += [
            features.flush.eq(ResetSignal()),
            features.i.payload.eq(self.s_axis_features.tdata),
            features.i.valid.eq(self.s_axis_features.tvalid),
            self.s_axis_features.tready.eq(features.i.ready),
            runner.i_features.payload.eq(features.o.payload),
            runner.i_features.valid.eq(features.o.valid & ~resets),
            features.o.ready.eq(runner.i_features.ready | resets),
            packets.i.payload.eq(runner.o_features.payload),
            packets.i.valid.eq(runner.o_features.valid & ~resets),
            runner.o_features.ready.eq(packets.i.ready),
            packets.end.eq(gate.answered | resets),
        ]
        m.d.comb += [
            loader.hold.eq(resets),
            memory.forget.eq(resets),
            runner.stop.eq(resets),
            registers.resets.eq(resets),
            loader.wait.eq(gate.busy),
            gate.control.eq(registers.control),
            gate.image_changes.eq(loader.writes),
            reports.begins.eq(gate.begins),
            reports.drop.eq(registers.control.drop_report),
        ]
        m.d.comb += [
            registers.loaded.words.eq(loader.loaded),
            registers.status.busy.eq(gate.busy),
            registers.status.changed.eq(gate.changed),
            registers.status.reports_lost.eq(reports.lost),
            registers.answer.eq(gate.answer),
            registers.cycles.eq(gate.cycles),
            registers.report.eq(reports.report),
            registers.report_command.eq(reports.report_command),
            registers.report_cycles.eq(reports.report_cycles),
            registers.report_stalls.eq(reports.report_stalls),
            registers.events.answer.eq(gate.answered),
            registers.events.report.eq(reports.comes),
            registers.events.loaded.eq(loader.done),
            self.interrupt.eq(registers.interrupt),
        ]
        return m
