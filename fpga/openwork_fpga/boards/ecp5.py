"""ECP5 on a board: clocks from its PLL, and ecppack."""

from typing import Any

from amaranth.hdl import ClockDomain, Const, Instance, Module, Signal
from amaranth.lib import io

from openwork_fpga.boards.chip import Chip
from openwork_fpga.boards.pll import Ecp5Pll, ecp5_pll
from openwork_fpga.families import ECP5


def _clock(m: Module, oscillator: io.PortLike, input_mhz: float, output_mhz: float) -> None:
    _clocks(m, oscillator, input_mhz, ecp5_pll(input_mhz, output_mhz), {})


def _clock_with_sdram(
    m: Module, oscillator: io.PortLike, input_mhz: float, output_mhz: float, phase_degrees: float
) -> None:
    """A net with one reader is not put on a clock line unless a DCCA says so, and what it would take otherwise nobody knows."""
    pll = ecp5_pll(input_mhz, output_mhz)
    coarse, fine = pll.delay(phase_degrees)
    shifted = Signal()
    second = {
        "a_FREQUENCY_PIN_CLKOS": f"{output_mhz:g}",
        "p_OUTDIVIDER_MUXB": "DIVB",
        "p_CLKOS_ENABLE": "ENABLED",
        "p_CLKOS_DIV": pll.output_divider,
        "p_CLKOS_CPHASE": pll.output_divider // 2 + coarse,
        "p_CLKOS_FPHASE": fine,
        "i_ENCLKOS": Const(0),
        "o_CLKOS": shifted,
    }
    _clocks(m, oscillator, input_mhz, pll, second)
    m.domains.sdram = sdram = ClockDomain(reset_less=True)
    m.submodules.sdram_clock = Instance("DCCA", i_CLKI=shifted, i_CE=Const(1), o_CLKO=sdram.clk)


def _clocks(m: Module, oscillator: io.PortLike, input_mhz: float, pll: Ecp5Pll, second: dict[str, Any]) -> None:
    """`sync` from an EHXPLLL; its reset is the part's own net, let go when the PLL has locked (as in `harness.PinPoor`).

    `second`: what the EHXPLLL is told of another output.
    """
    clock, locked = Signal(), Signal()
    m.submodules.oscillator = buffer = io.Buffer("i", oscillator)
    m.submodules.pll = Instance(
        "EHXPLLL",
        # What the loop filter needs is not documented; these are the values that the part's own tool writes.
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        a_FREQUENCY_PIN_CLKI=f"{input_mhz:g}",
        a_FREQUENCY_PIN_CLKOP=f"{pll.output_mhz:g}",
        p_PLLRST_ENA="DISABLED",
        p_INTFB_WAKE="DISABLED",
        p_STDBY_ENABLE="DISABLED",
        p_DPHASE_SOURCE="DISABLED",
        p_OUTDIVIDER_MUXA="DIVA",
        p_CLKI_DIV=pll.input_divider,
        p_CLKFB_DIV=pll.feedback_divider,
        p_CLKOP_DIV=pll.output_divider,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_CPHASE=pll.output_divider // 2,
        p_CLKOP_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        i_CLKI=buffer.i,
        i_CLKFB=clock,
        i_RST=Const(0),
        i_STDBY=Const(0),
        i_PHASESEL0=Const(0),
        i_PHASESEL1=Const(0),
        i_PHASEDIR=Const(1),
        i_PHASESTEP=Const(1),
        i_PHASELOADREG=Const(1),
        i_PLLWAKESYNC=Const(0),
        i_ENCLKOP=Const(0),
        o_CLKOP=clock,
        o_LOCK=locked,
        **second,
    )
    m.domains.sync = sync = ClockDomain(reset_less=True)
    m.d.comb += sync.clk.eq(clock)
    released = Signal(2)
    for stage, before in enumerate((locked, released[0])):
        m.submodules[f"reset_{stage}"] = Instance(
            "FD1S3AX", p_GSR="DISABLED", i_CK=clock, i_D=before, o_Q=released[stage]
        )
    m.submodules.global_reset = Instance("SGSR", i_CLK=clock, i_GSR=released[1])


CHIP = Chip(
    clock=_clock,
    registers=(ECP5.flip_flops, "ODDRX1F"),
    data_pins=("DI", "M", "Q"),
    buffers=("TRELLIS_IO", "IB", "OB"),
    clock_pins=("CLKI",),
    pins="top.lpf",
    read_pins=("--lpf", "top.lpf"),
    write_switches="--textcfg",
    pack=("yowasp-ecppack", "--compress", "--bit", "{bitstream}", "{switches}"),
    suffix="bit",
    clock_with_sdram=_clock_with_sdram,
)
