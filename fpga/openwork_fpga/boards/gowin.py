"""Gowin's GW1N on a board: the oscillator's own clock, and gowin_pack."""

from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.lib import io

from openwork_fpga.boards.chip import Chip
from openwork_fpga.families import GOWIN
from openwork_hw.arch.config import ConfigError


def _clock(m: Module, oscillator: io.PortLike, input_mhz: float, output_mhz: float) -> None:
    """`sync` as the oscillator makes it. Its reset ends 15 cycles after the part has its configuration.

    Raises:
        ConfigError: another clock is asked for. nextpnr does not time all paths of these parts: a slow clock can be trusted.
    """
    if input_mhz != output_mhz:
        raise ConfigError(f"on a Gowin part the clock is the oscillator's, {input_mhz:g} MHz, not {output_mhz:g}")
    m.submodules.oscillator = buffer = io.Buffer("i", oscillator)
    m.domains.sync = sync = ClockDomain()
    m.domains.power_on = power_on = ClockDomain(reset_less=True)
    m.d.comb += [sync.clk.eq(buffer.i), power_on.clk.eq(buffer.i)]
    cycles, resets = Signal(4), Signal(init=1)
    m.d.power_on += resets.eq(~cycles.all())
    with m.If(~cycles.all()):
        m.d.power_on += cycles.eq(cycles + 1)
    m.d.comb += sync.rst.eq(resets)


CHIP = Chip(
    clock=_clock,
    registers=(GOWIN.flip_flops,),
    data_pins=("D", "Q"),
    buffers=("IBUF", "TBUF", "GND", "VCC"),
    clock_pins=("CLK", "CLKA", "CLKB"),
    pins="top.cst",
    read_pins=("--vopt", "cst=top.cst"),
    write_switches="--write",
    pack=("gowin_pack", "-o", "{bitstream}", "{switches}"),
    suffix="fs",
)
