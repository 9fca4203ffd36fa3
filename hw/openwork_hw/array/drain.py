"""Turns the finished sums of a PE's lanes into activations, one after the other."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import ACTIVATION_TABLE_CYCLES, REQUANTIZER_CYCLES, SUM_CYCLES
from openwork_hw.array.change_delay import ChangeDelay
from openwork_hw.array.payloads import RowEnd, Settings
from openwork_hw.array.pooled_sum import PooledSum
from openwork_hw.primitives.delays import delays
from openwork_hw.primitives.selector import Selector
from openwork_hw.requantizer import Requantizer


class Finish(data.StructLayout):
    """What the last beat of a row says about its outputs.

    `outside`: the outputs are below the map. `beyond_right`: the output of lane full_lanes is right of the map.
    """

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__({"end": RowEnd(config), "beyond_right": 1, "outside": 1})


class Drain(wiring.Component):
    """Keep the sums of a row, and send one lane per cycle through the requantizer.

    Role
        Between the accumulators and the write-back of an `Element`: the lanes begin the next row meanwhile.
    Function
        In the cycle after capture[n], the sum of lane n is kept. From `begins` on, for one lane after the other:
        o = requantize(sum, i.end.offset, i.end.shift, settings.low, settings.high), or settings.fill if the pixel of the lane
        is outside the map. With settings.tabled, `o` is the value of the activation table for this number, unless the pixel is
        outside. With settings.pool, the sum over all lanes and PEs of the group follows the last lane.
    Ports
        i_sums : in, `lanes` x signed sum_bits
        capture : in, one bit per lane
        begins : in; the row's sums have been captured in the cycle before
        i : in, Finish(config); i_change : in; `i` belongs to a row whose sums are captured SUM_CYCLES later
        settings : in, Settings(config)
        is_first : in; the PE is the first of its group
        i_total, o_total : in, out, signed sum_bits; pooled sums
        o : out, signed 8; an activation
        o_look_up : out, 8; a requantized number + 128, which is its place in the activation table
        i_looked_up : in, signed 8; the value there, ACTIVATION_TABLE_CYCLES later. Both only in an array with activation tables
        o_end : out, RowEnd(config); belongs to the row whose lane 0 enters the requantizer, for `lanes` cycles
    Timing
        Lane 0's activation 2 + REQUANTIZER_CYCLES after its sum is captured, then one lane per cycle. In an array with activation
        tables, all activations come ACTIVATION_TABLE_CYCLES later. Combinational path: from i_looked_up to o.
    Cost
        A register of sum_bits per lane, a choice among them, one requantizer. With activation tables, two registers of a byte and a
        choice of a byte.
    Limits
        Rows end `lanes` cycles apart or more.
    """

    i_sums: data.View
    capture: Value
    begins: Value
    i: data.View
    i_change: Value
    settings: data.View
    is_first: Value
    i_total: Value
    o_total: Value
    o: Value
    o_end: data.View
    o_look_up: Value
    i_looked_up: Value

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        number = signed(config.sum_bits)
        tables = {"o_look_up": Out(8), "i_looked_up": In(signed(8))} if config.activation_tables else {}
        super().__init__(
            {
                "i_sums": In(data.ArrayLayout(number, config.lanes)),
                "capture": In(config.lanes),
                "begins": In(1),
                "i": In(Finish(config)),
                "i_change": In(1),
                "settings": In(Settings(config)),
                "is_first": In(1),
                "i_total": In(number),
                "o_total": Out(number),
                "o": Out(signed(8)),
                "o_end": Out(RowEnd(config)),
            }
            | tables
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, settings, lanes = self._config, self.settings, self._config.lanes
        m.submodules.end = finish = ChangeDelay(Finish(config), use=SUM_CYCLES + 2, window=lanes, spacing=lanes)
        m.submodules.requantizer = requantizer = Requantizer(config)
        captured = [Signal(signed(config.sum_bits), name=f"captured_{lane}", reset_less=True) for lane in range(lanes)]
        for lane in range(lanes):
            with m.If(self.capture[lane]):
                m.d.sync += captured[lane].eq(self.i_sums[lane])

        # After the last lane the choice rests: on the pooled sum, where there is one.
        lane_number = Signal(range(max(lanes + 1, 2)), reset_less=True)
        with m.If(self.begins):
            m.d.sync += lane_number.eq(0)
        with m.Elif(lane_number != lanes):
            m.d.sync += lane_number.eq(lane_number + 1)
        chosen = Signal(signed(config.sum_bits), reset_less=True)
        m.submodules.drain = drain = Selector(config.sum_bits, lanes + config.global_pooling, config.technology)
        m.d.comb += [drain.i[lane].eq(captured[lane]) for lane in range(lanes)]
        m.d.comb += drain.select.eq(lane_number)
        m.d.sync += chosen.eq(drain.o)
        end = finish.o.end
        m.d.comb += [
            finish.i.eq(self.i),
            finish.i_change.eq(self.i_change),
            self.o_end.eq(end),
            requantizer.i_sum.eq(chosen),
            requantizer.i_offset.eq(end.offset),
            requantizer.i_shift.eq(end.shift),
            requantizer.i_low.eq(settings.low),
            requantizer.i_high.eq(settings.high),
        ]
        # Which lane of `chosen` is outside the map: known as late as its activation is.
        first_chosen, beyond_lanes, at_last_lane = (
            Signal(name=name, reset_less=True) for name in ("first_chosen", "beyond_lanes", "at_last_lane")
        )
        outside = Signal(REQUANTIZER_CYCLES, reset_less=True)
        chosen_outside = finish.o.outside | beyond_lanes | (at_last_lane & finish.o.beyond_right)
        m.d.sync += [
            first_chosen.eq(lane_number == 0),
            beyond_lanes.eq(lane_number > settings.full_lanes),
            at_last_lane.eq(lane_number == settings.full_lanes),
            outside.eq(Cat(chosen_outside & ~settings.pool, outside)),
        ]
        untabled = Mux(outside[-1], settings.fill, requantizer.o)
        if config.activation_tables:
            m.d.comb += [
                self.o_look_up.eq(Cat(requantizer.o[:7], ~requantizer.o[7])),
                self.o.eq(self._tabled(m, untabled, outside[-1])),
            ]
        else:
            m.d.comb += self.o.eq(untabled)
        if config.global_pooling:
            m.submodules.pooled = pooled = PooledSum(config)
            m.d.comb += [
                pooled.i.eq(chosen),
                pooled.first.eq(first_chosen),
                pooled.is_first.eq(self.is_first),
                pooled.i_total.eq(self.i_total),
                self.o_total.eq(pooled.o_total),
                drain.i[lanes].eq(pooled.o_total),
            ]
        return m

    def _tabled(self, m: Module, untabled: Value, outside: Value) -> Value:
        """The value of the activation table where the pass uses one; else `untabled`, as late as the table is."""
        late = delays(m, "untabled", untabled, signed(8), ACTIVATION_TABLE_CYCLES)
        uses = delays(m, "uses_table", self.settings.tabled & ~outside, 1, ACTIVATION_TABLE_CYCLES)
        return Mux(uses[-1], self.i_looked_up, late[-1])
