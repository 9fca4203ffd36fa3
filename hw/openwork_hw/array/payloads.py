"""What travels inside the array: layouts built from the configuration."""

from enum import unique

from amaranth.hdl import signed, unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import Out

from openwork_hw.arch.config import COLUMN_BITS, ROW_BITS, TAP_BITS, ArrayConfig
from openwork_hw.arch.layouts import RECORD_FIELDS, SHIFT_BITS

_RECORD = dict(RECORD_FIELDS)


def word_layout(lanes: int) -> data.ArrayLayout:
    """A feature word: one int8 for each lane."""
    return data.ArrayLayout(signed(8), lanes)


class Neighbour(enum.Enum, shape=unsigned(2)):  # type: ignore[call-arg]  # Amaranth is untyped
    """Whose operand a shift selects. `BEFORE` is the lane to the left or the PE above."""

    HERE = 0
    BEFORE = 1
    AFTER = 2
    PAD = 3


@unique
class BeatOp(enum.Enum, shape=unsigned(2)):  # type: ignore[call-arg]  # Amaranth is untyped
    """What a beat does in every element that it passes."""

    IDLE = 0
    MAC = 1
    TABLE = 2
    LOAD = 3


class RowRecordLayout(data.StructLayout):
    """A `RowRecord` on its way into a feeder."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            {
                "row": _RECORD["row"],
                "offset": signed(config.sum_bits),
                "shift": _RECORD["shift"],
                "write": _RECORD["write"],
                "last": _RECORD["last"],
            }
        )


class TapEntryLayout(data.StructLayout):
    """A `TapEntry`: the word address of channel 0, whose word it is, and the pixel's place at the map's edges."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            {
                "address": config.address_bits,
                "lane_shift": Neighbour,
                "pe_shift": Neighbour,
                "beyond_right": 1,
                "beyond_bottom": 1,
            }
        )


class RowEnd(data.StructLayout):
    """What an element needs to turn a finished sum into an output; means something only in the row's last beat.

    `write` puts the outputs into the feature memory at `address`, `emit` sends them to the array's output.
    """

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            {
                "address": config.address_bits,
                "offset": signed(config.sum_bits),
                "shift": SHIFT_BITS,
                "write": 1,
                "emit": 1,
            }
        )


class Beat(data.StructLayout):
    """One step of the chain; moves on one PE a cycle.

    MAC: every lane multiplies its operand at `address`, taken from where the shifts say, by `weight`; `first` starts a
    new sum, `last` ends it; then beyond_right and beyond_bottom are those of its pixel. TABLE: the fields of a TapEntryLayout are
    entry end.offset of the tap table. LOAD: `weight` is the next byte of a feature word, `last` its last lane's, and `address` says
    where the word goes.
    """

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            {
                "op": BeatOp,
                "address": config.address_bits,
                "weight": signed(8),
                "lane_shift": Neighbour,
                "pe_shift": Neighbour,
                "beyond_right": 1,
                "beyond_bottom": 1,
                "first": 1,
                "last": 1,
                "end": RowEnd(config),
            }
        )


class Settings(data.StructLayout):
    """What holds for a whole command; moves along the chain like a beat, so that each PE sees it in step with its beats.

    `running` is high while the feeders feed; when it is low, they are as before a pass. `last_but_one` is row_groups - 2, the
    number in its group of the PE before a group's last; single_group says that there is none. `target` is the group that a LOAD
    writes, `emitter` the PE that a STORE reads. `maximum` and `pool` say what becomes of products, full_lanes, full_groups and
    fill where the map ends. `turn_base` is the tap table's base of the pass's last pixel but one, (hold - 2) << tap_bits;
    `single_pixel` says that hold is 1 and there is none.
    """

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            {
                "running": 1,
                "loading": 1,
                "row_groups": range(config.pes + 1),
                "single_group": 1,
                "last_but_one": range(config.pes),
                "target": range(config.pes),
                "emitter": range(config.pes),
                "maximum": 1,
                "pool": 1,
                "full_lanes": range(config.lanes + 1),
                "full_groups": range(config.pes + 1),
                "fill": signed(8),
                "tap_bits": range(TAP_BITS + 1),
                "channels": config.address_bits + 1,
                "channel_bits": range(COLUMN_BITS + 1),
                "columns": COLUMN_BITS + 1,
                "turn_base": config.tap_index_bits,
                "single_pixel": 1,
                "output_base": config.address_bits,
                "output_stride": config.address_bits + 1,
                "pad": signed(8),
                "low": signed(8),
                "high": signed(8),
            }
        )


class WordWrite(data.StructLayout):
    """A feature word that waits to be written, while `valid`."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__({"valid": 1, "address": config.address_bits, "word": word_layout(config.lanes)})


class Copy(data.StructLayout):
    """What a PE tells those that copy its outputs: `byte` is the newest of the word; with `write` the word is whole."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__({"byte": signed(8), "write": 1, "address": config.address_bits})


class StreamFault(data.StructLayout):
    """The first error of a pass: its kind (`StreamErrorKind`), the PE whose stream it is, complete rows before it."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__({"kind": 4, "pe": range(config.pes), "position": ROW_BITS})


class Link(wiring.Signature):
    """What goes from one PE to the next: the work, and what earlier PEs have to tell.

    beat, settings : the work
    group : number in its group of the PE that tells it; the sequencer's means nothing
    ends_group : that PE is the last of its group, or it is the sequencer
    byte, byte_valid : what a PE emits
    done : settings.running, and every PE so far that leads a group is done
    fault : that of the first PE so far that has one
    """

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            {
                "beat": Out(Beat(config)),
                "settings": Out(Settings(config)),
                "group": Out(range(config.pes)),
                "ends_group": Out(1),
                "byte": Out(signed(8)),
                "byte_valid": Out(1),
                "done": Out(1),
                "fault": Out(StreamFault(config)),
            }
        )
