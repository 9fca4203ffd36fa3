"""A board's serial flash memory, and a small board with it, for simulations."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.shells.flash_shell import FlashShell

WAKE, READ_DUAL = 0xAB, 0x3B
"""What a flash of the 25 series knows: release from power-down, fast read with dual output."""

WAKING_CYCLES = 100
"""From the end of WAKE to when a read is understood."""


class FlashModel(wiring.Component):
    """What a flash memory answers, as its data sheet (Winbond W25Q128JV, sections 8.2.11 and 8.2.23) says, asleep at the begin.

    Function
        After WAKE and WAKING_CYCLES: to READ_DUAL, 24 bits of address and eight cycles' rest, two bits for each fall of `clk`, IO1
        the higher one. The words lie from byte `first_byte` on, highest byte first; elsewhere all bits are 1. A command that it
        does not know, that comes while it is asleep or not on IO0, is answered by 1s.
    Ports
        cs_n, clk, data_0, data_0_enable : in; data : out, 2
    Timing
        `data` changes in the cycle in which `clk` is low again.
    Cost
        -
    Limits
        Two clock cycles or more for one of `clk`.
    """

    cs_n: Signal
    clk: Signal
    data_0: Signal
    data_0_enable: Signal
    data: Signal

    def __init__(self, words: Sequence[int], first_byte: int) -> None:
        self._words = [int(word) for word in words]
        self._first_byte = first_byte
        super().__init__({"cs_n": In(1), "clk": In(1), "data_0": In(1), "data_0_enable": In(1), "data": Out(2)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.memory = words = memory.Memory(shape=32, depth=len(self._words), init=self._words)
        read = words.read_port(domain="comb")
        before = Signal()
        rises = Signal(32)  # of the clock since the chip was selected
        said = Signal(32)
        awake, woken = Signal(), Signal()
        waking = Signal(range(WAKING_CYCLES + 1))
        bit = Signal()
        # A pin that nobody drives is high.
        m.d.comb += bit.eq(Mux(self.data_0_enable, self.data_0, 1))
        m.d.sync += before.eq(self.clk)
        with m.If(self.cs_n):
            m.d.sync += rises.eq(0)
            with m.If((rises == 8) & (said[:8] == WAKE)):
                m.d.sync += [woken.eq(1), waking.eq(WAKING_CYCLES)]
        with m.Elif(self.clk & ~before):
            m.d.sync += rises.eq(rises + 1)
            with m.If(rises < 32):
                m.d.sync += said.eq(Cat(bit, said))
        with m.If(woken & ~awake):
            m.d.sync += waking.eq(waking - 1)
            with m.If(waking == 1):
                m.d.sync += awake.eq(1)

        position = Signal(32)  # in bits, from the first word on
        m.d.comb += [
            position.eq(((said[:24] - self._first_byte) << 3) + ((rises - 40) << 1)),
            read.addr.eq(position[5:]),
        ]
        pair = read.data.word_select(~position[1:5], 2)
        known = awake & (said[24:] == READ_DUAL) & (rises >= 40) & (position[5:] < len(self._words))
        m.d.comb += self.data.eq(Mux(known, pair, 3))
        return m


class FlashBoard(wiring.Component):
    """A FlashShell with its flash memory, which holds `words` from its `first_byte` on.

    Ports
        rx : in, 1; tx : out, 1
    Timing
        As FlashShell's.
    Cost
        -
    Limits
        -
    """

    rx: Signal
    tx: Signal

    def __init__(self, config: ArrayConfig, *, words: Sequence[int], first_byte: int = 1 << 20, **options: Any) -> None:
        """`options`: FlashShell's."""
        self._shell = FlashShell(config, first_byte=first_byte, **options)
        self._flash = FlashModel(words, first_byte)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.shell = shell = self._shell
        m.submodules.flash = flash = self._flash
        m.d.comb += [shell.rx.eq(self.rx), self.tx.eq(shell.tx), shell.flash_data.eq(flash.data)]
        for name in ("cs_n", "clk", "data_0", "data_0_enable"):
            m.d.comb += getattr(flash, name).eq(getattr(shell, f"flash_{name}"))
        return m
