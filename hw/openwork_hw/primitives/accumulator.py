"""The accumulator of a lane, in plain Amaranth and in the carry cells of ECP5."""

from amaranth.hdl import Const, Instance, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import Technology

_CLEARABLE_ADD = 0xA6AA
"""LUT of a CCU2C half with D = 1: A ^ (B & ~C), and A as the carry where the two addends are equal."""


class Accumulator(wiring.Component):
    """Add up products; `first` starts a new sum.

    Function
        sum[t+1] = (0 if first[t] else sum[t]) + product[t], every cycle: a bubble carries product 0 and first 0.
    Ports
        product : in, signed(16)
        first : in, 1
        sum : out, signed(width); wraps
    Timing
        Latency 1, a product each cycle. No combinational path.
    Cost
        width flip-flops; ECP5: ceil(width / 2) CCU2C, the clear folded into them; elsewhere an adder of width bits.
    Limits
        The register is not reset: the sum is undefined until the first `first`.
    """

    product: Signal
    first: Signal
    sum: Signal

    latency_cycles = 1

    def __init__(self, width: int, technology: Technology) -> None:
        self._width = width
        self._technology = technology
        super().__init__({"product": In(signed(16)), "first": In(1), "sum": Out(signed(width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        total = Signal(signed(self._width), reset_less=True)
        m.d.comb += self.sum.eq(total)
        if self._technology is Technology.ECP5:
            m.d.sync += total.eq(self._clearable_sum(m, total))
        else:
            # 0 + product is written as product: on iCE40 that fits the adder's LUTs, and a clear of the sum does not.
            m.d.sync += total.eq(Mux(self.first, self.product, total + self.product))
        return m

    def _clearable_sum(self, m: Module, total: Signal) -> Signal:
        bits = self._width + self._width % 2
        addend = Signal(signed(bits))
        previous = Signal(signed(bits))
        following = Signal(bits)
        m.d.comb += [addend.eq(self.product), previous.eq(total)]
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
                i_A0=addend[low],
                i_B0=previous[low],
                i_C0=self.first,
                i_D0=Const(1),
                i_A1=addend[low + 1],
                i_B1=previous[low + 1],
                i_C1=self.first,
                i_D1=Const(1),
                o_S0=following[low],
                o_S1=following[low + 1],
                o_COUT=carry_out,
            )
            carry = carry_out
        return following
