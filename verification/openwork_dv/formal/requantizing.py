"""What is claimed of the requantizer."""

from amaranth.hdl import Const, Mux, Value, signed

from openwork_dv.formal.properties import Properties
from openwork_hw.requantizer import Requantizer


def requantized(sums: Value, offset: Value, shift: Value, low: Value, high: Value) -> Value:
    """`arch.arithmetic.requantize_folded` of the sum that wraps at the width of `sums`, in Amaranth's numbers."""
    total = (sums + offset)[: len(sums)].as_signed() >> shift
    return Mux(total < low, low, Mux(total > high, high, total))[:8].as_signed()


def requantizer_properties(requantizer: Requantizer) -> Properties:
    """The output is the formula's value for the inputs of `latency_cycles` before, whatever comes before and after them."""
    properties = Properties(requantizer)
    m = properties.m
    sums, offset = (properties.choose(name, signed(len(requantizer.i_sum))) for name in ("sum", "offset"))
    shift = properties.choose("shift", len(requantizer.i_shift))
    low, high = (properties.choose_once(name, signed(8)) for name in ("low", "high"))
    properties.assume(low <= high)
    m.d.comb += [
        requantizer.i_sum.eq(sums),
        requantizer.i_offset.eq(offset),
        requantizer.i_shift.eq(shift),
        requantizer.i_low.eq(low),
        requantizer.i_high.eq(high),
    ]
    expected: Value = requantized(sums, offset, shift, low, high)
    full: Value = Const(1)
    for _ in range(requantizer.latency_cycles):
        expected, full = properties.past(expected).as_signed(), properties.past(full)
    properties.claim("formula", ~full | (requantizer.o == expected))
    for name, value in (("lowest", -128), ("highest", 127), ("between", 1)):
        properties.reach(name, full & (requantizer.o == value) & (low == -128) & (high == 127))
    properties.reach("limited", full & (requantizer.o == low) & (low > -128))
    return properties
