"""The commands of a program, which the sequencer carries out: load, run a pass, move, store; and the tap table of a pass."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.config import MAX_LANES, MAX_PES, ArrayConfig, bits_for
from openwork_hw.arch.nonzeros import ColumnLayout
from openwork_hw.arch.refusal import Refusal

TABLE_VALUES = 256
"""Values of an activation table: one for each int8."""

MOST_MAP_BYTES = 1 << 28
"""Bytes of maps in an external memory."""


class CommandError(Refusal):
    """A command that this array cannot carry out. The message gives the need and the limit."""


class Operation(IntEnum):
    """What a pass does with the products of a row."""

    SUM = 0
    """Add them up. Every lane has a sum of its own."""
    MAX = 1
    """Keep the largest product: max pooling, with weights of 1. Nonzeros of value 0 are ignored."""
    POOL = 2
    """Add them up over all lanes and PEs of a group. The sum is written in the last lane of the group's last PE."""


@dataclass(frozen=True)
class TapEntry:
    """An entry of the tap table: where one tap of one local pixel finds its operand.

    Attributes:
        address: word address of channel 0 of the operand's local pixel.
        lane_shift: the lane that holds the operand: -1 for the lane to the left, 0 for the same lane, 1 for the lane to the right.
        pe_shift: the PE that holds the operand: -1 for the PE above (index - 1), 0 for the same PE, 1 for the PE below.
        beyond_right: whether the output pixel lies right of the map in lane `full_lanes` of the command.
        beyond_bottom: whether the output pixel lies below the map in PE `full_groups` of a group.
    """

    address: int
    lane_shift: int
    pe_shift: int
    beyond_right: bool = False
    beyond_bottom: bool = False


class Piece(NamedTuple):
    """Bytes of an external memory that a LOAD takes or a STORE writes, one after the other.

    Attributes:
        address: of the first byte, in the part of the memory that is for maps. That of a STORE is a multiple of 4.
        bytes: how many.
    """

    address: int
    bytes: int


@dataclass(frozen=True)
class LoadCommand:
    """Write `words` feature words into every PE of row group `group`, from address `address` on.

    `row_groups` says how the chain is divided: PE i belongs to row group i mod row_groups. The words come as bytes, lane 0 first:
    from the host, or, where there are `pieces`, from an external memory. From there they come beside the commands that follow, one
    such LOAD or STORE after the other.
    """

    row_groups: int
    group: int
    address: int
    words: int
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class StoreCommand:
    """Send `words` feature words of PE `pe` to the output, from address `address` on, lane 0 first.

    They go to the host, or, where there are `pieces`, to an external memory, beside the commands that follow.
    """

    pe: int
    address: int
    words: int
    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class MoveCommand:
    """Write bytes of PE `pe` into all lanes of all PEs. The compiler uses moves to turn a map into a vector.

    The byte in lane ``first_lane + n`` of word ``address + k`` goes to word ``target + k * word_step + n * lane_step``.

    Attributes:
        pe: the PE that is read.
        address, words: the first word that is read, and how many words are read.
        first_lane, lanes: the first lane whose bytes are taken, and from how many lanes they are taken.
        target: the word that gets the first byte.
        word_step, lane_step: words between the targets of two words, and of two lanes.
    """

    pe: int
    address: int
    words: int
    first_lane: int
    lanes: int
    target: int
    word_step: int
    lane_step: int

    def last_target(self) -> int:
        """Address of the highest word that the move writes."""
        return self.target + (self.words - 1) * self.word_step + (self.lanes - 1) * self.lane_step


@dataclass(frozen=True)
class TableCommand:
    """Write an activation table into all PEs. The RUN commands behind it that are `tabled` use the table.

    A table stays until the next TABLE command. The memories of an array hold no table when a program begins.

    Attributes:
        values: int8 [TABLE_VALUES], what becomes of -128, of -127, and so on up to 127.
    """

    values: tuple[int, ...]


@dataclass(frozen=True)
class RunCommand:
    """Run one pass of a step: compute every row of its streams for `hold` local pixels.

    The array writes `fill` instead of a result for every pixel outside the map. Lanes after `full_lanes`, and PEs of a group
    after `full_groups`, have only such pixels. In lane `full_lanes` and in PE `full_groups`, the tap table marks them.

    Attributes:
        row_groups: how many PEs share a weight stream; divides `pes`. The number of streams is pes / row_groups.
        layout: how column numbers hold taps and channels.
        hold: local pixels of the pass. Every row is replayed once per local pixel.
        output_base: word address of row 0 of the pass's first local pixel.
        output_stride: words from one local pixel of the output to the next.
        pad: int8 operand for a tap outside the map.
        low, high: int8 limits of the outputs.
        operation: what the pass does with the products of a row.
        full_lanes, full_groups: how many lanes, and how many PEs per group, have only pixels inside the map.
        fill: int8 that is written for pixels outside the map.
        tabled: whether the outputs go through the activation table, after their limits. `fill` does not.

    The tap table of a pass holds ``hold << tap_bits`` entries: entry ``pixel << tap_bits | tap``.
    """

    row_groups: int
    layout: ColumnLayout
    hold: int
    output_base: int
    output_stride: int
    pad: int
    low: int
    high: int
    operation: Operation = Operation.SUM
    full_lanes: int = MAX_LANES
    full_groups: int = MAX_PES
    fill: int = 0
    tabled: bool = False

    @property
    def tap_bits(self) -> int:
        """Bits per tap number."""
        return bits_for(self.layout.taps)

    @property
    def tap_entries(self) -> int:
        """Entries of the pass's tap table."""
        return self.hold << self.tap_bits

    @property
    def turn_base(self) -> int:
        """The first tap table entry of the last local pixel but one; 0 if hold is 1."""
        return max(self.hold - 2, 0) << self.tap_bits


Command = LoadCommand | StoreCommand | MoveCommand | TableCommand | RunCommand


def _check_pieces(command: LoadCommand | StoreCommand, config: ArrayConfig) -> None:
    moved = sum(piece.bytes for piece in command.pieces)
    if moved != command.words * config.lanes or any(piece.bytes < 1 or piece.address < 0 for piece in command.pieces):
        raise CommandError(
            f"{command.words} words of {config.lanes} bytes are moved, and their pieces of the external memory have {moved}"
        )
    if max(piece.address + piece.bytes for piece in command.pieces) > MOST_MAP_BYTES:
        raise CommandError(f"the external memory has room for maps of {MOST_MAP_BYTES:,} bytes")
    if isinstance(command, StoreCommand) and any(piece.address % 4 for piece in command.pieces):
        raise CommandError("a piece of the external memory that is written begins at a multiple of 4 bytes")


def check_tables(config: ArrayConfig) -> None:
    """Refuse activation tables for an array without them.

    Raises:
        CommandError: the array has none.
    """
    if not config.activation_tables:
        raise CommandError("the array is built without activation tables: use an array with activation_tables")


def check_command(command: Command, config: ArrayConfig) -> None:
    """Refuse a command that an array cannot carry out.

    Raises:
        CommandError: the array cannot. The message gives the need and the limit.
    """
    if isinstance(command, RunCommand) and command.row_groups not in config.row_groups:
        raise CommandError(f"row_groups must be one of {config.row_groups}, not {command.row_groups}")
    if isinstance(command, LoadCommand | StoreCommand | MoveCommand):
        if command.words < 1 or command.address < 0 or command.address + command.words > config.feature_words:
            raise CommandError(
                f"words {command.address} to {command.address + command.words - 1} are outside the feature memory of "
                f"{config.feature_words} words"
            )
    if isinstance(command, LoadCommand | StoreCommand) and command.pieces:
        if not config.map_stations:
            raise CommandError("the array is built without map_stations, which move maps of an external memory")
        _check_pieces(command, config)
    if isinstance(command, LoadCommand) and (command.row_groups < 1 or config.pes % command.row_groups):
        raise CommandError(f"row_groups must divide the {config.pes} PEs, and {command.row_groups} does not")
    if isinstance(command, LoadCommand) and not 0 <= command.group < command.row_groups:
        raise CommandError(f"group must be from 0 to {command.row_groups - 1}, not {command.group}")
    if isinstance(command, MoveCommand):
        if command.first_lane < 0 or command.lanes < 1 or command.first_lane + command.lanes > config.lanes:
            raise CommandError(
                f"lanes {command.first_lane} to {command.first_lane + command.lanes - 1} are not all among the {config.lanes} lanes"
            )
        if (
            min(command.target, command.word_step, command.lane_step) < 0
            or command.last_target() >= config.feature_words
        ):
            raise CommandError(
                f"a move reaches word {command.last_target()}, and the feature memory ends at {config.feature_words - 1}"
            )
    if isinstance(command, StoreCommand | MoveCommand) and not 0 <= command.pe < config.pes:
        raise CommandError(f"pe must be from 0 to {config.pes - 1}, not {command.pe}")
    if isinstance(command, TableCommand) or (isinstance(command, RunCommand) and command.tabled):
        check_tables(config)
    if isinstance(command, TableCommand):
        outside = [value for value in command.values if not ACTIVATION_MIN <= value <= ACTIVATION_MAX]
        if len(command.values) != TABLE_VALUES or outside:
            raise CommandError(
                f"an activation table holds {TABLE_VALUES} values of int8, not {len(command.values)}"
                + (f" with {outside[0]} among them" if outside else "")
            )
    if isinstance(command, RunCommand):
        if command.hold < 1 or command.tap_entries > config.tap_entries:
            raise CommandError(
                f"{command.hold} pixels x {command.layout.taps} taps need {command.tap_entries} tap entries, "
                f"and the table holds {config.tap_entries}: use fewer pixels in a pass"
            )
        if command.layout.channels > config.feature_words:
            raise CommandError(
                f"{command.layout.channels} channels do not fit {config.feature_words} feature words, even for one pixel"
            )
        for operation, built in ((Operation.MAX, config.max_pooling), (Operation.POOL, config.global_pooling)):
            if command.operation is operation and not built:
                raise CommandError(f"the array is built without the operation {operation.name}")
        if command.operation is Operation.POOL and command.hold != 1:
            raise CommandError(f"a pooled sum is taken once, not for {command.hold} pixels")
        for name in ("pad", "low", "high", "fill"):
            if not ACTIVATION_MIN <= getattr(command, name) <= ACTIVATION_MAX:
                raise CommandError(f"{name} must be an int8, not {getattr(command, name)}")
        last = command.output_base + (command.hold - 1) * command.output_stride
        if command.output_base < 0 or command.output_stride < 0 or last >= config.feature_words:
            raise CommandError(f"outputs reach word {last}, and the feature memory ends at {config.feature_words - 1}")
