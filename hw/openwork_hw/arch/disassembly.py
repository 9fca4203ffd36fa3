"""The disassembler reads the program of an image, and refuses every program that breaks a rule.

Files, hosts and the simulator call the disassembler before they use an image. The gateware itself checks only the header
and the check sum of an image, and it ends every run. What a wrong program does before that end is undefined, so a program
that is refused here must never reach an array.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.commands import (
    Command,
    CommandError,
    LoadCommand,
    MoveCommand,
    Operation,
    Piece,
    RunCommand,
    StoreCommand,
    TableCommand,
    TapEntry,
    check_command,
    check_tables,
)
from openwork_hw.arch.config import ArrayConfig, ConfigError
from openwork_hw.arch.image import (
    COMMAND_WORDS,
    FEEDER_WORDS,
    HEADER_WORDS,
    PIECE_WORDS,
    RECORD_WORDS,
    TABLE_WORDS,
    CommandOp,
    FeederInput,
    ImageError,
    Instruction,
    check_image,
    check_stream,
    check_waits,
    command_fields,
    decode_fields,
    decode_table,
    encode_fields,
    moved_bytes,
)
from openwork_hw.arch.layouts import RECORD_FIELDS, SHIFTS, TAP_FIELDS, size, unpack
from openwork_hw.arch.nonzeros import MAX_ROWS, ColumnLayout, RowRecord


def disassemble(words: NDArray[np.uint32], config: ArrayConfig) -> tuple[Instruction, ...]:
    """The instructions of an image, each verified. Undoes `arch.image.assemble`.

    Raises:
        ImageError: the words are not an image for this array, or a command breaks a rule. The message names both.
    """
    check_image(words, config)
    program = int(words[4])
    if not HEADER_WORDS <= program <= len(words) - 1 - COMMAND_WORDS:
        raise ImageError(f"the program of the image is said to begin at word {program} of {len(words)}")

    def data(address: int, count: int, what: str) -> NDArray[np.uint32]:
        if address < HEADER_WORDS or address + count > program:
            raise ImageError(
                f"{what} are said to be words {address} to {address + count - 1}, and streams and records lie in words "
                f"{HEADER_WORDS} to {program - 1}"
            )
        return words[address : address + count]

    reader = InstructionReader(words[program:-1], config, data)
    instructions = [reader.instruction(number) for number in range(int(words[5]))]
    if not reader.ends():
        raise ImageError(f"the program of the image does not end with its {len(instructions)} commands")
    check_totals(instructions, config, (int(words[6]), int(words[7])))
    check_maps(instructions)
    check_table_order(instructions)
    return tuple(instructions)


def check_table_order(instructions: Sequence[Instruction]) -> None:
    """Refuse a program whose outputs go through an activation table before it has brought one.

    Raises:
        ImageError: with the number of the command.
    """
    there = False
    for number, one in enumerate(instructions):
        there = there or isinstance(one.command, TableCommand)
        if isinstance(one.command, RunCommand) and one.command.tabled and not there:
            raise ImageError(
                f"outputs of command {number} of the image go through an activation table, and no command before it brings one"
            )


def check_maps(instructions: Sequence[Instruction]) -> None:
    """Refuse a program that loads from the external memory what none of its commands before has stored there.

    Raises:
        ImageError: with the number of the command.
    """
    moves = [
        (number, one.command)
        for number, one in enumerate(instructions)
        if isinstance(one.command, LoadCommand | StoreCommand) and one.command.pieces
    ]
    size = max((piece.address + piece.bytes for _, command in moves for piece in command.pieces), default=0)
    written = np.zeros(size, bool)
    for number, command in moves:
        for address, count in command.pieces:
            if isinstance(command, StoreCommand):
                written[address : address + count] = True
            elif not written[address : address + count].all():
                raise ImageError(
                    f"command {number} of the image loads from the external memory what nothing before it stores"
                )


def check_totals(instructions: Sequence[Instruction], config: ArrayConfig, said: tuple[int, int]) -> None:
    """Refuse a header that says other totals than the commands of the program have.

    Args:
        said: bytes that LOAD commands take and that STORE commands give, as the header says.

    Raises:
        ImageError: the header is wrong.
    """
    for moved, told, what in zip(
        moved_bytes(instructions, config), said, ("LOAD commands take", "STORE commands give"), strict=True
    ):
        if moved != told:
            raise ImageError(f"the {what} {moved} bytes, and the image's header says {told}")


@dataclass
class InstructionReader:
    """Reads instructions from front to back, and verifies each of them.

    Attributes:
        words: uint32 [words], the instructions.
        config: the array that the program is for.
        data: gives the words at an address, so many of them, or refuses; the third argument names them in its message.
        at: index of the next word.
        pieces: gives the pieces of an external memory, so many bytes, that a LOAD or STORE is for; None if they follow the command.
    """

    words: NDArray[np.uint32]
    config: ArrayConfig
    data: Callable[[int, int, str], NDArray[np.uint32]]
    at: int = 0
    pieces: Callable[[int], tuple[Piece, ...]] | None = None

    def instruction(self, number: int) -> Instruction:
        """The next command, with its tap table and the inputs of its feeders. `number` names it in messages.

        Raises:
            ImageError: the command breaks a rule.
        """
        try:
            return self._instruction()
        except (ValueError, CommandError, ConfigError) as error:
            raise ImageError(f"command {number} of the image means nothing: {error}") from None

    def ends(self) -> bool:
        """Whether the rest is END and nothing else."""
        return self.words[self.at :].tolist() == encode_fields({"op": CommandOp.END})

    def _take(self, count: int) -> NDArray[np.uint32]:
        """The next words of the program."""
        if self.at + count > len(self.words):
            raise ImageError(f"it reaches word {self.at + count} of a program of {len(self.words)} words")
        self.at += count
        return self.words[self.at - count : self.at]

    def _pieces(self, size: int) -> tuple[Piece, ...]:
        if self.pieces is not None:
            return self.pieces(size)
        (count,) = self._take(1)
        words = self._take(PIECE_WORDS * int(count)).reshape(-1, PIECE_WORDS)
        if not count:
            raise ImageError("it is for the external memory, and names no piece of it")
        return tuple(Piece(*piece) for piece in words.tolist())

    def _instruction(self) -> Instruction:
        stands = self._take(COMMAND_WORDS)
        fields = decode_fields(stands)
        if fields["op"] == CommandOp.TABLE:
            check_tables(self.config)
            command: Command = TableCommand(decode_table(self._take(TABLE_WORDS)))
        else:
            command = _command(fields, self._pieces(fields["words"] * self.config.lanes) if fields["external"] else ())
        check_command(command, self.config)
        waits = bool(fields["waits"])
        check_waits(waits, self.config)
        if encode_fields(command_fields(command, self.config) | {"waits": waits}) != stands.tolist():
            raise ImageError("its fields contradict each other, or a bit is set that it has no use for")
        if not isinstance(command, RunCommand):
            return Instruction(command, waits=waits)
        if command.low > command.high:
            raise ImageError(f"outputs are to be from {command.low} to {command.high}")
        feeders: list[FeederInput] = []
        for pe in self.config.feeders:
            address, count, records_address, records_count = (int(word) for word in self._take(FEEDER_WORDS))
            if pe % command.row_groups == 0:
                records = self.data(records_address, RECORD_WORDS * records_count, "row records")
                feeders.append(
                    FeederInput(
                        self.data(address, count, "words of a weight stream"), _records(records, command, self.config)
                    )
                )
                if count == 0:
                    raise ImageError(f"the weight stream of PE {pe} has no words")
                check_stream(feeders[-1].words, self.config)
            elif (address, count, records_address, records_count) != (0, 0, 0, 0):
                raise ImageError(f"PE {pe} leads no group of {command.row_groups}, and is given a weight stream")
        _check_targets(feeders, command, self.config)
        taps = _taps(self._take(command.tap_entries), command, self.config)
        return Instruction(command, taps, tuple(feeders), waits)


def _command(fields: dict[str, int], pieces: tuple[Piece, ...]) -> Command:
    words, address = fields["words"], fields["address"]
    match fields["op"]:
        case CommandOp.LOAD:
            return LoadCommand(fields["row_groups"], fields["target"], address, words, pieces)
        case CommandOp.STORE:
            return StoreCommand(fields["pe"], address, words, pieces)
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
                bool(fields["tabled"]),
            )
    raise ValueError(f"there is no command {fields['op']}")


def _records(words: NDArray[np.uint32], command: RunCommand, config: ArrayConfig) -> tuple[RowRecord, ...]:
    """Verify the row records of one stream and decode them."""
    pairs = words.reshape(-1, RECORD_WORDS).astype(np.uint64)
    fields = unpack(RECORD_FIELDS, pairs[:, 0] | pairs[:, 1] << 32)
    rows, shifts, lasts = fields["row"], fields["shift"], fields["last"].astype(bool)
    offsets = fields["offset"].astype(np.uint32).view(np.int32)
    if not 1 <= len(rows) <= MAX_ROWS:
        raise ImageError(f"a weight stream has 1 to {MAX_ROWS} rows, not {len(rows)}")
    if fields["unused"].any():
        raise ImageError("a row record has a bit set that it has no use for")
    if lasts[:-1].any() or not lasts[-1]:
        raise ImageError("a row record other than the last one is marked as the last, or the last one is not")
    if shifts.max() > config.max_shift:
        raise ImageError(
            f"a row is shifted by {shifts.max()}, and sums of {config.sum_bits} bits by {config.max_shift} at most"
        )
    limit = 1 << config.sum_bits - 1
    if offsets.min() < -limit or offsets.max() >= limit:
        raise ImageError(f"a row's offset does not fit a sum of {config.sum_bits} bits")
    return tuple(
        RowRecord(*record)
        for record in zip(
            rows.tolist(),
            offsets.tolist(),
            shifts.tolist(),
            fields["write"].astype(bool).tolist(),
            lasts.tolist(),
            strict=True,
        )
    )


def _check_targets(feeders: list[FeederInput], command: RunCommand, config: ArrayConfig) -> None:
    """Refuse a pass that writes two outputs into the same word of a memory, or an output beyond a memory."""
    pixels = command.output_base + command.output_stride * np.arange(command.hold)
    targets = [
        np.add.outer(pixels, [record.row for record in feeder.records if record.write]).reshape(-1)
        for feeder in feeders
    ]
    if 1 < len(feeders) <= config.replicas:  # the outputs of every stream are copied to the PEs of all streams
        targets = [np.concatenate(targets)]
    for one in targets:
        if len(one) and one.max() >= config.feature_words:
            raise ImageError(
                f"outputs reach word {int(one.max())}, and the feature memory ends at {config.feature_words - 1}"
            )
        if len(np.unique(one)) != len(one):
            raise ImageError("two outputs of one pass are written to the same word")


def _taps(words: NDArray[np.uint32], command: RunCommand, config: ArrayConfig) -> tuple[TapEntry, ...]:
    """Verify the tap table of a pass and decode it."""
    fields = unpack(TAP_FIELDS, words.astype(np.uint64))
    addresses, lane, pe = fields["address"], fields["lane_shift"], fields["pe_shift"]
    if (words >> size(TAP_FIELDS)).any() or (lane == len(SHIFTS)).any() or (pe == len(SHIFTS)).any():
        raise ImageError("a tap table entry has a bit set that it has no use for")
    if addresses.max() >= config.feature_words:
        raise ImageError(
            f"a tap reads word {addresses.max()}, and the feature memory ends at {config.feature_words - 1}"
        )
    right, bottom = fields["beyond_right"], fields["beyond_bottom"]
    flags = (right << 1 | bottom).reshape(command.hold, -1)[:, : command.layout.taps]
    if (flags != flags[:, :1]).any():
        raise ImageError("the taps of one pixel disagree about whether it is beyond the map")
    return tuple(
        TapEntry(address, SHIFTS[lane_shift], SHIFTS[pe_shift], beyond_right, beyond_bottom)
        for address, lane_shift, pe_shift, beyond_right, beyond_bottom in zip(
            addresses.tolist(),
            lane.tolist(),
            pe.tolist(),
            right.astype(bool).tolist(),
            bottom.astype(bool).tolist(),
            strict=True,
        )
    )
