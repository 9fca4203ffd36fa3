"""What goes into a board's chip: its shell, its clock, its reset and its pins."""

from collections.abc import Sequence

from amaranth.build import Platform
from amaranth.hdl import Cat, Elaboratable, Module, Signal
from amaranth.lib import io

from openwork_fpga.boards.board import Board
from openwork_fpga.boards.sdram import connect_sdram
from openwork_fpga.boards.sdram_tester import SdramTester
from openwork_hw.shells.flash_shell import FlashShell
from openwork_hw.shells.sdram_shell import SdramShell


class BoardTop(Elaboratable):
    """A board's whole design.

    Function
        The shell of the board's array, or a design in its place, at the board's clock. The lamp is lit when reset is over.
    Cost
        ECP5: an EHXPLLL, the net for global reset and two flip-flops. iCE40: an SB_PLL40 and two flip-flops. Gowin: five
        flip-flops.
    Limits
        Only for the board's own platform, whose oscillator and serial line it asks for.
    """

    def __init__(self, board: Board, image: Sequence[int] = (), *, tester: bool = False) -> None:
        """`image`: words that the memory holds from the start; `tester`: an SdramTester is in the shell's place."""
        self._board = board
        self._image = image
        self._tester = tester

    def elaborate(self, platform: Platform) -> Module:
        m = Module()
        board = self._board
        oscillator = platform.request(platform.default_clk, dir="-")
        oscillator_mhz = platform.default_clk_constraint.frequency / 1e6
        make_clocks = board.chip.clock_with_sdram
        if board.sdram is None or make_clocks is None:
            board.chip.clock(m, oscillator, oscillator_mhz, board.clock_mhz)
        else:
            make_clocks(m, oscillator, oscillator_mhz, board.clock_mhz, board.sdram_phase)

        m.submodules.serial = serial = board.sdram_tester() if self._tester else board.shell(self._image)
        line = platform.request(
            "uart", 0, dir={name: "-" for name in ("rx", "tx", "rts", "cts", "dtr", "dsr", "dcd", "ri")}
        )
        m.submodules.rx = rx = io.Buffer("i", line.rx)
        m.submodules.tx = tx = io.Buffer("o", line.tx)
        m.d.comb += [serial.rx.eq(rx.i), tx.o.eq(serial.tx)]

        if isinstance(serial, FlashShell):
            self._connect_flash(m, platform, serial)
        if isinstance(serial, SdramShell | SdramTester):
            connect_sdram(m, platform, serial.sdram)

        resource, _, part = board.lamp.partition(".")
        lamp = platform.request(resource, 0, dir={part: "-"} if part else "-")
        pin = getattr(lamp, part) if part else lamp
        # The register holds the pin's own level: an inverter would be logic between a flip-flop and a pin.
        (low_is_lit,) = pin.invert
        level = Signal(init=low_is_lit)
        m.submodules.lamp = driver = io.Buffer("o", ~pin if low_is_lit else pin)
        m.d.sync += level.eq(not low_is_lit)
        m.d.comb += driver.o.eq(level)
        return m

    @staticmethod
    def _connect_flash(m: Module, platform: Platform, shell: FlashShell) -> None:
        """The shell's registers hold the pins' own levels: see the lamp."""
        pins = platform.request("spi_flash_2x", 0, dir={"cs": "-", "clk": "-", "dq": "-"})
        m.submodules.flash_cs = cs = io.Buffer("o", ~pins.cs)
        m.submodules.flash_clk = clk = io.Buffer("o", pins.clk)
        m.submodules.flash_data_0 = data_0 = io.Buffer("io", pins.dq[0])
        m.submodules.flash_data_1 = data_1 = io.Buffer("i", pins.dq[1])
        m.d.comb += [
            cs.o.eq(shell.flash_cs_n),
            clk.o.eq(shell.flash_clk),
            data_0.o.eq(shell.flash_data_0),
            data_0.oe.eq(shell.flash_data_0_enable),
            shell.flash_data.eq(Cat(data_0.i, data_1.i)),
        ]
