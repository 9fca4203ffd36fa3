"""The registers of the bus shell, as `arch.registers` describes them, behind AXI4-Lite."""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch import image, registers
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.registers import Register
from openwork_hw.shells.axi_lite import DATA_BITS, AxiLite, AxiLitePort


def layout(register: Register) -> data.Layout:
    """A register's word, as gateware sees it."""
    return data.FlexibleLayout(DATA_BITS, {field.name: data.Field(field.bits, field.low) for field in register.fields})


class RegisterFile(wiring.Component):
    """Answer reads with the state of the block, and hand on what is written.

    Role
        Part of a `BusShell`: all that a processor sees of the block.
    Function
        `docs/registers.md` lists the registers. A byte whose strobe is low stays as it is, and its bits trigger nothing.
    Ports
        s_axi : in, AxiLite(registers.ADDRESS_BITS)
        loaded, status, answer, cycles, report, report_command, report_cycles, report_stalls : in; the value of the register
            with this name
        resets : in; RESET reads as 1
        events : in, layout(INTERRUPT_PENDING); high for one cycle each
        control : out, layout(CONTROL); high for one cycle each
        reset : out, layout(RESET)
        interrupt : out; an enabled event is pending
    Timing
        As `AxiLitePort`'s. `interrupt` is a register.
    Cost
        A multiplexer of a word over all registers, seven flip-flops.
    Limits
        -
    Verified by
        tests/cosim/test_bus_shell.py::test_registers_do_what_the_map_says
    """

    s_axi: wiring.PureInterface
    loaded: data.View
    status: data.View
    answer: data.View
    cycles: data.View
    report: data.View
    report_command: data.View
    report_cycles: data.View
    report_stalls: data.View
    events: data.View
    resets: Signal
    control: data.View
    reset: data.View
    interrupt: Signal

    def __init__(self, config: ArrayConfig, *, encodings: tuple[Encoding, ...], image_words: int) -> None:
        self._constants = {
            registers.IDENTITY: registers.IDENTITY.pack(
                map_version=registers.MAP_VERSION, image_version=image.VERSION, mark=registers.IDENTITY_MARK
            ),
            registers.FINGERPRINT: config.fingerprint,
            registers.ARRAY: registers.ARRAY.pack(
                pes=config.pes, lanes=config.lanes, feature_words=config.feature_words
            ),
            registers.ENCODINGS: registers.ENCODINGS.pack(**{kind.name.lower(): 1 for kind in encodings}),
            registers.IMAGE_MEMORY: image_words,
        }
        super().__init__(
            {
                "s_axi": In(AxiLite(registers.ADDRESS_BITS)),
                "loaded": In(layout(registers.LOADED)),
                "status": In(layout(registers.STATUS)),
                "answer": In(layout(registers.ANSWER)),
                "cycles": In(layout(registers.CYCLES)),
                "report": In(layout(registers.REPORT)),
                "report_command": In(layout(registers.REPORT_COMMAND)),
                "report_cycles": In(layout(registers.REPORT_CYCLES)),
                "report_stalls": In(layout(registers.REPORT_STALLS)),
                "events": In(layout(registers.INTERRUPT_PENDING)),
                "resets": In(1),
                "control": Out(layout(registers.CONTROL)),
                "reset": Out(layout(registers.RESET)),
                "interrupt": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.port = port = AxiLitePort(registers.ADDRESS_BITS)
        wiring.connect(m, wiring.flipped(self.s_axi), port.s_axi)

        enabled = Signal(layout(registers.INTERRUPT_ENABLE))
        pending = Signal(layout(registers.INTERRUPT_PENDING))
        reset = Signal(layout(registers.RESET))
        m.d.comb += reset.hold.eq(self.reset.hold | self.resets)
        values = {
            **{register: Const(value, DATA_BITS) for register, value in self._constants.items()},
            registers.LOADED: self.loaded,
            registers.RESET: reset,
            registers.STATUS: self.status,
            registers.ANSWER: self.answer,
            registers.CYCLES: self.cycles,
            registers.INTERRUPT_ENABLE: enabled,
            registers.INTERRUPT_PENDING: pending,
            registers.REPORT: self.report,
            registers.REPORT_COMMAND: self.report_command,
            registers.REPORT_CYCLES: self.report_cycles,
            registers.REPORT_STALLS: self.report_stalls,
        }
        with m.Switch(port.o_read_address):
            for register, value in values.items():
                with m.Case(register.address >> 2):
                    m.d.comb += [port.i_read.eq(value), port.i_read_known.eq(1)]

        strobed = Cat(strobe.replicate(8) for strobe in port.o_written.strobes)
        written = Signal(DATA_BITS)
        m.d.comb += written.eq(port.o_written.data & strobed)
        m.d.sync += pending.eq(pending.as_value() | self.events.as_value())
        with m.Switch(port.o_write_address):
            with m.Case(registers.CONTROL.address >> 2):
                m.d.comb += port.i_write_known.eq(1)
                with m.If(port.o_write):
                    m.d.comb += self.control.eq(written)
            for register, kept in ((registers.RESET, self.reset), (registers.INTERRUPT_ENABLE, enabled)):
                with m.Case(register.address >> 2):
                    m.d.comb += port.i_write_known.eq(1)
                    with m.If(port.o_write):
                        m.d.sync += kept.eq((written | kept.as_value() & ~strobed) & register.mask)
            with m.Case(registers.INTERRUPT_PENDING.address >> 2):
                m.d.comb += port.i_write_known.eq(1)
                with m.If(port.o_write):
                    m.d.sync += pending.eq(pending.as_value() & ~written | self.events.as_value())
        m.d.sync += self.interrupt.eq((pending.as_value() & enabled.as_value()).any())
        return m
