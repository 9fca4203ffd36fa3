"""Turns finished sums into activations."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.layouts import SHIFT_BITS
from openwork_hw.arch.timing import REQUANTIZER_CYCLES
from openwork_hw.primitives.registers import without_reset
from openwork_hw.primitives.selector import Selector

_WINDOW_BITS = 15
"""Bits that a shift by 0 to 7 can still bring into an int8."""


class Requantizer(wiring.Component):
    """Turn one sum per cycle into an int8 activation.

    Role
        Part of a `Drain`, once per PE: the lanes take turns.
    Function
        o = clip((i_sum + i_offset) >> i_shift, i_low, i_high), as `arch.arithmetic.requantize_folded`. The addition would wrap at
        sum_bits, but the compiler proves that it never does.
    Ports
        i_sum, i_offset : in, signed sum_bits
        i_shift : in, SHIFT_BITS; any value
        i_low, i_high : in, signed 8; steady while sums are on their way
        o : out, signed 8
    Timing
        latency_cycles, one result per cycle, no stall. No combinational path.
    Cost
        One adder, one arithmetic shifter of sum_bits, two 8-bit comparators. No multiplier, no memory.
    Limits
        None.
    """

    latency_cycles = REQUANTIZER_CYCLES

    i_sum: Value
    i_offset: Value
    i_shift: Value
    i_low: Value
    i_high: Value
    o: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._compact = config.compact
        self._bits = config.sum_bits
        self._technology = config.technology
        super().__init__(
            {
                "i_sum": In(signed(config.sum_bits)),
                "i_offset": In(signed(config.sum_bits)),
                "i_shift": In(SHIFT_BITS),
                "i_low": In(signed(8)),
                "i_high": In(signed(8)),
                "o": Out(signed(8)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        total = Signal(signed(self._bits), reset_less=True)
        total_shift = Signal(SHIFT_BITS, reset_less=True)
        m.d.sync += [total.eq(self.i_sum + self.i_offset), total_shift.eq(self.i_shift)]

        # Shift in two steps, keeping of each only what can reach the eight result bits, and whether a bit above differs from
        # the sign: then the result has left int8. A plain shifter of sum_bits would be three times the size.
        sign = total[-1]
        window = Signal(_WINDOW_BITS, reset_less=True)
        window_sign = Signal(reset_less=True)
        above_bytes = [total[low : low + 8] for low in range(_WINDOW_BITS, self._bits - 1, 8)]
        differs = Signal(
            len(above_bytes), reset_less=True
        )  # for each byte above the window that no step has shifted in
        bytes_shifted = Signal(2, reset_less=True)
        fine_shift = Signal(3, reset_less=True)
        # fine_shift <= the bit's number; not for bit 7: a register of a constant is one for all PEs, right across the part.
        at_most = Signal(7, reset_less=True)
        m.submodules.coarse = coarse = Selector(_WINDOW_BITS, 4, self._technology)
        m.d.comb += [coarse.i[step].eq(total >> 8 * step) for step in range(4)]
        m.d.comb += coarse.select.eq(total_shift[3:])
        m.d.sync += [
            window.eq(coarse.o),
            window_sign.eq(sign),
            differs.eq(Cat((byte != sign.replicate(len(byte))) for byte in above_bytes)),
            bytes_shifted.eq(total_shift[3:]),
            fine_shift.eq(total_shift),
            at_most.eq(Cat(total_shift[:3] <= bit for bit in range(7))),
        ]

        shifted = Signal(signed(8), reset_less=True)
        shifted_sign = Signal(reset_less=True)
        leaves = Signal(3, reset_less=True)  # int8, in one of three ways
        m.submodules.fine = fine = Selector(8, 8, self._technology)
        m.d.comb += [fine.i[step].eq(window[step : step + 8]) for step in range(8)]
        m.d.comb += fine.select.eq(fine_shift)
        above = Cat((window[7 + bit] != window_sign) & Cat(at_most, 1)[bit] for bit in range(8))
        beyond = Cat(differs[number] & (bytes_shifted <= number) for number in range(len(differs)))
        m.d.sync += [
            shifted.eq(fine.o),
            shifted_sign.eq(window_sign),
            leaves.eq(Cat(above[:4].any(), above[4:].any(), beyond.any())),
        ]

        # Limits are steady: registers of their own bring them here. What has left int8 is beyond the limit on its side.
        low = Signal(signed(8), reset_less=True)
        high = Signal(signed(8), reset_less=True)
        bring = [low.eq(self.i_low), high.eq(self.i_high)]
        if self._compact:
            m.d.comb += bring
        else:
            m.d.sync += bring
        candidate = Signal(signed(8), reset_less=True)
        less, left_below, greater, left_above, above_high = (
            Signal(name=name, reset_less=True) for name in ("less", "left_below", "greater", "left_above", "above_high")
        )
        at_least_low = Signal(signed(8), reset_less=True)
        activation = without_reset(m, self.o, "activation")
        below, over = Signal(signed(9)), Signal(signed(9))
        m.d.comb += [below.eq(shifted - low), over.eq(high - shifted)]
        m.d.sync += [
            candidate.eq(shifted),
            less.eq(below[-1]),
            greater.eq(over[-1]),
            left_below.eq(leaves.any() & shifted_sign),
            left_above.eq(leaves.any() & ~shifted_sign),
            at_least_low.eq(Mux(less | left_below, low, candidate)),
            above_high.eq(left_above | (greater & ~left_below)),
            activation.eq(Mux(above_high, high, at_least_low)),
        ]
        return m
