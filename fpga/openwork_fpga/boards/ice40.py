"""iCE40 UltraPlus on a board: a clock from its PLL, and icepack."""

from functools import partial

from amaranth.hdl import ClockDomain, Const, Instance, Module, Signal
from amaranth.lib import io
from amaranth.lib.cdc import ResetSynchronizer

from openwork_fpga.boards.chip import Chip
from openwork_fpga.boards.pll import ice40_pll
from openwork_fpga.families import ICE40


def _clock(m: Module, oscillator: io.PortLike, input_mhz: float, output_mhz: float, *, own_pin: bool) -> None:
    """`sync` from an SB_PLL40; its reset ends when that has locked, some 10 us after the part has its configuration.

    (Until 3 us after it block memories read as zero, whatever they hold.)

    Args:
        own_pin: the oscillator is on the pin that belongs to the PLL, which nothing else can read then.
    """
    pll = ice40_pll(input_mhz, output_mhz)
    clock, locked = Signal(), Signal()
    settings = {
        "p_FEEDBACK_PATH": "SIMPLE",
        "p_PLLOUT_SELECT": "GENCLK",
        "p_DIVR": Const(pll.input_divider - 1, 4),
        "p_DIVF": Const(pll.feedback_divider - 1, 7),
        "p_DIVQ": Const(pll.output_divider.bit_length() - 1, 3),
        "p_FILTER_RANGE": Const(pll.filter_range, 3),
        "i_RESETB": Const(1),
        "i_BYPASS": Const(0),
        "o_PLLOUTGLOBAL": clock,
        "o_LOCK": locked,
    }
    if own_pin:
        m.submodules.pll = Instance("SB_PLL40_PAD", io_PACKAGEPIN=oscillator.io, **settings)
    else:
        m.submodules.oscillator = buffer = io.Buffer("i", oscillator)
        m.submodules.pll = Instance("SB_PLL40_CORE", i_REFERENCECLK=buffer.i, **settings)
    m.domains.sync = sync = ClockDomain()
    m.d.comb += sync.clk.eq(clock)
    m.submodules.reset = ResetSynchronizer(~locked, domain="sync")


def _chip(*, own_pin: bool) -> Chip:
    return Chip(
        clock=partial(_clock, own_pin=own_pin),
        registers=(ICE40.flip_flops,),
        data_pins=("D", "Q"),
        buffers=("SB_IO",),
        inverters=("SB_LUT4",),
        clock_pins=("PACKAGEPIN", "REFERENCECLK"),
        pins="top.pcf",
        read_pins=("--pcf", "top.pcf"),
        write_switches="--asc",
        pack=("yowasp-icepack", "{switches}", "{bitstream}"),
        suffix="bin",
    )


CHIP = _chip(own_pin=True)
"""The oscillator is on pin 35."""

CHIP_OTHER_PIN = _chip(own_pin=False)
"""It is on another one."""
