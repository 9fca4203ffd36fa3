"""A processing element: feature memory, operand shift, lanes, requantizer, write-back."""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, ShapeLike, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import (
    FIRST_LANE_CYCLES,
    OPERAND_CYCLES,
    POOL_CYCLES,
    REQUANTIZER_CYCLES,
    SUM_CYCLES,
    WRITE_CYCLES,
    write_cycles,
)
from openwork_hw.array.change_delay import ChangeDelay
from openwork_hw.array.copy_receiver import CopyReceiver
from openwork_hw.array.payloads import Beat, BeatOp, Copy, Neighbour, RowEnd, Settings, word_layout
from openwork_hw.array.write_port import WritePort
from openwork_hw.primitives.accumulator import Accumulator
from openwork_hw.primitives.clearable_adder import ClearableAdder
from openwork_hw.primitives.feature_memory import FeatureMemory
from openwork_hw.primitives.multipliers import Multipliers
from openwork_hw.primitives.registers import without_reset
from openwork_hw.primitives.selector import Selector
from openwork_hw.requantizer import Requantizer


class Element(wiring.Component):
    """Carry out beats on the block of the map that this PE owns.

    Function
        MAC: for each lane, sum = (first ? 0 : sum) + weight * operand. The operand is the byte at `address` of the lane and PE
        that lane_shift and pe_shift name; `pad` beyond the first and last lane, beyond the group's first and last PE, and where a
        shift says PAD. After `last`, each lane's sum is requantized and the word of all lanes written at end.address
        (end.write), or sent out (end.emit, if this PE is settings.emitter). Lanes and PEs whose pixel is outside the map give
        settings.fill. With settings.maximum a lane keeps its largest product in the place of the sum, those by 0 left out. With
        settings.pool the sums of all lanes, and of the PEs before in the group, are added up, and the last PE of a group writes
        the result in the last lane. Words that other PEs with the same part of the map write are written here, too, when the
        memory has time.
        LOAD: bytes are gathered to a word, written at `address` with the last one, if this PE's group is settings.target.
    Ports
        beat : in, Beat(config)
        settings : in, Settings(config); steady from the cycle before a beat until its last effect, as is `group`
        index, group : in, range(pes); this PE's number and its number in its group
        is_first, is_last : in; this PE is the first or last of its group
        o_word_own, o_word_old : out, words this PE read, for the PE above (early) and the PE below (late)
        i_word_above, i_word_below : in, the same of the neighbours, whose beats come one cycle earlier and later
        o_byte, o_byte_valid : out, emitted outputs, lane 0 first
        o_total, i_total : out, in, signed sum_bits; pooled sums to the PE below, from the PE above
        o_copy : out, Copy(config); what this PE writes
        i_copies : in, one Copy(config) for each other stream
    Timing
        Takes a beat every cycle and never stalls. Last beats are at least `lanes` cycles apart. The word of a last beat is
        written write_cycles(lanes) after it; with config.single_port no beat may be there in that cycle. No combinational path.
    Cost
        `lanes` multipliers, one feature memory, one requantizer.
    Limits
        A tap reaches one lane and one PE far.
    """

    beat: data.View
    settings: data.View
    index: Value
    group: Value
    is_first: Value
    is_last: Value
    o_word_own: data.View
    o_word_old: data.View
    i_word_above: data.View
    i_word_below: data.View
    o_byte: Value
    o_byte_valid: Value
    o_total: Value
    i_total: Value
    o_copy: data.View
    i_copies: list[data.View]

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        word = word_layout(config.lanes)
        super().__init__(
            {
                "beat": In(Beat(config)),
                "settings": In(Settings(config)),
                "index": In(range(config.pes)),
                "group": In(range(config.pes)),
                "is_first": In(1),
                "is_last": In(1),
                "o_word_own": Out(word),
                "o_word_old": Out(word),
                "i_word_above": In(word),
                "i_word_below": In(word),
                "o_byte": Out(signed(8)),
                "o_byte_valid": Out(1),
                "o_total": Out(signed(config.sum_bits)),
                "i_total": In(signed(config.sum_bits)),
                "o_copy": Out(Copy(config)),
                "i_copies": In(Copy(config)).array(config.replicas - 1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, beat, settings = self._config, self.beat, self.settings
        lanes = config.lanes
        word = word_layout(lanes)

        m.submodules.memory = features = FeatureMemory(config)
        m.submodules.multipliers = multipliers = Multipliers(config)
        m.submodules.requantizer = requantizer = Requantizer(config)
        accumulators = [
            Accumulator(config.sum_bits, config.technology, max_pooling=config.max_pooling) for _ in range(lanes)
        ]
        for lane, accumulator in enumerate(accumulators):
            m.submodules[f"accumulator_{lane}"] = accumulator

        # What the settings say of this PE.
        is_target, is_emitter, beyond_groups, at_last_group = (
            Signal(name=name, reset_less=True) for name in ("is_target", "is_emitter", "beyond_groups", "at_last_group")
        )
        m.d.sync += [
            is_target.eq(self.group == settings.target),
            is_emitter.eq(self.index == settings.emitter),
            beyond_groups.eq(self.group > settings.full_groups),
            at_last_group.eq(self.group == settings.full_groups),
        ]

        # What a beat says, when it is needed: index n of a list is n cycles after the beat.
        is_mac = beat.op == BeatOp.MAC
        weights = self._delays(m, "weight", Mux(is_mac, beat.weight, 0), signed(8), OPERAND_CYCLES)
        lane_shifts = self._delays(m, "lane_shift", beat.lane_shift, Neighbour, OPERAND_CYCLES - 1)
        pe_shifts = self._delays(m, "pe_shift", self._edge_shift(m), Neighbour, OPERAND_CYCLES - 2)
        begins = Signal()
        counts = Signal()  # not for a sum: there a weight of 0 has no effect
        m.d.comb += [begins.eq(beat.first), counts.eq(is_mac & (beat.weight != 0))]
        if config.max_pooling:
            # A filler has no part in a maximum: one at a row's beginning leaves the beginning to the next nonzero.
            waiting = Signal(reset_less=True)
            with m.If(is_mac):
                m.d.sync += waiting.eq((beat.first | waiting) & ~counts)
            with m.If(settings.maximum):
                m.d.comb += begins.eq((beat.first | waiting) & counts)
        firsts = self._delays(m, "first", begins & is_mac, 1, SUM_CYCLES - 2)
        lane_shift = self._for_each_lane(m, "lane_shift", lane_shifts[-1], Neighbour)
        pe_shift = self._for_each_lane(m, "pe_shift", pe_shifts[-1], Neighbour)
        # With `maximum` an accumulator takes a larger product as it takes a first one.
        first = self._for_each_lane(m, "first", firsts[-1] | settings.maximum, 1)
        enable = self._for_each_lane(m, "enable", firsts[-1] | ~settings.maximum, 1)
        gathered_cycles = write_cycles(lanes) - WRITE_CYCLES
        written_late = POOL_CYCLES if config.global_pooling else 0
        lasts = self._delays(m, "last", beat.last & is_mac, 1, gathered_cycles - 1 + written_late)
        capture = self._for_each_lane(m, "capture", lasts[SUM_CYCLES - 1], 1)
        compares = self._delays(m, "compare", counts, 1, SUM_CYCLES - 2) if config.max_pooling else [Const(0)]
        compare = self._for_each_lane(m, "compare", compares[-1], 1) if config.max_pooling else compares * lanes

        # Operands: the PE above read this beat's word a cycle earlier, the PE below reads it a cycle later.
        own = Signal(word, reset_less=True)
        shifted = Signal(word, reset_less=True)
        operands = Signal(word)
        m.d.comb += [features.read_address.eq(beat.address), self.o_word_own.eq(features.read_data)]
        old = without_reset(m, self.o_word_old, "old")
        m.d.sync += [own.eq(features.read_data), old.eq(own)]
        # Both choices in the order of Neighbour.
        for lane in range(lanes):
            m.submodules[f"pe_select_{lane}"] = pe_select = Selector(8, len(Neighbour), config.technology)
            above, below = self.i_word_above[lane], self.i_word_below[lane]
            for place, choice in enumerate((own[lane], above, below, settings.pad)):
                m.d.comb += pe_select.i[place].eq(choice)
            m.d.comb += pe_select.select.eq(pe_shift[lane])
            m.d.sync += shifted[lane].eq(pe_select.o)
        for lane in range(lanes):
            m.submodules[f"lane_select_{lane}"] = lane_select = Selector(8, len(Neighbour), config.technology)
            left = shifted[lane - 1] if lane else settings.pad
            right = shifted[lane + 1] if lane + 1 < lanes else settings.pad
            for place, choice in enumerate((shifted[lane], left, right, settings.pad)):
                m.d.comb += lane_select.i[place].eq(choice)
            m.d.comb += [lane_select.select.eq(lane_shift[lane]), operands[lane].eq(lane_select.o)]

        # Lanes.
        m.d.comb += [multipliers.x.eq(operands), multipliers.w.eq(weights[-1])]
        captured = [Signal(signed(config.sum_bits), name=f"captured_{lane}", reset_less=True) for lane in range(lanes)]
        for lane, accumulator in enumerate(accumulators):
            m.d.comb += [
                accumulator.product.eq(multipliers.products[lane]),
                accumulator.first.eq(first[lane]),
                accumulator.enable.eq(enable[lane]),
                accumulator.compare.eq(compare[lane]),
            ]
            with m.If(capture[lane]):
                m.d.sync += captured[lane].eq(accumulator.sum)

        # Drain: one lane a cycle through the requantizer.
        finishing = data.StructLayout({"end": RowEnd(config), "beyond_right": 1, "outside": 1})
        m.submodules.end = finish = ChangeDelay(finishing, use=SUM_CYCLES + 2, window=lanes, spacing=lanes)
        end = finish.o.end
        # After the last lane the choice rests: on the pooled sum, where there is one.
        choices = lanes + config.global_pooling
        lane_number = Signal(range(max(lanes + 1, 2)), reset_less=True)
        with m.If(lasts[SUM_CYCLES]):
            m.d.sync += lane_number.eq(0)
        with m.Elif(lane_number != lanes):
            m.d.sync += lane_number.eq(lane_number + 1)
        chosen = Signal(signed(config.sum_bits), reset_less=True)
        m.submodules.drain = drain = Selector(config.sum_bits, choices, config.technology)
        m.d.comb += [drain.i[lane].eq(captured[lane]) for lane in range(lanes)]
        m.d.comb += drain.select.eq(lane_number)
        m.d.sync += chosen.eq(drain.o)
        m.d.comb += [
            finish.i.end.eq(beat.end),
            finish.i.beyond_right.eq(beat.beyond_right),
            finish.i.outside.eq(beyond_groups | (at_last_group & beat.beyond_bottom)),
            finish.i_change.eq(lasts[0]),
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
        activation = Signal(signed(8))
        m.d.comb += activation.eq(Mux(outside[-1], settings.fill, requantizer.o))

        # Pooled sums: over the lanes as they drain, then from PE to PE, each a cycle after the one above.
        if config.global_pooling:
            lane_sum = Signal(signed(config.sum_bits), reset_less=True)
            total = Signal(signed(config.sum_bits), reset_less=True)
            m.submodules.over_lanes = over_lanes = ClearableAdder(config.sum_bits, config.technology)
            m.submodules.over_pes = over_pes = ClearableAdder(config.sum_bits, config.technology)
            m.d.comb += [
                over_lanes.a.eq(chosen),
                over_lanes.b.eq(lane_sum),
                over_lanes.clear.eq(first_chosen),
                over_pes.a.eq(lane_sum),
                over_pes.b.eq(self.i_total),
                over_pes.clear.eq(self.is_first),
                drain.i[lanes].eq(total),
                self.o_total.eq(total),
            ]
            m.d.sync += [lane_sum.eq(over_lanes.o), total.eq(over_pes.o)]

        # Write-back: bytes of a loaded word or of the drained lanes are gathered, the first ends up lowest.
        gathered = Signal(word, reset_less=True)
        gathers = Signal(reset_less=True)
        is_load = beat.op == BeatOp.LOAD
        loaded = Signal(reset_less=True)
        loaded_byte = Signal(signed(8), reset_less=True)
        load_address = Signal(config.address_bits, reset_less=True)
        m.d.sync += [
            gathers.eq(~settings.loading | is_load),
            loaded.eq(is_load & beat.last & is_target),
            loaded_byte.eq(beat.weight),
            load_address.eq(beat.address),
        ]
        with m.If(gathers):
            m.d.sync += gathered.eq(Cat(gathered, Mux(settings.loading, loaded_byte, activation))[8:])
        written = data.StructLayout({"address": config.address_bits, "write": 1})
        drain_start = SUM_CYCLES + 2
        m.submodules.place = place = ChangeDelay(
            written, use=gathered_cycles - 1 - drain_start, window=1, spacing=lanes
        )
        m.d.comb += [
            place.i.address.eq(end.address),
            place.i.write.eq(end.write),
            place.i_change.eq(lasts[drain_start]),
        ]
        finishes = Signal()
        m.d.comb += finishes.eq(lasts[gathered_cycles - 1] & place.o.write)
        if config.global_pooling:
            with m.If(settings.pool):
                m.d.comb += finishes.eq(lasts[-1] & place.o.write & self.is_last)
        finished = Signal(reset_less=True)
        own_valid = Signal(reset_less=True)
        own_address = Signal(config.address_bits, reset_less=True)
        m.d.sync += [
            finished.eq(finishes),
            own_valid.eq(loaded | finishes),
            own_address.eq(Mux(loaded, load_address, place.o.address)),
        ]

        # Copies: what this PE writes goes out, what others write waits for a cycle in which nothing else is written.
        copy = without_reset(m, self.o_copy, "copy")
        m.d.sync += [copy.byte.eq(gathered[lanes - 1]), copy.write.eq(finished), copy.address.eq(own_address)]
        m.submodules.write_port = write_port = WritePort(config, sources=config.replicas)
        m.d.comb += [
            write_port.i[0].valid.eq(own_valid),
            write_port.i[0].address.eq(own_address),
            write_port.i[0].word.eq(gathered),
            features.write_data.eq(write_port.o.word),
            features.write_address.eq(write_port.o.address),
            features.write_enable.eq(write_port.o.valid),
        ]
        for number in range(config.replicas - 1):
            m.submodules[f"copies_{number}"] = receiver = CopyReceiver(config)
            m.d.comb += [
                receiver.i.eq(self.i_copies[number]),
                receiver.taken.eq(write_port.taken[number + 1]),
                write_port.i[number + 1].eq(receiver.o),
            ]

        # Emission: the bytes of one row, while its lanes drain.
        emit = is_mac & beat.last & beat.end.emit & is_emitter
        emits = self._delays(m, "emit", emit, 1, FIRST_LANE_CYCLES - 1)
        emitting = Signal(range(lanes + 1), reset_less=True)
        with m.If(emits[-1]):
            m.d.sync += emitting.eq(lanes)
        with m.Elif(emitting != 0):
            m.d.sync += emitting.eq(emitting - 1)
        m.d.comb += [self.o_byte.eq(activation), self.o_byte_valid.eq(emitting != 0)]
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
        """A register of `value` in each lane: one alone would reach some hundred inputs all over the PE.

        In a compact array nothing is far away, and all lanes have one.
        """
        if self._config.compact:
            return self._delays(m, name, value, shape, 1)[1:] * self._config.lanes
        copies = []
        for lane in range(self._config.lanes):
            copy = Signal(shape, name=f"{name}_lane_{lane}", reset_less=True, attrs={"keep": 1})
            m.d.sync += copy.eq(value)
            copies.append(copy)
        return copies

    @staticmethod
    def _delays(m: Module, name: str, value: Value, shape: ShapeLike, cycles: int) -> list[Value]:
        """`value` and its delays: index n of the result is n cycles late."""
        stages = [value]
        for cycle in range(1, cycles + 1):
            stage = Signal(shape, name=f"{name}_{cycle}", reset_less=True)
            m.d.sync += stage.eq(stages[-1])
            stages.append(stage)
        return stages
