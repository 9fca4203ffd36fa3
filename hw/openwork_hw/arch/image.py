"""The image: one array of 32-bit words that holds the program of a whole network and its weights.

A header of `HEADER_WORDS`, the weight streams and row records, the program, and a CRC. The program is a sequence of
instructions that is read from front to back: `COMMAND_WORDS` of the command, then, for RUN, `FEEDER_WORDS` for each feeder of
the array (which words and records it gets; none where the count is 0), then a word for each entry of the tap table.

    word                    holds
    0                       MAGIC
    1                       VERSION
    2                       fingerprint of the array's configuration
    3                       words of the whole image
    4                       word address of the program
    5                       commands of the program
    6, 7                    bytes that LOAD commands take, bytes that STORE commands give
    last                    CRC-32 (zlib's) of all words before it, little endian
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.commands import (
    Command,
    CommandError,
    LoadCommand,
    MoveCommand,
    Operation,
    RunCommand,
    StoreCommand,
    TapEntry,
    check_command,
)
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import ColumnLayout, RowRecord
from openwork_hw.arch.refusal import Refusal

MAGIC = 0x3149574F
"""'OWI1', little endian."""

VERSION = 1
HEADER_WORDS = 8
COMMAND_WORDS = 8
FEEDER_WORDS = 4
RECORD_WORDS = 2


class ImageError(Refusal):
    """Words that are not an image, or not one for this array; the message says which rule they break."""


class CommandOp(IntEnum):
    """What a command asks for; CLEAR forgets the sticky fault, END ends the program."""

    CLEAR = 0
    LOAD = 1
    RUN = 2
    STORE = 3
    MOVE = 4
    END = 7


class ImageStatus(IntEnum):
    """What came of a request to check or run an image."""

    GOOD = 0
    NOT_CHECKED = 1
    """It was to run before a check that found it good."""
    MAGIC = 2
    VERSION = 3
    CONFIGURATION = 4
    LENGTH = 5
    DAMAGED = 6
    FAULT = 7
    """A weight stream was malformed; the report of its command says how."""


COMMAND_FIELDS = (
    ("op", 3),
    ("operation", 2),
    ("single_pixel", 1),
    ("tap_bits", 3),
    ("channel_bits", 5),
    ("row_groups", 8),
    ("target", 8),
    ("pe", 8),
    ("address", 16),
    ("words", 17),
    ("table_entries", 13),
    ("turn_base", 12),
    ("columns", 17),
    ("channels", 17),
    ("output_stride", 17),
    ("pad", 8),
    ("low", 8),
    ("high", 8),
    ("fill", 8),
    ("full_lanes", 7),
    ("full_groups", 8),
    ("first_lane", 6),
    ("move_lanes", 7),
    ("move_target", 16),
    ("period", 13),
)
"""Names and bits of the fields of a command, lowest first. MOVE: output_stride is its word_step, channels its lane_step, and
`period` the cycles from one word to the next (`move_period`)."""


@dataclass(frozen=True)
class FeederInput:
    """What one feeder gets for a pass.

    Attributes:
        words: uint32, its weight stream.
        records: one for each row.
    """

    words: NDArray[np.uint32]
    records: tuple[RowRecord, ...]


@dataclass(frozen=True)
class Instruction:
    """A command and, for RUN, what belongs to it.

    Attributes:
        command: what to do.
        taps: the tap table, command.tap_entries entries.
        feeders: for each stream, what it gets.
    """

    command: Command
    taps: tuple[TapEntry, ...] = ()
    feeders: tuple[FeederInput, ...] = ()


def move_period(config: ArrayConfig, move: MoveCommand) -> int:
    """Cycles from one word of a MOVE to the next: one to read it, one for each byte that is dropped, `lanes` for each taken."""
    return max(config.row_spacing, 1 + config.lanes - move.lanes + move.lanes * config.lanes)


def command_fields(command: Command, config: ArrayConfig) -> dict[str, int]:
    """The fields of a command by the names of `COMMAND_FIELDS`; those left out are 0."""
    match command:
        case LoadCommand():
            return {
                "op": CommandOp.LOAD,
                "row_groups": command.row_groups,
                "target": command.group,
                "address": command.address,
                "words": command.words,
            }
        case StoreCommand():
            return {
                "op": CommandOp.STORE,
                "row_groups": 1,
                "pe": command.pe,
                "address": command.address,
                "words": command.words,
            }
        case MoveCommand():
            return {
                "op": CommandOp.MOVE,
                "row_groups": 1,
                "pe": command.pe,
                "address": command.address,
                "words": command.words,
                "first_lane": command.first_lane,
                "move_lanes": command.lanes,
                "move_target": command.target,
                "output_stride": command.word_step,
                "channels": command.lane_step,
                "period": move_period(config, command),
            }
        case RunCommand():
            layout = command.layout
            return {
                "op": CommandOp.RUN,
                "operation": command.operation,
                "row_groups": command.row_groups,
                "address": command.output_base,
                "table_entries": command.tap_entries,
                "tap_bits": command.tap_bits,
                "channels": layout.channels,
                "channel_bits": layout.channel_bits,
                "columns": layout.columns,
                "turn_base": command.turn_base,
                "single_pixel": command.hold == 1,
                "output_stride": command.output_stride,
                "pad": command.pad,
                "low": command.low,
                "high": command.high,
                "fill": command.fill,
                "full_lanes": min(command.full_lanes, config.lanes),
                "full_groups": min(command.full_groups, config.pes),
            }


def encode_fields(fields: dict[str, int]) -> list[int]:
    """The words of a command.

    >>> [hex(word) for word in encode_fields({"op": 3, "low": -1})[:2]]
    ['0x3', '0x0']
    """
    bits = offset = 0
    for name, width in COMMAND_FIELDS:
        bits |= (int(fields.get(name, 0)) & ((1 << width) - 1)) << offset
        offset += width
    return [bits >> 32 * word & 0xFFFFFFFF for word in range(COMMAND_WORDS)]


def encode_tap(entry: TapEntry) -> int:
    """A tap table entry: address [15:0], lane_shift [17:16], pe_shift [19:18], beyond_right [20], beyond_bottom [21].

    >>> hex(encode_tap(TapEntry(5, -1, 1, beyond_right=True)))
    '0x190005'
    """
    shifts = {0: 0, -1: 1, 1: 2}
    return (
        entry.address
        | shifts[entry.lane_shift] << 16
        | shifts[entry.pe_shift] << 18
        | entry.beyond_right << 20
        | entry.beyond_bottom << 21
    )


def encode_record(record: RowRecord) -> tuple[int, int]:
    """A row record: row [15:0], shift [20:16], write [21], last [22]; then the offset."""
    return record.row | record.shift << 16 | record.write << 21 | record.last << 22, record.offset & 0xFFFFFFFF


def assemble(instructions: Sequence[Instruction], config: ArrayConfig) -> NDArray[np.uint32]:
    """The words of an image. Equal streams are kept once.

    Raises:
        CommandError: a command does not fit the array.
    """
    data: list[NDArray[np.uint32]] = []
    places: dict[bytes, int] = {}
    address = HEADER_WORDS
    program: list[int] = []

    def keep(words: NDArray[np.uint32]) -> int:
        nonlocal address
        key = words.tobytes()
        if key not in places:
            places[key] = address
            data.append(words)
            address += len(words)
        return places[key]

    loaded = stored = 0
    for instruction in instructions:
        command = instruction.command
        check_command(command, config)
        program += encode_fields(command_fields(command, config))
        if isinstance(command, LoadCommand):
            loaded += command.words * config.lanes
        if isinstance(command, StoreCommand):
            stored += command.words * config.lanes
        if not isinstance(command, RunCommand):
            continue
        if len(instruction.taps) != command.tap_entries or len(instruction.feeders) != config.pes // command.row_groups:
            raise CommandError(
                f"a RUN needs {command.tap_entries} tap entries and {config.pes // command.row_groups} streams, "
                f"not {len(instruction.taps)} and {len(instruction.feeders)}"
            )
        used = {stream * command.row_groups: feeder for stream, feeder in enumerate(instruction.feeders)}
        for pe in config.feeders:
            if pe in used:
                feeder = used[pe]
                records = np.array([encode_record(record) for record in feeder.records], dtype=np.uint32).reshape(-1)
                program += [keep(feeder.words), len(feeder.words), keep(records), len(feeder.records)]
            else:
                program += [0] * FEEDER_WORDS
        program += [encode_tap(entry) for entry in instruction.taps]
    program += encode_fields({"op": CommandOp.END})
    total = address + len(program) + 1
    header = [MAGIC, VERSION, config.fingerprint, total, address, len(instructions), loaded, stored]
    words = np.concatenate([np.array(header, np.uint32), *data, np.array(program, np.uint32)])
    return np.concatenate([words, np.array([crc32(words.astype("<u4").tobytes())], np.uint32)])


def check_image(words: NDArray[np.uint32], config: ArrayConfig) -> None:
    """What the gateware checks before it runs an image, in its order.

    Raises:
        ImageError: with the rule that is broken.
    """
    if len(words) < HEADER_WORDS + COMMAND_WORDS + 1 or words[0] != MAGIC:
        raise ImageError("these words are not an image: they do not begin as one")
    if words[1] != VERSION:
        raise ImageError(
            f"the image is of version {words[1]}, and this program reads version {VERSION}: compile the model again"
        )
    if words[2] != config.fingerprint:
        raise ImageError("the image was compiled for another array: compile the model for this one")
    if words[3] != len(words):
        raise ImageError(f"the image says it has {words[3]} words, and there are {len(words)}: it is not complete")
    if words[-1] != crc32(words[:-1].astype("<u4").tobytes()):
        raise ImageError("the image is damaged: its check sum is wrong")


def disassemble(words: NDArray[np.uint32], config: ArrayConfig) -> tuple[Instruction, ...]:
    """The instructions of an image: undoes `assemble`.

    Raises:
        ImageError: it is not an image for this array, or its program leaves it.
    """
    check_image(words, config)
    at = int(words[4])
    end = len(words) - 1
    instructions: list[Instruction] = []

    def take(count: int, start: int | None = None) -> NDArray[np.uint32]:
        nonlocal at
        first = at if start is None else start
        if first < HEADER_WORDS or first + count > end:
            raise ImageError(f"the program of the image reaches word {first + count}, and the image ends at {end}")
        if start is None:
            at += count
        return words[first : first + count]

    for _ in range(int(words[5])):
        fields = _decode_fields(take(COMMAND_WORDS))
        try:
            command = _command(fields)
            check_command(command, config)
        except (ValueError, CommandError) as error:
            raise ImageError(f"command {len(instructions)} of the image means nothing: {error}") from None
        taps: tuple[TapEntry, ...] = ()
        feeders: list[FeederInput] = []
        if isinstance(command, RunCommand):
            for pe in config.feeders:
                address, count, record_address, record_count = (int(word) for word in take(FEEDER_WORDS))
                if pe % command.row_groups == 0:
                    records = take(RECORD_WORDS * record_count, record_address).reshape(-1, RECORD_WORDS).tolist()
                    feeders.append(FeederInput(take(count, address), tuple(_record(*pair) for pair in records)))
            taps = tuple(_tap(word) for word in take(command.tap_entries).tolist())
        instructions.append(Instruction(command, taps, tuple(feeders)))
    if _decode_fields(take(COMMAND_WORDS))["op"] != CommandOp.END:
        raise ImageError("the program of the image does not end where it should")
    return tuple(instructions)


def stored_words(words: NDArray[np.uint32], config: ArrayConfig) -> Iterator[int]:
    """For each command of a checked image the feature words that it stores; 0 for all but STORE."""
    at = int(words[4])
    for _ in range(int(words[5])):
        fields = _decode_fields(words[at : at + COMMAND_WORDS])
        at += COMMAND_WORDS
        if fields["op"] == CommandOp.RUN:
            at += FEEDER_WORDS * len(config.feeders) + fields["table_entries"]
        yield fields["words"] if fields["op"] == CommandOp.STORE else 0


def _decode_fields(words: NDArray[np.uint32]) -> dict[str, int]:
    bits = sum(int(word) << 32 * index for index, word in enumerate(words))
    fields = {}
    for name, width in COMMAND_FIELDS:
        fields[name] = bits & ((1 << width) - 1)
        bits >>= width
    for name in ("pad", "low", "high", "fill"):
        fields[name] -= 256 * (fields[name] > 127)
    return fields


def _command(fields: dict[str, int]) -> Command:
    words, address = fields["words"], fields["address"]
    match fields["op"]:
        case CommandOp.LOAD:
            return LoadCommand(fields["row_groups"], fields["target"], address, words)
        case CommandOp.STORE:
            return StoreCommand(fields["pe"], address, words)
        case CommandOp.MOVE:
            return MoveCommand(
                fields["pe"],
                address,
                words,
                fields["first_lane"],
                fields["move_lanes"],
                fields["move_target"],
                fields["output_stride"],
                fields["channels"],
            )
        case CommandOp.RUN:
            taps = (fields["columns"] - fields["channels"] >> fields["channel_bits"]) + 1
            return RunCommand(
                fields["row_groups"],
                ColumnLayout(taps, fields["channels"]),
                fields["table_entries"] >> fields["tap_bits"],
                address,
                fields["output_stride"],
                fields["pad"],
                fields["low"],
                fields["high"],
                Operation(fields["operation"]),
                fields["full_lanes"],
                fields["full_groups"],
                fields["fill"],
            )
    raise ValueError(f"there is no command {fields['op']}")


def _tap(word: int) -> TapEntry:
    shifts = (0, -1, 1, 0)
    return TapEntry(
        word & 0xFFFF, shifts[word >> 16 & 3], shifts[word >> 18 & 3], bool(word >> 20 & 1), bool(word >> 21 & 1)
    )


def _record(word: int, offset: int) -> RowRecord:
    return RowRecord(
        row=word & 0xFFFF,
        offset=offset - (offset >> 31 << 32),
        shift=word >> 16 & 31,
        write=bool(word >> 21 & 1),
        last=bool(word >> 22 & 1),
    )
