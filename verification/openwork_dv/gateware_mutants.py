"""The gateware with one line broken, to see that the quick tests notice."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import openwork_hw
from openwork_dv.formal.mutants import broken_source


@dataclass(frozen=True)
class GatewareMutant:
    """One change of the gateware that makes it wrong.

    Attributes:
        module: path of the file in openwork_hw.
        healthy, broken: its text, which stands there once, and what stands there instead.
        wrong: what becomes of it, in words.
        value: the quick networks find a wrong value; else a wrong cycle, a fault or a hang.
        test: where the quick networks cannot notice, the quick test that does.
    """

    module: str
    healthy: str
    broken: str
    wrong: str
    value: bool = True
    test: str = ""


ELEMENT = "array/element.py"
ROWS = "array/row_buffer.py"
SEQUENCER = "sequencer.py"

MUTANTS = (
    GatewareMutant(
        ELEMENT, "Mux(outside[-1], settings.fill, requantizer.o)", "requantizer.o", "no fill outside the map"
    ),
    GatewareMutant(
        ELEMENT, "(at_last_group & beat.beyond_bottom)", "at_last_group", "fill in the last PE's whole block"
    ),
    GatewareMutant(
        ELEMENT, "(at_last_lane & finish.o.beyond_right)", "at_last_lane", "fill in the last lane's whole block"
    ),
    GatewareMutant(
        ELEMENT,
        "beyond_groups.eq(self.group > settings.full_groups)",
        "beyond_groups.eq(0)",
        "no fill in PEs that lie below the map",
    ),
    GatewareMutant(
        ELEMENT,
        "shifted[lane - 1] if lane else settings.pad",
        "shifted[lane - 1] if lane else shifted[lane]",
        "a tap that leaves the first lane reads the map",
    ),
    GatewareMutant(
        ELEMENT,
        "shifted[lane + 1] if lane + 1 < lanes else settings.pad",
        "shifted[lane + 1] if lane + 1 < lanes else Const(0, 8)",
        "a tap that leaves the last lane reads 0 and not the pad value",
    ),
    GatewareMutant(
        ELEMENT,
        "leaves_above | leaves_below",
        "leaves_below",
        "a tap that leaves the group's first PE reads another group",
    ),
    GatewareMutant(
        ELEMENT,
        "(own[lane], above, below, settings.pad)",
        "(own[lane], below, above, settings.pad)",
        "PEs change sides",
    ),
    GatewareMutant(ELEMENT, "over_pes.clear.eq(self.is_first)", "over_pes.clear.eq(0)", "POOL adds the group before"),
    GatewareMutant(ELEMENT, "over_lanes.clear.eq(first_chosen)", "over_lanes.clear.eq(0)", "POOL adds the row before"),
    GatewareMutant(
        ELEMENT, "place.o.write & self.is_last", "place.o.write & self.is_first", "POOL is written by the first PE"
    ),
    GatewareMutant(ELEMENT, "place.o.write & self.is_last", "place.o.write", "POOL is written by every PE"),
    GatewareMutant(
        ELEMENT,
        '"enable", firsts[-1] | ~settings.maximum, 1',
        '"enable", Const(1), 1',
        "MAX keeps the last product and not the largest",
    ),
    GatewareMutant(
        ELEMENT, "begins.eq((beat.first | waiting) & counts)", "begins.eq(beat.first & counts)", "a filler before a MAX"
    ),
    GatewareMutant(ELEMENT, "is_load & beat.last & is_target", "is_load & beat.last", "LOAD writes into every PE"),
    GatewareMutant(ELEMENT, "gathers.eq(~settings.loading | is_load)", "gathers.eq(1)", "LOAD takes a byte in a pause"),
    GatewareMutant(ELEMENT, "beat.end.emit & is_emitter", "beat.end.emit", "STORE sends out of every PE"),
    GatewareMutant(ELEMENT, "copy.write.eq(finished)", "copy.write.eq(0)", "no copies between streams"),
    GatewareMutant(
        ELEMENT,
        "receiver.taken.eq(write_port.taken[number + 1])",
        "receiver.taken.eq(1)",
        "a copy is lost when the port is taken",
    ),
    GatewareMutant(
        "array/write_port.py",
        "source.valid & ~waits_for",
        "source.valid",
        "two words are written at once, over each other",
    ),
    GatewareMutant(
        "array/copy_receiver.py",
        "Cat(gathered, self.i.byte)[8:]",
        "Cat(self.i.byte, gathered)[:-8]",
        "copies' lanes in the other order",
    ),
    GatewareMutant(
        "array/chain.py",
        "below.i_word_above.eq(above.o_word_old)",
        "below.i_word_above.eq(above.o_word_own)",
        "too early",
    ),
    GatewareMutant("array/chain.py", "below.i_total.eq(above.o_total)", "below.i_total.eq(0)", "POOL of one PE alone"),
    GatewareMutant(
        "array/processing_element.py",
        "settings.row_groups == size",
        "settings.row_groups != 0",
        "copies where the streams are not divided",
    ),
    GatewareMutant(
        "array/processing_element.py",
        "Mux(self.i.ends_group, 0, self.i.group + 1)",
        "(self.i.group + 1)[:len(group)]",
        "groups are counted on",
    ),
    GatewareMutant(
        "array/processing_element.py", "self.i.settings.single_group,", "0,", "a group of one PE does not end"
    ),
    GatewareMutant(
        "array/feeder.py", "rows.o.table_base | rows.o.tap", "rows.o.tap", "every pixel uses the first one's taps"
    ),
    GatewareMutant(
        "array/feeder.py", "found.address + stages[-1].channel", "found.address | stages[-1].channel", "no carry"
    ),
    GatewareMutant(
        "array/feeder.py", "beat.pe_shift.eq(found.pe_shift)", "beat.pe_shift.eq(0)", "no tap leaves its PE"
    ),
    GatewareMutant(
        "array/feeder.py", "beat.first.eq(stages[-1].first)", "beat.first.eq(stages[0].first)", "a row begins early"
    ),
    GatewareMutant(
        ROWS, "pixel_address + self.settings.output_stride", "pixel_address + 1", "outputs of pixels overlap"
    ),
    GatewareMutant(
        ROWS, "row_start.eq(read_pointer + 1)", "row_start.eq(read_pointer)", "a row is replayed from the one before"
    ),
    GatewareMutant(
        ROWS, "queue_full = rows_waiting.all() | (push & two_rows)", "queue_full = Const(0)", "rows' ends are lost"
    ),
    GatewareMutant(ROWS, "room.eq(~ring_full & ~queue_full)", "room.eq(~queue_full)", "the ring runs over"),
    GatewareMutant(
        ROWS, "end.i.shift.eq(head_record.shift)", "end.i.shift.eq(records[1].shift)", "the shift of the next row"
    ),
    GatewareMutant(SEQUENCER, " << offered.first_lane", "", "MOVE takes the first lanes"),
    GatewareMutant(SEQUENCER, "offered.move_lanes > lane", "lane == 0", "MOVE takes one lane"),
    GatewareMutant(
        SEQUENCER,
        "next_base.eq(move_base + settings.output_stride)",
        "next_base.eq(move_base + 1)",
        "MOVE goes a word on and not word_step",
    ),
    GatewareMutant(
        SEQUENCER,
        "next_address.eq(move_address + settings.channels)",
        "next_address.eq(move_address + 1)",
        "MOVE puts lanes beside each other",
    ),
    GatewareMutant(SEQUENCER, "Mux(moving, period, spacing) - 1", "spacing - 1", "MOVE asks for words too fast"),
    GatewareMutant(
        SEQUENCER, "Mux(moving & ~promise, came.o.payload, 1)", "Mux(moving, came.o.payload, 1)", "MOVE reads too much"
    ),
    GatewareMutant(
        SEQUENCER,
        "Mux(is_run, offered.full_lanes, config.lanes)",
        "offered.full_lanes",
        "STORE gives fill",
    ),
    GatewareMutant(SEQUENCER, "is_run & (offered.operation == Operation.MAX)", "0", "MAX adds up"),
    GatewareMutant(SEQUENCER, '"pool": is_run & (offered.operation == Operation.POOL)', '"pool": 0', "POOL is a sum"),
    GatewareMutant(
        SEQUENCER, "promised <= queue_depth - 2 * config.lanes", "1", "STORE asks for more than the queue holds"
    ),
    GatewareMutant(
        "requantizer.py", "above[4:].any(), beyond.any()", "above[4:].any(), 0", "a sum far beyond int8 wraps"
    ),
    GatewareMutant("requantizer.py", "bytes_shifted <= number", "bytes_shifted < number", "a sum just beyond wraps"),
    GatewareMutant("requantizer.py", "greater.eq(over[-1])", "greater.eq(0)", "no upper limit but that of int8"),
    GatewareMutant(
        "requantizer.py",
        "at_least_low.eq(Mux(less | left_below, low, candidate))",
        "at_least_low.eq(Mux(left_below, low, candidate))",
        "no lower limit",
    ),
    GatewareMutant(
        "image/program_reader.py",
        "entry.beyond_bottom.eq(word[21])",
        "entry.beyond_bottom.eq(word[20])",
        "below is right",
    ),
    GatewareMutant("image/program_reader.py", "inputs[first + 1] * scale", "inputs[first + 1]", "half of the records"),
    GatewareMutant(
        "image/memory_reader.py", "waits & (to_come == 0)", "waits", "a region begins before the last has come"
    ),
    GatewareMutant("image/memory_reader.py", "more & (room != 0)", "more", "words are asked for that have no place"),
    GatewareMutant(
        "image/memory_reader.py", "word.last.eq(to_come == 1)", "word.last.eq(to_come == 2)", "a region ends early"
    ),
    GatewareMutant("image/record_reader.py", "first[16:21]", "first[16:20]", "large shifts are small"),
    GatewareMutant("image/record_reader.py", '"write": first[21]', '"write": 1', "a dummy row is written"),
    GatewareMutant(
        "image/checker.py",
        "damaged.eq(word.data != check.crc)",
        "damaged.eq(0)",
        "a damaged image is good",
        test="tests/cosim/test_native.py::test_a_damaged_image_is_refused",
    ),
    GatewareMutant(
        "primitives/accumulator.py",
        "Mux(self.first, self.product, total + self.product)",
        "total + self.product",
        "a sum never begins anew",
    ),
    GatewareMutant(
        "primitives/accumulator.py",
        "self.compare & sum_less_product[-1]",
        "sum_less_product[-1]",
        "a bubble has a part in a MAX",
    ),
    GatewareMutant(
        "primitives/clearable_adder.py",
        "self.a + Mux(self.clear, 0, self.b)",
        "self.a + self.b",
        "POOL never begins anew",
    ),
    GatewareMutant(
        "primitives/multipliers.py", "stages[0].eq(x * w)", "stages[0].eq((x * w)[:15])", "the largest product is 0"
    ),
)
"""None of these is the same as the healthy gateware in what it computes."""


def write_copy(folder: Path, mutant: GatewareMutant | None) -> None:
    """The package openwork_hw as a copy in the folder, with the mutant's line broken.

    Raises:
        ValueError: the healthy text is not there, or more than once.
    """
    package = folder / "openwork_hw"
    shutil.copytree(Path(openwork_hw.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    if mutant is None:
        return
    file = package / mutant.module
    file.write_text(broken_source(mutant.module, file.read_text(), mutant.healthy, mutant.broken))
