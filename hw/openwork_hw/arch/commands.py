"""What the sequencer is told: load features, run one pass of a layer, store features; and the tap table of a pass."""

from dataclasses import dataclass

from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.nonzeros import ColumnLayout


class CommandError(ValueError):
    """A command that this array cannot carry out; the message holds the need and the limit."""


@dataclass(frozen=True)
class TapEntry:
    """Where one tap of one local pixel finds its operand.

    Attributes:
        address: word address of channel 0 of the operand's local pixel.
        lane_shift: -1, 0 or 1: the operand is in the lane to the left, here, to the right.
        pe_shift: -1, 0 or 1: the operand is in the PE above (index - 1), here, below (index + 1).
    """

    address: int
    lane_shift: int
    pe_shift: int


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
class RunCommand:
    """One pass of a layer: every row over `hold` local pixels.

    Attributes:
        row_groups: PEs that share a stream; divides `pes`. Streams: pes / row_groups.
        layout: taps and channels of a column.
        hold: local pixels of the pass, so how often a row is replayed.
        output_base: word address of row 0 of the pass's first local pixel.
        output_stride: words from one local pixel of the output to the next.
        pad: int8 operand for a tap outside the map.
        low, high: int8 limits of the outputs.

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


Command = LoadCommand | StoreCommand | RunCommand


def check_command(command: Command, config: ArrayConfig) -> None:
    """Refuse a command that does not fit an array.

    Raises:
        CommandError: with the need and the limit.
    """
    if isinstance(command, RunCommand | LoadCommand) and command.row_groups not in config.row_groups:
        raise CommandError(f"row_groups must be one of {config.row_groups}, not {command.row_groups}")
    if isinstance(command, LoadCommand | StoreCommand):
        if command.words < 1 or command.address < 0 or command.address + command.words > config.feature_words:
            raise CommandError(
                f"words {command.address} to {command.address + command.words - 1} are outside the feature memory of "
                f"{config.feature_words} words"
            )
    if isinstance(command, LoadCommand) and not 0 <= command.group < command.row_groups:
        raise CommandError(f"group must be from 0 to {command.row_groups - 1}, not {command.group}")
    if isinstance(command, StoreCommand) and not 0 <= command.pe < config.pes:
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
        for name in ("pad", "low", "high"):
            if not ACTIVATION_MIN <= getattr(command, name) <= ACTIVATION_MAX:
                raise CommandError(f"{name} must be an int8, not {getattr(command, name)}")
        last = command.output_base + (command.hold - 1) * command.output_stride
        if command.output_base < 0 or command.output_stride < 0 or last >= config.feature_words:
            raise CommandError(f"outputs reach word {last}, and the feature memory ends at {config.feature_words - 1}")
