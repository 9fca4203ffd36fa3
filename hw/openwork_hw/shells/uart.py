"""Bytes on two wires."""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ConfigError

FEWEST_CLOCKS = 4
"""In a bit: fewer leave no middle to sample."""

WORST_BAUD_ERROR = 0.02
"""Of a bit: with the other side's as much again, the tenth bit is still sampled well inside."""


def clocks_per_bit(clock_hz: float, baud: int) -> int:
    """Clock cycles of a bit.

    >>> clocks_per_bit(48e6, 3_000_000)
    16

    Raises:
        ConfigError: the clock cannot make this rate.
    """
    clocks = round(clock_hz / baud)
    if clocks < FEWEST_CLOCKS:
        raise ConfigError(f"{baud:,} baud need a clock of {FEWEST_CLOCKS * baud / 1e6:g} MHz, not {clock_hz / 1e6:g}")
    if abs(clocks * baud / clock_hz - 1) > WORST_BAUD_ERROR:
        raise ConfigError(f"a clock of {clock_hz / 1e6:g} MHz divided by {clocks} is not {baud:,} baud to 2 %")
    return clocks


class Uart(wiring.Component):
    """Send and receive bytes: a start bit, eight bits, lowest first, a stop bit.

    Role
        The serial line of a `SerialShell` and of a `FlashShell`.
    Function
        The bytes of `i` go out on `tx`. The bytes that come in on `rx` are offered on `o`. A byte without stop bit is dropped.
    Ports
        rx : in, 1, asynchronous
        tx : out, 1
        i : in, stream of 8
        o : out, stream of 8
    Timing
        10 bits per byte, of `clocks` cycles each, both ways at once, and one more cycle between two bytes that are sent.
        No combinational path.
    Cost
        Two counters, two shift registers of 9 bits.
    Limits
        A byte on `o` is overwritten if it has not been taken when the first bit of the next byte comes.
    """

    rx: Signal
    tx: Signal
    i: stream.Interface
    o: stream.Interface

    def __init__(self, clocks: int) -> None:
        if clocks < FEWEST_CLOCKS:
            raise ConfigError(f"a bit takes at least {FEWEST_CLOCKS} clock cycles, not {clocks}")
        self._clocks = clocks
        super().__init__(
            {"rx": In(1, init=1), "tx": Out(1, init=1), "i": In(stream.Signature(8)), "o": Out(stream.Signature(8))}
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        self._elaborate_receiver(m)
        self._elaborate_sender(m)
        return m

    def _elaborate_receiver(self, m: Module) -> None:
        rx = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, rx, init=1)
        timer = Signal(range(self._clocks))
        bits = Signal(range(11))  # to come, the start bit and the stop bit counted
        shifted = Signal(8)
        valid = Signal()
        m.d.comb += [self.o.payload.eq(shifted), self.o.valid.eq(valid)]
        with m.If(self.o.ready):
            m.d.sync += valid.eq(0)
        with m.If(bits == 0):
            # The middle of the start bit is the first place to look at.
            m.d.sync += timer.eq(self._clocks // 2 - 1)
            with m.If(~rx):
                m.d.sync += bits.eq(10)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [timer.eq(self._clocks - 1), bits.eq(bits - 1)]
            with m.If(bits == 10):
                with m.If(rx):
                    m.d.sync += bits.eq(0)
            with m.Elif(bits == 1):
                m.d.sync += valid.eq(rx)
            with m.Else():
                m.d.sync += shifted.eq(Cat(shifted[1:], rx))

    def _elaborate_sender(self, m: Module) -> None:
        timer = Signal(range(self._clocks))
        bits = Signal(range(11))
        shifted = Signal(9, init=(1 << 9) - 1)
        m.d.comb += [self.tx.eq(shifted[0]), self.i.ready.eq(bits == 0)]
        with m.If(bits == 0):
            m.d.sync += timer.eq(self._clocks - 1)
            with m.If(self.i.valid):
                m.d.sync += [shifted.eq(Cat(Const(0, 1), self.i.payload)), bits.eq(10)]
        with m.Elif(timer == 0):
            m.d.sync += [timer.eq(self._clocks - 1), bits.eq(bits - 1), shifted.eq(Cat(shifted[1:], Const(1, 1)))]
        with m.Else():
            m.d.sync += timer.eq(timer - 1)
