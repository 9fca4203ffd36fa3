"""Brings each part of a beat to the lanes of a PE in the cycle in which they need it."""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, ShapeLike, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import OPERAND_CYCLES, POOL_CYCLES, SUM_CYCLES, WRITE_CYCLES, write_cycles
from openwork_hw.array.payloads import Beat, BeatOp, Neighbour
from openwork_hw.primitives.delays import delays


def gathered_cycles(config: ArrayConfig) -> int:
    """From a row's last beat to when the word of its outputs is whole."""
    return write_cycles(config) - WRITE_CYCLES


def last_cycles(config: ArrayConfig) -> int:
    """How late a row's last beat is still told: until its word, or its pooled sum, is to be written."""
    return gathered_cycles(config) - 1 + (POOL_CYCLES if config.global_pooling else 0)


class LaneControl(wiring.Component):
    """Delay the parts of a beat, and give each lane registers of its own.

    Role
        The front of an `Element`: what steers operands, multipliers and accumulators comes from here.
    Function
        For a MAC beat: `weight` comes OPERAND_CYCLES late. pe_shift and lane_shift come in the cycles in which a word passes the
        two choices of `OperandShift`; pe_shift becomes PAD where it leaves the group. first, enable and compare come with the
        sum, and capture after it. Bit n of `lasts` says n cycles late that a MAC beat was the last of a row. For other beats
        weight, first and lasts are 0.
    Ports
        beat : in, Beat(config)
        maximum : in; settings.maximum
        is_first, is_last : in; the PE is the first or last of its group
        weight : out, signed 8
        lane_shift, pe_shift : out, one Neighbour per lane
        first, enable, compare, capture : out, one bit per lane; the first three as `Accumulator` takes them
        lasts : out, last_cycles(config) + 1 bits
    Timing
        As in Function; one beat per cycle. Combinational path: beat to lasts[0].
    Cost
        One register per lane and signal, because a single register would reach a hundred inputs all over the PE. In a compact
        array nothing is far away, and all lanes share one register per signal.
    Limits
        None.
    """

    beat: data.View
    maximum: Value
    is_first: Value
    is_last: Value
    weight: Value
    lane_shift: data.View
    pe_shift: data.View
    first: Value
    enable: Value
    compare: Value
    capture: Value
    lasts: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        shifts = data.ArrayLayout(Neighbour, config.lanes)
        super().__init__(
            {
                "beat": In(Beat(config)),
                "maximum": In(1),
                "is_first": In(1),
                "is_last": In(1),
                "weight": Out(signed(8)),
                "lane_shift": Out(shifts),
                "pe_shift": Out(shifts),
                "first": Out(config.lanes),
                "enable": Out(config.lanes),
                "compare": Out(config.lanes),
                "capture": Out(config.lanes),
                "lasts": Out(last_cycles(config) + 1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, beat = self._config, self.beat
        is_mac = beat.op == BeatOp.MAC
        # Index n of a list is n cycles after the beat.
        weights = delays(m, "weight", Mux(is_mac, beat.weight, 0), signed(8), OPERAND_CYCLES)
        lane_shifts = delays(m, "lane_shift", beat.lane_shift, Neighbour, OPERAND_CYCLES - 1)
        pe_shifts = delays(m, "pe_shift", self._edge_shift(m), Neighbour, OPERAND_CYCLES - 2)
        begins = Signal()
        counts = Signal()  # not for a sum: there a weight of 0 has no effect
        m.d.comb += [begins.eq(beat.first), counts.eq(is_mac & (beat.weight != 0))]
        if config.max_pooling:
            # A filler has no part in a maximum: one at a row's beginning leaves the beginning to the next nonzero.
            waiting = Signal(reset_less=True)
            with m.If(is_mac):
                m.d.sync += waiting.eq((beat.first | waiting) & ~counts)
            with m.If(self.maximum):
                m.d.comb += begins.eq((beat.first | waiting) & counts)
        firsts = delays(m, "first", begins & is_mac, 1, SUM_CYCLES - 2)
        lasts = delays(m, "last", beat.last & is_mac, 1, last_cycles(config))
        compare: list[Value] = [Const(0)] * config.lanes
        if config.max_pooling:
            compare = self._for_each_lane(m, "compare", delays(m, "compare", counts, 1, SUM_CYCLES - 2)[-1], 1)
        # With `maximum` an accumulator takes a larger product as it takes a first one.
        first = self._for_each_lane(m, "first", firsts[-1] | self.maximum, 1)
        enable = self._for_each_lane(m, "enable", firsts[-1] | ~self.maximum, 1)
        capture = self._for_each_lane(m, "capture", lasts[SUM_CYCLES - 1], 1)
        m.d.comb += [
            self.weight.eq(weights[-1]),
            Cat(self.lane_shift).eq(Cat(self._for_each_lane(m, "lane_shift", lane_shifts[-1], Neighbour))),
            Cat(self.pe_shift).eq(Cat(self._for_each_lane(m, "pe_shift", pe_shifts[-1], Neighbour))),
            self.first.eq(Cat(first)),
            self.enable.eq(Cat(enable)),
            self.compare.eq(Cat(compare)),
            self.capture.eq(Cat(capture)),
            self.lasts.eq(Cat(lasts)),
        ]
        return m

    def _edge_shift(self, m: Module) -> Signal:
        """pe_shift, turned to PAD where it leaves the group."""
        shift = Signal(Neighbour)
        m.d.comb += shift.eq(self.beat.pe_shift)
        leaves_above = self.is_first & (self.beat.pe_shift == Neighbour.BEFORE)
        leaves_below = self.is_last & (self.beat.pe_shift == Neighbour.AFTER)
        with m.If(leaves_above | leaves_below):
            m.d.comb += shift.eq(Neighbour.PAD)
        return shift

    def _for_each_lane(self, m: Module, name: str, value: Value, shape: ShapeLike) -> list[Value]:
        """A register of `value` in each lane; one for all in a compact array."""
        if self._config.compact:
            return delays(m, name, value, shape, 1)[1:] * self._config.lanes
        copies: list[Value] = []
        for lane in range(self._config.lanes):
            copy = Signal(shape, name=f"{name}_lane_{lane}", reset_less=True, attrs={"keep": 1})
            m.d.sync += copy.eq(value)
            copies.append(copy)
        return copies
