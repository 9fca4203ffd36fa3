"""What goes into a board's chip: the serial shell, its clock, its reset and its pins."""

from collections.abc import Sequence

from amaranth.build import Platform
from amaranth.hdl import ClockDomain, Const, Elaboratable, Instance, Module, Signal
from amaranth.lib import io

from openwork_fpga.boards.board import Board
from openwork_fpga.boards.pll import ecp5_pll


class BoardTop(Elaboratable):
    """A board's whole design.

    Function
        `SerialShell` of the board's array at the board's clock. The lamp is lit when reset is over.
    Cost
        An EHXPLLL, the net for global reset and two flip-flops.
    Limits
        Only for the board's own platform, whose oscillator and serial line it asks for.
    """

    def __init__(self, board: Board, image: Sequence[int] = ()) -> None:
        """`image`: words that the memory holds from the start."""
        self._board = board
        self._image = image

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        board = self._board
        oscillator = platform.request(platform.default_clk, dir="-")
        oscillator_mhz = platform.default_clk_constraint.frequency / 1e6
        _clock(m, oscillator, oscillator_mhz, board.clock_mhz)

        m.submodules.serial = serial = board.shell(self._image)
        line = platform.request(
            "uart", 0, dir={name: "-" for name in ("rx", "tx", "rts", "cts", "dtr", "dsr", "dcd", "ri")}
        )
        m.submodules.rx = rx = io.Buffer("i", line.rx)
        m.submodules.tx = tx = io.Buffer("o", line.tx)
        m.d.comb += [serial.rx.eq(rx.i), tx.o.eq(serial.tx)]

        resource, _, part = board.lamp.partition(".")
        lamp = platform.request(resource, 0)
        lit = Signal()
        m.d.sync += lit.eq(1)
        m.d.comb += (getattr(lamp, part) if part else lamp).o.eq(lit)
        return m


def _clock(m: Module, oscillator: io.PortLike, input_mhz: float, output_mhz: float) -> None:
    """`sync` from an EHXPLLL; its reset is the part's own net, let go when the PLL has locked (as in `harness.PinPoor`)."""
    pll = ecp5_pll(input_mhz, output_mhz)
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
        a_FREQUENCY_PIN_CLKOP=f"{output_mhz:g}",
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
    )
    m.domains.sync = sync = ClockDomain(reset_less=True)
    m.d.comb += sync.clk.eq(clock)
    released = Signal(2)
    for stage, before in enumerate((locked, released[0])):
        m.submodules[f"reset_{stage}"] = Instance(
            "FD1S3AX", p_GSR="DISABLED", i_CK=clock, i_D=before, o_Q=released[stage]
        )
    m.submodules.global_reset = Instance("SGSR", i_CLK=clock, i_GSR=released[1])
