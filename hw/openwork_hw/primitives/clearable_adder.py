"""An adder whose second addend can be left out, in plain Amaranth and in the carry cells of ECP5."""

from amaranth.hdl import Const, Instance, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import Technology

_CLEARABLE_ADD = 0xA6AA
"""LUT of a CCU2C half with D = 1: A ^ (B & ~C), and A as the carry where the two addends are equal."""


class ClearableAdder(wiring.Component):
    """Add two numbers, or hand on the first.

    Function
        o = a + (0 if clear else b), wrapped at `width` bits.
    Ports
        a, b : in, signed(width)
        clear : in, 1
        o : out, signed(width)
    Timing
        Combinational.
    Cost
        ECP5: ceil(width / 2) CCU2C, the clear folded into them; elsewhere an adder of width bits and a multiplexer.
    Limits
        -
    """

    a: Signal
    b: Signal
    clear: Signal
    o: Signal

    def __init__(self, width: int, technology: Technology) -> None:
        self._width = width
        self._technology = technology
        number = signed(width)
        super().__init__({"a": In(number), "b": In(number), "clear": In(1), "o": Out(number)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self._technology is not Technology.ECP5:
            m.d.comb += self.o.eq(self.a + Mux(self.clear, 0, self.b))
            return m
        bits = self._width + self._width % 2
        a, b = Signal(signed(bits)), Signal(signed(bits))
        total = Signal(bits)
        m.d.comb += [a.eq(self.a), b.eq(self.b), self.o.eq(total)]
        carry = Const(0)
        for low in range(0, bits, 2):
            carry_out = Signal(name=f"carry_{low + 2}")
            m.submodules[f"add_{low}"] = Instance(
                "CCU2C",
                p_INIT0=Const(_CLEARABLE_ADD, 16),
                p_INIT1=Const(_CLEARABLE_ADD, 16),
                p_INJECT1_0="NO",
                p_INJECT1_1="NO",
                i_CIN=carry,
                i_A0=a[low],
                i_B0=b[low],
                i_C0=self.clear,
                i_D0=Const(1),
                i_A1=a[low + 1],
                i_B1=b[low + 1],
                i_C1=self.clear,
                i_D1=Const(1),
                o_S0=total[low],
                o_S1=total[low + 1],
                o_COUT=carry_out,
            )
            carry = carry_out
        return m
