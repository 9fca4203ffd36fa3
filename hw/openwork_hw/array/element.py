"""A processing element: feature memory, operand shift, lanes, requantizer, write-back."""

from amaranth.hdl import Elaboratable, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import SUM_CYCLES, first_lane_cycles
from openwork_hw.array.drain import Drain
from openwork_hw.array.lane_control import LaneControl
from openwork_hw.array.operand_shift import OperandShift
from openwork_hw.array.payloads import Beat, BeatOp, Copy, Settings, TableWrite, WordWrite, word_layout
from openwork_hw.array.write_back import WriteBack
from openwork_hw.primitives.accumulator import Accumulator
from openwork_hw.primitives.delays import delays
from openwork_hw.primitives.feature_memory import FeatureMemory
from openwork_hw.primitives.multipliers import Multipliers


class Element(wiring.Component):
    """Carry out beats on the block of the map that this PE owns.

    Role
        The part of a `ProcessingElement` that computes: it holds the PE's blocks of all maps.
    Function
        MAC: for each lane, sum = (first ? 0 : sum) + weight * operand. The operand is the byte at `address` of the lane and PE
        that lane_shift and pe_shift name. It is `pad` beyond the first and last lane, beyond the first and last PE of the group,
        and where a shift says PAD. After `last`, the sum of each lane is requantized. The word of all lanes is written at
        end.address (end.write), or sent out (end.emit, if this PE is settings.emitter). A lane whose pixel is outside the map
        gives settings.fill. With settings.tabled, the output of any other lane goes through the activation table. With
        settings.maximum, a lane keeps its largest product instead of the sum, and ignores products with a weight of 0. With
        settings.pool, the sums of all lanes and of the PEs before in the group are added up, and the last PE of a group writes the
        result in the last lane. Words that other PEs with the same part of the map write are written here, too, when the memory is
        free.
        LOAD: bytes are gathered to a word. With its last byte, the word is written at `address`, if the PE's group is
        settings.target. With settings.tabled, the byte is a value of the activation table instead, and goes out by o_table_write.
    Ports
        beat : in, Beat(config)
        settings : in, Settings(config); steady from the cycle before a beat until its last effect. So is `group`
        index, group : in, range(pes); this PE's number and its number in its group
        is_first, is_last : in; this PE is the first or last of its group
        o_word_own, o_word_old : out, words that this PE read, for the PE above (early) and the PE below (late)
        i_word_above, i_word_below : in, the same words of the neighbours, whose beats come one cycle earlier and later
        o_byte, o_byte_valid : out, emitted outputs, lane 0 first
        o_total, i_total : out, in, signed sum_bits; pooled sums to the PE below, from the PE above
        o_copy : out, Copy(config); what this PE writes
        i_copies : in, one Copy(config) per other stream
        o_look_up, i_looked_up : out, in; places in the activation table, and their values, as Drain's
        o_table_write : out, TableWrite; these three in an array with activation tables only
        i_map, map_taken, o_back_data : a MapStation's o_word, taken and back_data; in an array with map stations only
    Timing
        Takes a beat every cycle and never stalls. Last beats are at least `lanes` cycles apart. The word of a last beat is
        written write_cycles(config) after it; with config.single_port no beat may be there in that cycle. No combinational path.
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
    o_look_up: Value
    i_looked_up: Value
    o_table_write: data.View
    i_map: data.View
    map_taken: Value
    o_back_data: data.View

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        tables = {"o_look_up": Out(8), "i_looked_up": In(signed(8)), "o_table_write": Out(TableWrite())}
        word = word_layout(config.lanes)
        maps = {"i_map": In(WordWrite(config)), "map_taken": Out(1), "o_back_data": Out(word)}
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
            | (tables if config.activation_tables else {})
            | (maps if config.map_stations else {})
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, beat, settings = self._config, self.beat, self.settings
        lanes = config.lanes
        m.submodules.control = control = LaneControl(config)
        m.submodules.memory = features = FeatureMemory(config)
        m.submodules.shift = shift = OperandShift(config)
        m.submodules.multipliers = multipliers = Multipliers(config)
        accumulators = [
            Accumulator(config.sum_bits, config.technology, max_pooling=config.max_pooling) for _ in range(lanes)
        ]
        for lane, accumulator in enumerate(accumulators):
            m.submodules[f"accumulator_{lane}"] = accumulator
        m.submodules.drain = drain = Drain(config)
        m.submodules.write_back = write_back = WriteBack(config)

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
        m.d.comb += [
            control.beat.eq(beat),
            control.maximum.eq(settings.maximum),
            control.is_first.eq(self.is_first),
            control.is_last.eq(self.is_last),
            features.read_address.eq(beat.address),
            shift.i_word.eq(features.read_data),
            shift.i_word_above.eq(self.i_word_above),
            shift.i_word_below.eq(self.i_word_below),
            self.o_word_own.eq(shift.o_word_own),
            self.o_word_old.eq(shift.o_word_old),
            shift.pad.eq(settings.pad),
            shift.pe_shift.eq(control.pe_shift),
            shift.lane_shift.eq(control.lane_shift),
            multipliers.x.eq(shift.o),
            multipliers.w.eq(control.weight),
        ]
        for lane, accumulator in enumerate(accumulators):
            m.d.comb += [
                accumulator.product.eq(multipliers.products[lane]),
                accumulator.first.eq(control.first[lane]),
                accumulator.enable.eq(control.enable[lane]),
                accumulator.compare.eq(control.compare[lane]),
                drain.i_sums[lane].eq(accumulator.sum),
            ]
        m.d.comb += [
            drain.capture.eq(control.capture),
            drain.begins.eq(control.lasts[SUM_CYCLES]),
            drain.i.end.eq(beat.end),
            drain.i.beyond_right.eq(beat.beyond_right),
            drain.i.outside.eq(beyond_groups | (at_last_group & beat.beyond_bottom)),
            drain.i_change.eq(control.lasts[0]),
            drain.settings.eq(settings),
            drain.is_first.eq(self.is_first),
            drain.i_total.eq(self.i_total),
            self.o_total.eq(drain.o_total),
            write_back.beat.eq(beat),
            write_back.settings.eq(settings),
            write_back.is_target.eq(is_target),
            write_back.is_last.eq(self.is_last),
            write_back.lasts.eq(control.lasts),
            write_back.activation.eq(drain.o),
            write_back.end.eq(drain.o_end),
            features.write_data.eq(write_back.o.word),
            features.write_address.eq(write_back.o.address),
            features.write_enable.eq(
                write_back.o.valid & ~write_back.o.reads if config.map_stations else write_back.o.valid
            ),
            self.o_copy.eq(write_back.o_copy),
            *(into.eq(copy) for into, copy in zip(write_back.i_copies, self.i_copies, strict=True)),
        ]

        if config.activation_tables:
            m.d.comb += [
                self.o_look_up.eq(drain.o_look_up),
                drain.i_looked_up.eq(self.i_looked_up),
                self.o_table_write.enable.eq((beat.op == BeatOp.LOAD) & settings.tabled),
                self.o_table_write.address.eq(beat.end.offset),
                self.o_table_write.value.eq(beat.weight),
            ]

        if config.map_stations:
            m.d.comb += [
                write_back.i_map.eq(self.i_map),
                self.map_taken.eq(write_back.map_taken),
                self.o_back_data.eq(features.back_data),
            ]

        # Emission: the bytes of one row, while its lanes drain.
        emit = (beat.op == BeatOp.MAC) & beat.last & beat.end.emit & is_emitter
        emits = delays(m, "emit", emit, 1, first_lane_cycles(config) - 1)
        emitting = Signal(range(lanes + 1), reset_less=True)
        with m.If(emits[-1]):
            m.d.sync += emitting.eq(lanes)
        with m.Elif(emitting != 0):
            m.d.sync += emitting.eq(emitting - 1)
        m.d.comb += [self.o_byte.eq(drain.o), self.o_byte_valid.eq(emitting != 0)]
        return m
