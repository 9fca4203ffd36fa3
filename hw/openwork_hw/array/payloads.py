"""The payloads inside the array: layouts built from the configuration."""

from enum import unique

from amaranth.hdl import signed, unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import Out

from openwork_hw.arch.config import COLUMN_BITS, ROW_BITS, TAP_BITS, ArrayConfig
from openwork_hw.arch.layouts import RECORD_FIELDS, SHIFT_BITS

_RECORD = dict(RECORD_FIELDS)


def word_layout(lanes: int) -> data.ArrayLayout:
    """A feature word: one int8 per lane."""
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


@unique
class MapOp(enum.Enum, shape=unsigned(2)):  # type: ignore[call-arg]  # Amaranth is untyped
    """What a `MapBeat` does in the PEs that it is for."""

    NONE = 0
    BYTE = 1
    ASK = 2


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
    """What an element needs to turn a finished sum into an output. Valid only in the last beat of a row.

    `write` puts the outputs into the feature memory at `address`. `emit` sends them to the array's output.
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
    """One step of work for the PEs. A beat moves on by one PE per cycle.

    MAC: every lane multiplies its operand by `weight`. The operand is at `address`, in the lane and PE that the shifts name.
    `first` begins a sum, and `last` ends it; in the last beat, beyond_right and beyond_bottom belong to the sum's pixel.
    TABLE: the fields of a TapEntryLayout are written to entry end.offset of the tap table.
    LOAD: `weight` is the next byte of a feature word, `last` marks the byte of the last lane, and `address` says where the word
    goes. While settings.tabled is high, `weight` is the value of the activation table for ``end.offset - 128``.
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
    """The settings of a whole command. They move along the chain like a beat, so each PE sees them in step with its beats.

    `running` is high while the feeders feed; when it is low, the feeders are in the state before a pass. `last_but_one` is
    row_groups - 2, the number of the last PE but one in each group; single_group says that a group has a single PE. `target` is
    the group that a LOAD writes, and `emitter` the PE that a STORE reads. `maximum` and `pool` say what becomes of products.
    full_lanes, full_groups and fill say where the map ends. `tabled`, in an array with activation tables, says that outputs go
    through the table, and that LOAD beats fill the table. `turn_base` is the tap table's base of the pass's last pixel but
    one, (hold - 2) << tap_bits; `single_pixel` says that hold is 1, so there is no such pixel.
    """

    def __init__(self, config: ArrayConfig) -> None:
        tabled = {"tabled": 1} if config.activation_tables else {}
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
            | tabled
        )


class MapBeat(data.StructLayout):
    """One step of moving a map. It moves on by one PE per cycle, beside the beats of a pass.

    It is for the PE that it reaches with `left` 0, and for each PE that is step + 1 PEs behind such a PE.

    BYTE: `byte` is the next byte of a feature word; `last` marks the byte of the last lane, with which the word is written at
    `address`. ASK: the PE gives the bytes of the word at `address`.
    """

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            {
                "op": MapOp,
                "left": range(config.pes),
                "step": range(config.pes),
                "address": config.address_bits,
                "byte": signed(8),
                "last": 1,
            }
        )


class TableWrite(data.StructLayout):
    """A value of the activation table that is written while `enable`: what becomes of ``address - 128``."""

    def __init__(self) -> None:
        super().__init__({"enable": 1, "address": 8, "value": signed(8)})


class WordWrite(data.StructLayout):
    """A feature word that waits to be written, while `valid`. In an array with map stations, the word is read if it `reads`."""

    def __init__(self, config: ArrayConfig) -> None:
        reads = {"reads": 1} if config.map_stations else {}
        super().__init__({"valid": 1, "address": config.address_bits, "word": word_layout(config.lanes)} | reads)


class Copy(data.StructLayout):
    """What a PE sends to the PEs that copy its outputs: `byte` is the newest byte of a word, and with `write` the word is whole."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__({"byte": signed(8), "write": 1, "address": config.address_bits})


class StreamFault(data.StructLayout):
    """The first error of a pass: its kind (`StreamErrorKind`), the PE of the stream, and the complete rows before the error."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__({"kind": 4, "pe": range(config.pes), "position": ROW_BITS})


class Link(wiring.Signature):
    """The connection from one PE to the next: the work, and what earlier PEs report.

    beat, settings : the work
    group : number of the sending PE in its group; from the sequencer, the number has no meaning
    ends_group : the sending PE is the last of its group, or the sender is the sequencer
    byte, byte_valid : the byte that a PE emits
    done : settings.running is high, and every PE so far that leads a group is done
    fault : the fault of the first PE so far that has one
    maps : a step of moving a map; in an array with map stations only
    """

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__(
            ({"maps": Out(MapBeat(config))} if config.map_stations else {})
            | {
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
