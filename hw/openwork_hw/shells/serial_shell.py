"""A whole chip but for clock, reset and pins: the byte shell on a UART, with the image in a memory on the chip."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.shells.byte_shell import ByteShell
from openwork_hw.shells.image_memory import ImageMemory
from openwork_hw.shells.memory import connect_memory, memory_readers
from openwork_hw.shells.uart import Uart, clocks_per_bit


class SerialShell(wiring.Component):
    """Run images for a host on a serial line.

    Role
        The chip of the boards that have room for an image: ULX3S, ECPIX-5, OrangeCrab, Colorlight i5, Tang Nano 9K.
    Ports
        rx : in, 1, asynchronous
        tx : out, 1
    Timing
        One clock, of `clock_hz`.
    Cost
        Uart, ByteShell, ImageMemory.
    Limits
        Those of its parts.
    Verified by
        tests/system/test_board.py::test_digits_bit_for_bit
    """

    rx: Signal
    tx: Signal

    def __init__(
        self,
        config: ArrayConfig,
        *,
        clock_hz: int,
        baud: int,
        memory_words: int,
        image: Sequence[int] = (),
        peek: bool = True,
        **options: Any,
    ) -> None:
        """`image`: what the memory holds from the start. `options`: as ByteShell's."""
        self._clocks = clocks_per_bit(clock_hz, baud)
        self._shell = ByteShell(config, memory_words=memory_words, clock_hz=clock_hz, peek=peek, **options)
        self._memory = ImageMemory(memory_words, memory_readers(config, peek=peek), config.technology, image)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.uart = uart = Uart(self._clocks)
        m.submodules.shell = shell = self._shell
        m.submodules.memory = memory = self._memory
        m.d.comb += [uart.rx.eq(self.rx), self.tx.eq(uart.tx)]
        wiring.connect(m, uart.o, shell.i_bytes)
        wiring.connect(m, shell.o_bytes, uart.i)
        connect_memory(m, shell, memory)
        return m
