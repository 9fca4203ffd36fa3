"""The multipliers of a PE, in plain Amaranth or in the multiplier blocks of a device."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import MULTIPLIER_CYCLES, ArrayConfig
from openwork_hw.primitives.technologies import primitives_of


class Multipliers(wiring.Component):
    """Multiply one weight with the operand of each lane.

    Role
        Part of an `Element`: all lanes of a PE multiply with the same weight.
    Function
        products[lane][t+4] = x[lane][t] * w[t]
    Ports
        x : in, lanes x signed(8)
        w : in, signed(8)
        products : out, lanes x signed(16)
    Timing
        Latency 4 in every technology, one product per cycle. No combinational path.
    Cost
        ECP5: one MULT18X18D per lane with input, pipeline and output registers, and 16 flip-flops after it, because
        its route to the adder is long.
        iCE40: one SB_MAC16 per two lanes with input, product and output registers, and 8 flip-flops per lane before
        it, 8 for the weight.
        Gowin: one MULT9X9 per lane with input and output registers, 8 flip-flops before it, 8 for the weight, and 16 after
        it: the tools do not time its pins, so nothing but wires may end there.
    Limits
        Registers are not reset: products are undefined for the first 4 cycles.
    """

    x: data.View
    w: Signal
    products: data.View
    lanes: int

    latency_cycles = MULTIPLIER_CYCLES

    def __init__(self, config: ArrayConfig) -> None:
        self.lanes = config.lanes
        self._primitives = primitives_of(config.technology)
        super().__init__(
            {
                "x": In(data.ArrayLayout(signed(8), config.lanes)),
                "w": In(signed(8)),
                "products": Out(data.ArrayLayout(signed(16), config.lanes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._primitives.multipliers(m, self)
        return m
