"""Sums over all lanes and PEs of a group."""

from amaranth.hdl import Elaboratable, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.primitives.clearable_adder import ClearableAdder


class PooledSum(wiring.Component):
    """Add up a PE's sums as they drain, then those of the PEs before it in the group.

    Role
        The part of a `Drain` that global pooling needs.
    Function
        total[t+2] = i[t] + i[t-1] + .., back to the cycle with `first`, plus i_total[t+1] unless is_first.
    Ports
        i : in, signed sum_bits; a lane's sum
        first : in; `i` is lane 0's
        is_first : in; the PE is the first of its group
        i_total, o_total : in, out, signed sum_bits; from the PE above, to the PE below, which takes it a cycle later
    Timing
        One sum per cycle. No combinational path.
    Cost
        Two adders and two registers of sum_bits.
    Limits
        Registers are not reset; what they hold before a row's first sum is not used.
    """

    i: Value
    first: Value
    is_first: Value
    i_total: Value
    o_total: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        number = signed(config.sum_bits)
        super().__init__(
            {"i": In(number), "first": In(1), "is_first": In(1), "i_total": In(number), "o_total": Out(number)}
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        bits, technology = self._config.sum_bits, self._config.technology
        lane_sum = Signal(signed(bits), reset_less=True)
        total = Signal(signed(bits), reset_less=True)
        m.submodules.over_lanes = over_lanes = ClearableAdder(bits, technology)
        m.submodules.over_pes = over_pes = ClearableAdder(bits, technology)
        m.d.comb += [
            over_lanes.a.eq(self.i),
            over_lanes.b.eq(lane_sum),
            over_lanes.clear.eq(self.first),
            over_pes.a.eq(lane_sum),
            over_pes.b.eq(self.i_total),
            over_pes.clear.eq(self.is_first),
            self.o_total.eq(total),
        ]
        m.d.sync += [lane_sum.eq(over_lanes.o), total.eq(over_pes.o)]
        return m
