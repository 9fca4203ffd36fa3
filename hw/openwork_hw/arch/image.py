"""The image: all that an array needs to run one network, as an array of 32-bit words.

An image holds, in this order, a header of `HEADER_WORDS` words, the weight streams and row records, the program, and a CRC.
The program is a sequence of instructions, which the array reads from front to back. An instruction begins with the
`COMMAND_WORDS` words of its command. After a RUN follow `FEEDER_WORDS` words per feeder of the array, and then one word
per entry of the tap table. After a TABLE follow `TABLE_WORDS` words, which hold the activation table: what becomes of -128, of
-127, and so on up to 127, four values per word, the first one lowest. After a LOAD or STORE that is `external` follow the number
of its pieces of the external memory, and two words per piece: address and bytes. The words of a feeder say which words and records
the feeder gets; a feeder whose counts are 0 gets none.

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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.commands import (
    TABLE_VALUES,
    Command,
    CommandError,
    LoadCommand,
    MoveCommand,
    RunCommand,
    StoreCommand,
    TableCommand,
    TapEntry,
    check_command,
)
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.encodings import check_encoding
from openwork_hw.arch.layouts import RECORD_FIELDS, SHIFTS, TAP_FIELDS, pack, unpack
from openwork_hw.arch.nonzeros import RowRecord
from openwork_hw.arch.refusal import Refusal
from openwork_hw.arch.weight_stream import Header

MAGIC = 0x3149574F
"""'OWI1', little endian."""

VERSION = 1
HEADER_WORDS = 8
COMMAND_WORDS = 8
FEEDER_WORDS = 4
RECORD_WORDS = 2
PIECE_WORDS = 2
TABLE_WORDS = TABLE_VALUES // 4


class ImageError(Refusal):
    """Words that are not an image, or not an image for this array. The message says which rule they break."""


class CommandOp(IntEnum):
    """The number of each command. CLEAR forgets the fault of an earlier run, and END ends the program."""

    CLEAR = 0
    LOAD = 1
    RUN = 2
    STORE = 3
    MOVE = 4
    TABLE = 5
    END = 7


class ImageStatus(IntEnum):
    """The answer to a request to check or to run an image."""

    GOOD = 0
    NOT_CHECKED = 1
    """The request was to run an image that no check has found good."""
    MAGIC = 2
    VERSION = 3
    CONFIGURATION = 4
    LENGTH = 5
    DAMAGED = 6
    FAULT = 7
    """A weight stream was malformed. The report of the RUN that read the stream says how."""
    TIMED_OUT = 8
    """Nothing moved for so long that the run was ended: a command waits for something that does not come. Reports and outputs
    end with that command."""


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
    ("external", 1),
    ("tabled", 1),
    ("waits", 1),
)
"""Names and bits of the fields of a command, lowest first. A TABLE is `tabled`, and its table_entries are TABLE_VALUES. In a MOVE,
`output_stride` holds the word_step, `channels` the lane_step, and `period` the cycles from one word to the next (`move_period`). A
command that `waits` begins when all LOAD and STORE commands of the external memory before it are over."""


@dataclass(frozen=True)
class FeederInput:
    """The inputs of one feeder for one pass.

    Attributes:
        words: uint32 [words], the weight stream.
        records: one row record per row.
    """

    words: NDArray[np.uint32]
    records: tuple[RowRecord, ...]

    @property
    def record_words(self) -> NDArray[np.uint32]:
        """uint32 [RECORD_WORDS x records], the records as an image holds them."""
        return np.array([encode_record(record) for record in self.records], np.uint32).reshape(-1)


@dataclass(frozen=True)
class Instruction:
    """A command and, for a RUN, its tap table and weight streams.

    Attributes:
        command: the command.
        taps: the tap table, command.tap_entries entries; empty if the command is not a RUN.
        feeders: the inputs of each feeder that the pass uses, one per stream; empty if the command is not a RUN.
        waits: whether the command begins only when all LOAD and STORE commands of the external memory before it are over.
    """

    command: Command
    taps: tuple[TapEntry, ...] = ()
    feeders: tuple[FeederInput, ...] = ()
    waits: bool = False

    @property
    def waits_for_maps(self) -> bool:
        """Whether the array begins with it only when all maps have been moved: if it `waits`, or takes the way that maps take."""
        on_their_way = isinstance(self.command, StoreCommand | MoveCommand) and not getattr(self.command, "pieces", ())
        return self.waits or on_their_way


def move_period(config: ArrayConfig, move: MoveCommand) -> int:
    """Cycles from one word of a MOVE to the next word.

    Reading the word takes one cycle. Every byte that is dropped takes one cycle, and every byte that is taken `lanes`
    cycles. A memory with one port needs one more cycle without a write, in which the next word is read.
    """
    return max(config.row_spacing, 1 + config.single_port + config.lanes - move.lanes + move.lanes * config.lanes)


def command_fields(command: Command, config: ArrayConfig) -> dict[str, int]:
    """The fields of a command by the names of `COMMAND_FIELDS`. A field that is not given is 0."""
    match command:
        case LoadCommand():
            return {
                "op": CommandOp.LOAD,
                "row_groups": command.row_groups,
                "target": command.group,
                "address": command.address,
                "words": command.words,
            } | ({"external": 1} if command.pieces else {})
        case StoreCommand():
            return {
                "op": CommandOp.STORE,
                "row_groups": 1,
                "pe": command.pe,
                "address": command.address,
                "words": command.words,
            } | ({"external": 1} if command.pieces else {})
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
        case TableCommand():
            return {"op": CommandOp.TABLE, "row_groups": 1, "table_entries": TABLE_VALUES, "tabled": 1}
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
            } | ({"tabled": 1} if command.tabled else {})


def check_waits(waits: bool, config: ArrayConfig) -> None:
    """Refuse a command that waits for maps, for an array where nothing moves beside commands.

    Raises:
        CommandError: the array is one.
    """
    if waits and not config.map_stations:
        raise CommandError(
            "a command waits for maps of an external memory, and the array is built without map_stations"
        )


def check_stream(words: NDArray[np.uint32], config: ArrayConfig) -> None:
    """Refuse a weight stream that a compact array cannot decode. Any other array reports a malformed stream itself.

    Raises:
        ConfigError: the stream has an encoding that the array cannot decode.
    """
    if config.compact and len(words):
        check_encoding(config, Header.encoding_of(int(words[0])))


def encode_fields(fields: dict[str, int]) -> list[int]:
    """The words of a command.

    >>> [hex(word) for word in encode_fields({"op": 3, "low": -1})[:2]]
    ['0x3', '0x0']
    """
    bits = pack(COMMAND_FIELDS, fields)
    return [bits >> 32 * word & 0xFFFFFFFF for word in range(COMMAND_WORDS)]


def encode_tap(entry: TapEntry) -> int:
    """The word of a tap table entry, with the fields of `layouts.TAP_FIELDS`.

    >>> hex(encode_tap(TapEntry(5, -1, 1, beyond_right=True)))
    '0x190005'
    """
    shifts = {"lane_shift": SHIFTS.index(entry.lane_shift), "pe_shift": SHIFTS.index(entry.pe_shift)}
    return pack(TAP_FIELDS, vars(entry) | shifts)


def encode_table(values: Sequence[int]) -> list[int]:
    """The words of an activation table.

    >>> [hex(word) for word in encode_table(range(-128, 128))[::32]]
    ['0x83828180', '0x3020100']

    Args:
        values: int8 [TABLE_VALUES], what becomes of -128 to 127.
    """
    return [int(word) for word in np.array(values, np.int8).view("<u4")]


def decode_table(words: NDArray[np.uint32]) -> tuple[int, ...]:
    """The values of an activation table. Undoes `encode_table`.

    Args:
        words: uint32 [TABLE_WORDS].
    """
    return tuple(np.ascontiguousarray(words, "<u4").view(np.int8).tolist())


def encode_record(record: RowRecord) -> tuple[int, int]:
    """The two words of a row record, with the fields of `layouts.RECORD_FIELDS`.

    >>> [hex(word) for word in encode_record(RowRecord(row=3, offset=-1, shift=2, write=True, last=False))]
    ['0x220003', '0xffffffff']
    """
    bits = pack(RECORD_FIELDS, vars(record))
    return bits & 0xFFFFFFFF, bits >> 32


def encode_instruction(
    instruction: Instruction,
    config: ArrayConfig,
    place: Callable[[NDArray[np.uint32]], int],
    *,
    pieces: bool = True,
) -> list[int]:
    """The words of an instruction: its command, and what follows a RUN, a TABLE, or a LOAD or STORE of an external memory.

    Args:
        place: says at which word address a weight stream or an array of row records lies.
        pieces: whether the pieces of the external memory follow, too.

    Raises:
        CommandError: the command does not fit the array.
        ConfigError: the array cannot decode a weight stream.
    """
    command = instruction.command
    check_command(command, config)
    check_waits(instruction.waits, config)
    words = encode_fields(command_fields(command, config) | ({"waits": 1} if instruction.waits else {}))
    if isinstance(command, LoadCommand | StoreCommand) and command.pieces and pieces:
        words += [len(command.pieces), *(number for piece in command.pieces for number in piece)]
    if isinstance(command, TableCommand):
        words += encode_table(command.values)
    if not isinstance(command, RunCommand):
        return words
    if len(instruction.taps) != command.tap_entries or len(instruction.feeders) != config.pes // command.row_groups:
        raise CommandError(
            f"a RUN needs {command.tap_entries} tap entries and {config.pes // command.row_groups} streams, "
            f"not {len(instruction.taps)} and {len(instruction.feeders)}"
        )
    for feeder in instruction.feeders:
        check_stream(feeder.words, config)
    used = {stream * command.row_groups: feeder for stream, feeder in enumerate(instruction.feeders)}
    for pe in config.feeders:
        if pe in used:
            stream, records = used[pe].words, used[pe].record_words
            words += [place(stream), len(stream), place(records), len(records) // RECORD_WORDS]
        else:
            words += [0] * FEEDER_WORDS
    return words + [encode_tap(entry) for entry in instruction.taps]


def moved_bytes(instructions: Sequence[Instruction], config: ArrayConfig) -> tuple[int, int]:
    """Bytes that the LOAD commands of a program take from the host, and bytes that its STORE commands give to the host."""
    loaded = stored = 0
    for one in instructions:
        match one.command:
            case LoadCommand(words=words, pieces=()):
                loaded += words * config.lanes
            case StoreCommand(words=words, pieces=()):
                stored += words * config.lanes
    return loaded, stored


def assemble(instructions: Sequence[Instruction], config: ArrayConfig) -> NDArray[np.uint32]:
    """The words of an image. Streams that are equal are stored once.

    Raises:
        CommandError: a command does not fit the array.
        ConfigError: the array cannot decode a weight stream.
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

    for instruction in instructions:
        program += encode_instruction(instruction, config, keep)
    program += encode_fields({"op": CommandOp.END})
    total = address + len(program) + 1
    header = [MAGIC, VERSION, config.fingerprint, total, address, len(instructions), *moved_bytes(instructions, config)]
    words = np.concatenate([np.array(header, np.uint32), *data, np.array(program, np.uint32)])
    return np.concatenate([words, np.array([crc32(words.astype("<u4").tobytes())], np.uint32)])


def check_image(words: NDArray[np.uint32], config: ArrayConfig) -> None:
    """Check what the gateware checks before it runs an image, in the same order.

    Raises:
        ImageError: a rule is broken. The message says which.
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


def stored_words(words: NDArray[np.uint32], config: ArrayConfig) -> Iterator[int]:
    """How many feature words each command of a checked image gives to the host: 0 for every command but STORE."""
    at = int(words[4])
    for _ in range(int(words[5])):
        fields = decode_fields(words[at : at + COMMAND_WORDS])
        at += COMMAND_WORDS
        if fields["op"] == CommandOp.RUN:
            at += FEEDER_WORDS * len(config.feeders) + fields["table_entries"]
        if fields["op"] == CommandOp.TABLE:
            at += TABLE_WORDS
        if fields["external"]:
            at += 1 + PIECE_WORDS * int(words[at])
        yield fields["words"] if fields["op"] == CommandOp.STORE and not fields["external"] else 0


def decode_fields(words: NDArray[np.uint32]) -> dict[str, int]:
    """The fields of a command. Undoes `encode_fields`.

    Args:
        words: uint32 [COMMAND_WORDS].
    """
    bits = sum(int(word) << 32 * index for index, word in enumerate(words))
    fields = unpack(COMMAND_FIELDS, bits)
    for name in ("pad", "low", "high", "fill"):
        fields[name] -= 256 * (fields[name] > 127)
    return fields
