"""Runs instructions without a clock, from nothing but commands, tap tables, records and encoded words.

It is to the compiler what the golden model is to the gateware: whatever layout, balance, tap table or encoding get
wrong shows here, before any hardware is simulated. What an array would answer by chance, because a word is read before anybody
wrote it, in the pass that writes it, or while a map is moved into it, is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwork.faults import RunError, fault_sentence
from openwork.image import Image
from openwork_hw.arch import encodings
from openwork_hw.arch.arithmetic import ACTIVATION_MIN, requantize_folded, wrap
from openwork_hw.arch.commands import (
    LoadCommand,
    MoveCommand,
    Operation,
    RunCommand,
    StoreCommand,
    TableCommand,
    TapEntry,
    check_command,
)
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import ImageError, Instruction
from openwork_hw.arch.nonzeros import Encoding, SparseRows, StreamError, StreamErrorKind
from openwork_hw.arch.report import PassError


def run_image(image: Image, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """What an image makes of one input int8 [channels, height, width]: the bytes of its STORE commands (`Image.outputs`).

    Raises:
        ImageError: the words are not an image for this array, or read what nobody wrote.
        RunError: a weight stream is malformed; with the step, the PE and the row.
    """
    try:
        return run_instructions(image.instructions, image.config, image.encoding, image.load_bytes(inputs))
    except PassError as error:
        raise RunError(fault_sentence(image, error.command, error.report)) from None


def run_instructions(
    instructions: Sequence[Instruction],
    config: ArrayConfig,
    encoding: Encoding,
    loaded: NDArray[np.int8],
) -> NDArray[np.int8]:
    """What the STORE commands of a program give back, int8.

    Args:
        loaded: int8, the bytes for its LOAD commands.

    Raises:
        ImageError: a command reads words that nobody wrote, or that its own pass writes; or it writes words of a map that is moved
            beside it.
        PassError: a weight stream is malformed.
    """
    features = np.zeros((config.pes, config.feature_words, config.lanes), dtype=np.int8)
    memory = _Written(config)
    table: NDArray[np.int8] | None = None
    to_load = loaded.reshape(-1, config.lanes)
    maps = np.zeros(_map_bytes(instructions), np.int8)  # in the external memory
    stored = []
    for number, instruction in enumerate(instructions):
        command = instruction.command
        check_command(command, config)
        memory.command = number
        if instruction.waits_for_maps:
            memory.settle()
        match command:
            case LoadCommand():
                if command.pieces:
                    content = [maps[piece.address : piece.address + piece.bytes] for piece in command.pieces]
                    words = np.concatenate(content).reshape(-1, config.lanes)
                else:
                    words, to_load = to_load[: command.words], to_load[command.words :]
                features[command.group :: command.row_groups, command.address : command.address + command.words] = words
                memory.load(command)
            case StoreCommand():
                memory.give(command, _Written.LAST_LANE)
                words = features[command.pe, command.address : command.address + command.words].copy()
                if not command.pieces:
                    stored.append(words)
                given = words.reshape(-1)
                for piece in command.pieces:
                    maps[piece.address : piece.address + piece.bytes], given = (
                        given[: piece.bytes],
                        given[piece.bytes :],
                    )
            case MoveCommand():
                memory.move(command)
                for word in range(command.words):
                    for lane in range(command.lanes):
                        target = command.target + word * command.word_step + lane * command.lane_step
                        features[:, target] = features[command.pe, command.address + word, command.first_lane + lane]
            case TableCommand():
                table = np.array(command.values, np.int8)
            case RunCommand():
                if command.tabled and table is None:
                    raise ImageError(f"command {number} of the image uses an activation table, and there is none")
                try:
                    features = run_pass(instruction, config, encoding, features, memory, table)
                except PassError as error:
                    error.command = number
                    raise
    return np.concatenate(stored).reshape(-1)


def _map_bytes(instructions: Sequence[Instruction]) -> int:
    """Bytes of the external memory that a program uses for maps."""
    pieces = [piece for one in instructions for piece in getattr(one.command, "pieces", ())]
    return max((piece.address + piece.bytes for piece in pieces), default=0)


def run_pass(
    instruction: Instruction,
    config: ArrayConfig,
    encoding: Encoding,
    features: NDArray[np.int8],
    memory: "_Written | None" = None,
    table: NDArray[np.int8] | None = None,
) -> NDArray[np.int8]:
    """The feature memories, int8 [pes, feature_words, lanes], after a RUN.

    Args:
        memory: what they hold that means something; is told what this pass writes. None where it does not matter.
        table: int8 [256], the activation table, for a pass that is `tabled`.

    Raises:
        PassError: a weight stream is malformed.
    """
    memory = memory or _Written(config)
    run = instruction.command
    assert isinstance(run, RunCommand)
    check_command(run, config)
    if len(instruction.taps) != run.tap_entries:
        raise ValueError(f"the pass needs {run.tap_entries} tap entries, and has {len(instruction.taps)}")
    streams = config.pes // run.row_groups
    shared = streams <= config.replicas
    written: list[_Outputs] = []
    for stream, feeder in enumerate(instruction.feeders):
        records = feeder.records
        try:
            rows = encodings.decode(encoding, feeder.words, run.layout, [record.row for record in records])
            too_long = rows.lengths > config.row_buffer_nonzeros
            if run.hold > 1 and too_long.any():
                raise StreamError(StreamErrorKind.ROW_TOO_LONG, int(np.argmax(too_long)))
        except StreamError as error:
            raise PassError(error, stream * run.row_groups) from None
        known = memory.run(stream, run, instruction.taps, rows)
        offsets = np.array([record.offset for record in records], dtype=np.int64)[:, None]
        shifts = np.array([record.shift for record in records], dtype=np.int64)[:, None]
        keep = np.array([record.write for record in records])
        targets = np.array([record.row for record in records], dtype=np.int64)[keep]
        own = features[stream * run.row_groups : (stream + 1) * run.row_groups]
        owners = np.repeat(np.arange(len(records)), rows.lengths)
        for pixel, operands in enumerate(_operands(run, instruction.taps, own)):
            if run.operation is Operation.MAX:
                real = rows.values != 0
                products = operands[rows.columns[real]].astype(np.int64) * rows.values[real].astype(np.int64)[:, None]
                sums = np.full((len(records), products.shape[1]), ACTIVATION_MIN, dtype=np.int64)
                np.maximum.at(sums, owners[real], products)
            else:
                sums = _sums(rows.values, rows.columns, owners, len(records), operands)
            sums = sums.reshape(len(records), run.row_groups, config.lanes)
            if run.operation is Operation.POOL:
                sums = np.broadcast_to(sums.sum(axis=(1, 2), keepdims=True), sums.shape)
            total = wrap(sums.reshape(len(records), -1) + offsets, config.sum_bits)
            outputs = requantize_folded(total, np.zeros_like(offsets), shifts, run.low, run.high)
            activations = outputs.reshape(sums.shape).astype(np.int8)
            if run.tabled:
                assert table is not None
                activations = table[activations.astype(np.int64) - ACTIVATION_MIN]
            entry = instruction.taps[pixel << run.tap_bits]
            if run.operation is not Operation.POOL:
                activations[:, run.full_groups + (not entry.beyond_bottom) :] = run.fill
                activations[:, :, run.full_lanes + (not entry.beyond_right) :] = run.fill
            addresses = run.output_base + pixel * run.output_stride + targets
            written.append(_Outputs(stream, addresses, activations[keep], known[pixel][keep]))
    memory.finish(run, written, shared)
    result = features.copy()
    for one in written:
        for stream in range(streams) if shared else (one.stream,):
            pes = result[stream * run.row_groups : (stream + 1) * run.row_groups]
            if run.operation is Operation.POOL:
                pes[-1, one.addresses, -1] = one.values[:, -1, -1]
            else:
                pes[:, one.addresses] = one.values.transpose(1, 0, 2)
    return result


class _Written:
    """How much of each feature word means something, as far as a program has been carried out.

    Attributes:
        command: the one that is carried out, for messages.
    """

    command = 0

    NOTHING, LAST_LANE, ALL_LANES = range(3)
    """What nobody wrote means nothing. Of a pooled sum, and of what is computed from it, the last lane alone means something."""

    def __init__(self, config: ArrayConfig) -> None:
        self._config = config
        self._known = np.full((config.pes, config.feature_words), self.NOTHING, np.int8)
        self._reads: list[tuple[int, NDArray[np.int64]]] = []  # stream and words, of the pass so far
        # Words of maps that are moved beside commands, until one of these waits; and those of them that are loaded.
        self._moved = np.zeros_like(self._known, bool)
        self._coming = np.zeros_like(self._known, bool)

    def settle(self) -> None:
        """A command has waited until all maps are moved."""
        self._known[self._coming] = self.ALL_LANES
        self._moved[:] = self._coming[:] = False

    def load(self, load: LoadCommand) -> None:
        """A LOAD writes whole words; one of an external memory writes them some time before the next command that waits."""
        place = slice(load.group, None, load.row_groups), _words(load)
        if load.pieces:
            self._known[place] = self.NOTHING
            self._moved[place] = self._coming[place] = True
            return
        self._stay_clear(self._moved[place])
        self._known[place] = self.ALL_LANES

    def _stay_clear(self, moved: NDArray[np.bool_]) -> None:
        """A command writes some words, of which these are part of maps that are moved.

        Raises:
            ImageError: there is one.
        """
        if moved.any():
            raise ImageError(
                f"command {self.command} of the image writes words of a map that is moved beside it, and does not wait"
            )

    def give(self, command: StoreCommand | MoveCommand, least: int) -> None:
        """Words leave their PE. Maps are moved one after the other: what one of them brings, the next can take.

        Raises:
            ImageError: less of them means something.
        """
        place = command.pe, _words(command)
        moves = isinstance(command, StoreCommand) and bool(command.pieces)
        if ((self._known[place] < least) & ~(self._coming[place] & moves)).any():
            raise ImageError(f"command {self.command} of the image reads what nothing before it writes")
        if moves:
            self._moved[place] = True

    def move(self, move: MoveCommand) -> None:
        """A MOVE reads its words, one after the other, and writes all PEs."""
        self.give(move, self.LAST_LANE if move.first_lane == self._config.lanes - 1 else self.ALL_LANES)
        words, lanes = np.arange(move.words), np.arange(move.lanes)
        targets = np.add.outer(move.target + move.word_step * words, move.lane_step * lanes)
        if len(np.unique(targets)) != targets.size:
            raise ImageError(f"command {self.command} of the image moves two bytes to the same word")
        # A word that has been read may be written: a vector is spread over all PEs in its own place.
        if ((targets > move.address + words[:, None]) & (targets < move.address + move.words)).any():
            raise ImageError(f"command {self.command} of the image writes words that it reads later")
        self._known[:, targets] = self.ALL_LANES

    def run(self, stream: int, run: RunCommand, taps: tuple[TapEntry, ...], rows: SparseRows) -> NDArray[np.int8]:
        """How much of the outputs of a stream means something, int8 [pixels, rows, PEs of the group].

        Raises:
            ImageError: a nonzero reads a word that there is not, or has a weight that its operation has no use for.
        """
        groups = run.row_groups
        real = rows.values != 0
        if run.operation is Operation.MAX and (rows.values[real] != 1).any():
            raise ImageError(f"command {self.command} of the image takes a maximum of products by other weights than 1")
        columns, places = np.unique(rows.columns, return_inverse=True)
        tap, channel = columns >> run.layout.channel_bits, columns & (1 << run.layout.channel_bits) - 1
        table = np.array([(one.address, one.lane_shift, one.pe_shift) for one in taps], dtype=np.int64)
        table = table.reshape(run.hold, -1, 3)[:, tap]
        words = table[:, :, 0] + channel
        used = np.unique(places[real])
        # A pixel of which no lane is part of the map becomes the fill value, whatever it reads.
        first = taps[:: 1 << run.tap_bits]
        inside = [
            pixel
            for pixel, one in enumerate(first)
            if run.operation is Operation.POOL
            or min(run.full_lanes + (not one.beyond_right), run.full_groups + (not one.beyond_bottom)) > 0
        ]
        read = np.unique(words[inside][:, used])
        if len(read) and read[-1] >= self._config.feature_words:
            raise ImageError(
                f"command {self.command} of the image reads word {read[-1]}, and the feature memory ends at "
                f"{self._config.feature_words - 1}"
            )
        self._reads.append((stream, read))
        own = self._known[stream * groups : (stream + 1) * groups]
        outputs = np.full((run.hold, len(rows.rows), groups), self.ALL_LANES, np.int8)
        if (own[:, read] == self.ALL_LANES).all():
            return outputs
        # Beyond the group's first and last PE there is the pad value.
        bordered = np.full((groups + 2, self._config.feature_words), self.ALL_LANES, np.int8)
        bordered[1:-1] = own
        owners = np.repeat(np.arange(len(rows.rows)), rows.lengths)
        for pixel in inside:
            neighbours = np.add.outer(np.arange(1, groups + 1), table[pixel, used, 2])
            known = np.full((groups, len(columns)), self.ALL_LANES, np.int8)
            found = bordered[neighbours, words[pixel, used]]
            known[:, used] = np.where((found == self.LAST_LANE) & (table[pixel, used, 1] != 0), self.NOTHING, found)
            np.minimum.at(outputs[pixel], owners[real], known.T[places[real]])
            if run.operation is not Operation.POOL:
                outputs[pixel, :, run.full_groups + (not first[pixel].beyond_bottom) :] = self.ALL_LANES
        return outputs

    def finish(self, run: RunCommand, written: Sequence["_Outputs"], shared: bool) -> None:
        """All outputs of a pass are written."""
        reads, self._reads = self._reads, []
        groups, streams = run.row_groups, self._config.pes // run.row_groups
        for one in written:
            if any((shared or one.stream == reader) and np.isin(one.addresses, words).any() for reader, words in reads):
                raise ImageError(f"command {self.command} of the image writes words that it reads")
            for stream in range(streams) if shared else (one.stream,):
                pes = slice(stream * groups, (stream + 1) * groups)
                known, moved = self._known[pes], self._moved[pes, one.addresses]
                self._stay_clear(moved[-1:] if run.operation is Operation.POOL else moved)
                if run.operation is Operation.POOL:
                    all_known = (one.known == self.ALL_LANES).all(axis=1)
                    known[-1, one.addresses] = np.where(all_known, self.LAST_LANE, self.NOTHING)
                else:
                    known[:, one.addresses] = one.known.T


@dataclass(frozen=True, eq=False)
class _Outputs:
    """What one stream writes for one local pixel.

    Attributes:
        stream: its number.
        addresses: int64 [rows], words.
        values: int8 [rows, PEs of the group, lanes].
        known: int8 [rows, PEs of the group], how much of each means something.
    """

    stream: int
    addresses: NDArray[np.int64]
    values: NDArray[np.int8]
    known: NDArray[np.int8]


def _words(command: LoadCommand | StoreCommand | MoveCommand) -> slice:
    """The words that a command names by the first one and their number."""
    return slice(command.address, command.address + command.words)


def _sums(
    values: NDArray[np.int8],
    columns: NDArray[np.int64],
    owners: NDArray[np.int64],
    rows: int,
    operands: NDArray[np.int8],
) -> NDArray[np.int64]:
    """Sums of each row, int64 [rows, places], over operands int8 [columns, places]: in floating point, where they are exact."""
    matrix = np.zeros((rows, len(operands)))
    np.add.at(matrix, (owners, columns), values)
    result: NDArray[np.int64] = (matrix @ operands.astype(np.float64)).astype(np.int64)
    return result


def _operands(run: RunCommand, taps: tuple[TapEntry, ...], features: NDArray[np.int8]) -> Iterator[NDArray[np.int8]]:
    """For each pixel, what each column of the matrix reads, int8 [columns, row groups x lanes].

    Args:
        features: int8 [row groups, feature words, lanes], the memories of the PEs of one stream.
    """
    groups, _, lanes = features.shape
    channels = run.layout.channels
    for pixel in range(run.hold):
        entries = taps[pixel << run.tap_bits : (pixel << run.tap_bits) + run.layout.taps]
        operands = np.zeros((run.layout.taps, 1 << run.layout.channel_bits, groups, lanes), dtype=np.int8)
        for tap, entry in enumerate(entries):
            bordered = np.full((groups + 2, channels, lanes + 2), run.pad, dtype=np.int8)
            words = features[:, entry.address : entry.address + channels]
            bordered[1:-1, : words.shape[1], 1:-1] = words
            group, lane = 1 + entry.pe_shift, 1 + entry.lane_shift
            operands[tap, :channels] = bordered[group : group + groups, :, lane : lane + lanes].transpose(1, 0, 2)
        yield operands.reshape(-1, groups * lanes)
