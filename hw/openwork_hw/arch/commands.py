"""What the sequencer is told: load features, run one pass of a layer, move or store features; and the tap table of a pass."""

from dataclasses import dataclass
from enum import IntEnum

from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.config import MAX_LANES, MAX_PES, ArrayConfig, bits_for
from openwork_hw.arch.nonzeros import ColumnLayout
from openwork_hw.arch.refusal import Refusal


class CommandError(Refusal):
    """A command that this array cannot carry out; the message holds the need and the limit."""


class Operation(IntEnum):
    """What becomes of a row's products."""

    SUM = 0
    """They are added up: one sum a lane."""
    MAX = 1
    """The largest one is kept: max pooling, with weights of 1. Nonzeros of value 0 have no part."""
    POOL = 2
    """They are added up over all lanes and PEs of a group; the sum is written in the group's last PE, last lane."""


@dataclass(frozen=True)
class TapEntry:
    """Where one tap of one local pixel finds its operand, and where that pixel is not part of the map.

    Attributes:
        address: word address of channel 0 of the operand's local pixel.
        lane_shift: -1, 0 or 1: the operand is in the lane to the left, here, to the right.
        pe_shift: -1, 0 or 1: the operand is in the PE above (index - 1), here, below (index + 1).
        beyond_right: in lane `full_lanes` of the command the pixel lies right of the map.
        beyond_bottom: in PE `full_groups` of a group it lies below the map.
    """

    address: int
    lane_shift: int
    pe_shift: int
    beyond_right: bool = False
    beyond_bottom: bool = False


@dataclass(frozen=True)
class LoadCommand:
    """Write `words` feature words from address `address` on into every PE of row group `group`.

    `row_groups` says how the chain is divided (PE i belongs to group i mod row_groups). The words follow as bytes, lane 0 first.
    """

    row_groups: int
    group: int
    address: int
    words: int


@dataclass(frozen=True)
class StoreCommand:
    """Send `words` feature words of PE `pe`, from address `address` on, to the output, lane 0 first."""

    pe: int
    address: int
    words: int


@dataclass(frozen=True)
class MoveCommand:
    """Write bytes of PE `pe` into all lanes of all PEs: what one pixel a lane was becomes part of a vector.

    Byte of word ``address + k`` in lane ``first_lane + n`` goes to word ``target + k * word_step + n * lane_step``.

    Attributes:
        pe, address, words: what is read.
        first_lane, lanes: which of its bytes are taken.
        target, word_step, lane_step: where they go.
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
        """The highest word that is written."""
        return self.target + (self.words - 1) * self.word_step + (self.lanes - 1) * self.lane_step


@dataclass(frozen=True)
class RunCommand:
    """One pass of a layer: every row over `hold` local pixels.

    Outputs of pixels outside the map are replaced by `fill`: those of lanes after `full_lanes` and of PEs of a group after
    `full_groups`, and those of that lane and that PE where the tap table says so.

    Attributes:
        row_groups: PEs that share a stream; divides `pes`. Streams: pes / row_groups.
        layout: taps and channels of a column.
        hold: local pixels of the pass, so how often a row is replayed.
        output_base: word address of row 0 of the pass's first local pixel.
        output_stride: words from one local pixel of the output to the next.
        pad: int8 operand for a tap outside the map.
        low, high: int8 limits of the outputs.
        operation: what becomes of a row's products.
        full_lanes, full_groups: lanes, and PEs of a group, that lie inside the map with all their pixels.
        fill: int8 written for pixels outside the map.

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

    @property
    def tap_bits(self) -> int:
        """Bits of a tap number."""
        return bits_for(self.layout.taps)

    @property
    def tap_entries(self) -> int:
        """Entries of the pass's tap table."""
        return self.hold << self.tap_bits

    @property
    def turn_base(self) -> int:
        """First tap table entry of the last pixel but one; 0 where hold is 1."""
        return max(self.hold - 2, 0) << self.tap_bits


Command = LoadCommand | StoreCommand | MoveCommand | RunCommand


def check_command(command: Command, config: ArrayConfig) -> None:
    """Refuse a command that does not fit an array.

    Raises:
        CommandError: with the need and the limit.
    """
    if isinstance(command, RunCommand) and command.row_groups not in config.row_groups:
        raise CommandError(f"row_groups must be one of {config.row_groups}, not {command.row_groups}")
    if isinstance(command, LoadCommand | StoreCommand | MoveCommand):
        if command.words < 1 or command.address < 0 or command.address + command.words > config.feature_words:
            raise CommandError(
                f"words {command.address} to {command.address + command.words - 1} are outside the feature memory of "
                f"{config.feature_words} words"
            )
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
