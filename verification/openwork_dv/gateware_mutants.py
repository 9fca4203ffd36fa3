"""The gateware with one line broken, to see that the quick tests notice."""

import shutil
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import openwork_hw
from openwork_dv.formal.mutants import broken_source


class Finding(Enum):
    """What the quick networks say of a mutant."""

    VALUE = "a wrong value, with layer, channel and pixel"
    WORD = "a wrong word, with its PE and lane, where no output is"
    RUN = "a run that hangs, fails or takes other cycles, with the command"


@dataclass(frozen=True)
class GatewareMutant:
    """One change of the gateware that makes it wrong.

    Attributes:
        module: path of the file in openwork_hw.
        wrong: what becomes of it, in words.
        healthy, broken: its text, which stands there once, and what stands there instead.
        finding: what is said of it first.
    """

    module: str
    wrong: str
    healthy: str
    broken: str
    finding: Finding = Finding.VALUE


def _of(module: str, *changes: tuple[str, str, str] | tuple[str, str, str, Finding]) -> tuple[GatewareMutant, ...]:
    return tuple(GatewareMutant(module, *change) for change in changes)


MUTANTS = (
    *_of(
        "array/element.py",
        ("fill in all of the last PE", "(at_last_group & beat.beyond_bottom)", "at_last_group"),
        ("LOAD writes into every PE", "write_back.is_target.eq(is_target)", "write_back.is_target.eq(1)"),
    ),
    *_of(
        "array/operand_shift.py",
        (
            "a tap that leaves the first lane reads the map",
            "shifted[lane - 1] if lane else self.pad",
            "shifted[lane - 1] if lane else shifted[lane]",
        ),
        (
            "a tap that leaves the last lane reads 0",
            "shifted[lane + 1] if lane + 1 < lanes else self.pad",
            "shifted[lane + 1] if lane + 1 < lanes else 0",
        ),
        (
            "the PEs beside are exchanged",
            "(own[lane], above, below, self.pad)",
            "(own[lane], below, above, self.pad)",
        ),
    ),
    *_of(
        "array/lane_control.py",
        ("a tap that leaves the group's first PE reads another group", "leaves_above | leaves_below", "leaves_below"),
        ("MAX keeps the last product", '"enable", firsts[-1] | ~self.maximum, 1', '"enable", Const(1), 1'),
        ("MAX forgets the row's beginning after a filler", "(beat.first | waiting) & counts", "beat.first & counts"),
    ),
    *_of(
        "array/drain.py",
        ("no fill outside the map", "Mux(outside[-1], settings.fill, requantizer.o)", "requantizer.o"),
        ("fill goes through the activation table", "self.settings.tabled & ~outside", "self.settings.tabled"),
        ("outputs that need no table go through it", "self.settings.tabled & ~outside", "~outside"),
    ),
    *_of(
        "array/pooled_sum.py", ("POOL adds the row before", "over_lanes.clear.eq(self.first)", "over_lanes.clear.eq(0)")
    ),
    *_of(
        "array/write_back.py",
        ("POOL is written by every PE", "place.o.write & self.is_last", "place.o.write", Finding.WORD),
        ("LOAD takes a byte in a pause", "gathers.eq(~settings.loading | is_load)", "gathers.eq(1)"),
        ("a copy is lost where the port is taken", "taken.eq(write_port.taken[number + 1])", "taken.eq(1)"),
    ),
    *_of("array/write_port.py", ("two words are written over each other", "source.valid & ~waits_for", "source.valid")),
    *_of(
        "array/chain.py",
        (
            "the word of the PE above comes early",
            "i_word_above.eq(above.o_word_old)",
            "i_word_above.eq(above.o_word_own)",
        ),
        ("the second PE uses the first one's outputs", "eq(pe.o_look_up)", "eq(users[0].o_look_up)"),
    ),
    *_of(
        "array/processing_element.py",
        ("copies where there is one stream", "settings.row_groups == size", "settings.row_groups != 0"),
        ("a group of one PE does not end", "self.i.settings.single_group,", "0,"),
    ),
    *_of(
        "array/feeder.py",
        ("every pixel uses the first one's taps", "rows.o.table_base | rows.o.tap", "rows.o.tap"),
        ("no tap leaves its PE", "beat.pe_shift.eq(found.pe_shift)", "beat.pe_shift.eq(0)"),
    ),
    *_of(
        "array/pixel_place.py",
        ("outputs of two pixels overlap", "pixel_address + self.settings.output_stride", "pixel_address + 1"),
    ),
    *_of(
        "array/ring_room.py",
        ("the ring runs over", "room.eq(~ring_full & ~self.queue_full)", "room.eq(~self.queue_full)"),
    ),
    *_of(
        "array/row_queue.py",
        ("a row has the next one's shift", "self.head_record.eq(records[0])", "self.head_record.eq(records[1])"),
    ),
    *_of(
        "sequencing/move_lanes.py",
        ("MOVE takes the first lanes", " << offered.first_lane", ""),
        ("MOVE goes on by a word", "next_base.eq(move_base + self.word_step)", "next_base.eq(move_base + 1)"),
    ),
    *_of(
        "sequencing/word_asker.py",
        (
            "MOVE asks for words too fast",
            "Mux(self.moving, self.period, config.row_spacing) - 1",
            "config.row_spacing - 1",
            Finding.RUN,
        ),
    ),
    *_of(
        "sequencer.py",
        ("STORE gives fill", "Mux(is_run, offered.full_lanes, config.lanes)", "offered.full_lanes"),
    ),
    *_of(
        "requantizer.py",
        ("a sum far beyond int8 wraps", "above[4:].any(), beyond.any()", "above[4:].any(), 0"),
        ("no upper limit but that of int8", "greater.eq(over[-1])", "greater.eq(0)"),
    ),
    *_of(
        "image/program_reader.py",
        ("half of the records", "inputs[first + 1] * scale", "inputs[first + 1]", Finding.RUN),
        ("a table's words are read backwards", "number.eq(-left)", "number.eq(left)"),
        ("a pixel below is one to the right", "eq(fields[name])", 'eq(fields[name.replace("bottom", "right")])'),
    ),
    *_of(
        "image/memory_reader.py",
        ("a region begins before the last one has come", "waits & (to_come == 0)", "waits", Finding.RUN),
    ),
    *_of(
        "image/record_reader.py",
        ("large shifts become small", '|= {"last": last', '|= {"shift": written.shift & 7, "last": last'),
    ),
    *_of(
        "primitives/accumulator.py",
        ("a sum never begins anew", "Mux(self.first, self.product, total + self.product)", "total + self.product"),
        ("a bubble has a part in a MAX", "self.compare & sum_less_product[-1]", "sum_less_product[-1]"),
    ),
)
"""None of these computes what the healthy gateware does."""


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
