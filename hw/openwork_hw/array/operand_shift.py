"""Takes the operand of each lane from the lane and PE that a tap names."""

from amaranth.hdl import Elaboratable, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array.payloads import Neighbour, word_layout
from openwork_hw.primitives.registers import without_reset
from openwork_hw.primitives.selector import Selector


class OperandShift(wiring.Component):
    """Choose among this PE's word and its neighbours', then among a lane and its neighbours.

    Role
        Between the feature memory and the multipliers of an `Element`: it makes aligned reads out of taps that leave a lane or a
        PE.
    Function
        The operand of lane n is the byte of the lane that lane_shift names, in the word that pe_shift names. It is `pad` beyond the
        first and the last lane, and where a shift says PAD. pe_shift belongs to the lane of the byte, and comes a cycle before
        lane_shift.
    Ports
        i_word : in, word of this PE's feature memory
        i_word_above, i_word_below : in, words of the neighbours, whose beats come one cycle earlier and later
        o_word_own, o_word_old : out; i_word for the PE above, and two cycles later for the PE below
        pad : in, signed 8
        pe_shift, lane_shift : in, one Neighbour per lane; a cycle and two after the word
        o : out, word; the operands
    Timing
        Two cycles from i_word to `o`, an operand each cycle. Combinational paths: i_word to o_word_own; lane_shift to `o`.
    Cost
        Three registers of a word, two choices among four bytes for each lane.
    Limits
        A tap reaches one lane and one PE far.
    """

    latency_cycles = 2

    i_word: data.View
    i_word_above: data.View
    i_word_below: data.View
    o_word_own: data.View
    o_word_old: data.View
    pad: Value
    pe_shift: data.View
    lane_shift: data.View
    o: data.View

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        word = word_layout(config.lanes)
        shifts = data.ArrayLayout(Neighbour, config.lanes)
        super().__init__(
            {
                "i_word": In(word),
                "i_word_above": In(word),
                "i_word_below": In(word),
                "o_word_own": Out(word),
                "o_word_old": Out(word),
                "pad": In(signed(8)),
                "pe_shift": In(shifts),
                "lane_shift": In(shifts),
                "o": Out(word),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        lanes, technology = self._config.lanes, self._config.technology
        # The PE above read this beat's word a cycle earlier, the PE below reads it a cycle later.
        own = Signal(word_layout(lanes), reset_less=True)
        shifted = Signal(word_layout(lanes), reset_less=True)
        old = without_reset(m, self.o_word_old, "old")
        m.d.comb += self.o_word_own.eq(self.i_word)
        m.d.sync += [own.eq(self.i_word), old.eq(own)]
        # Both choices in the order of Neighbour.
        for lane in range(lanes):
            m.submodules[f"pe_select_{lane}"] = pe_select = Selector(8, len(Neighbour), technology)
            above, below = self.i_word_above[lane], self.i_word_below[lane]
            for place, choice in enumerate((own[lane], above, below, self.pad)):
                m.d.comb += pe_select.i[place].eq(choice)
            m.d.comb += pe_select.select.eq(self.pe_shift[lane])
            m.d.sync += shifted[lane].eq(pe_select.o)
        for lane in range(lanes):
            m.submodules[f"lane_select_{lane}"] = lane_select = Selector(8, len(Neighbour), technology)
            left = shifted[lane - 1] if lane else self.pad
            right = shifted[lane + 1] if lane + 1 < lanes else self.pad
            for place, choice in enumerate((shifted[lane], left, right, self.pad)):
                m.d.comb += lane_select.i[place].eq(choice)
            m.d.comb += [lane_select.select.eq(self.lane_shift[lane]), self.o[lane].eq(lane_select.o)]
        return m
