"""Runs instructions without a clock, from nothing but commands, tap tables, records and encoded words.

It is to the compiler what the golden model is to the gateware: whatever layout, balance, tap table or encoding get
wrong shows here, before any hardware is simulated.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.program import LayerProgram
from openwork.image import Image
from openwork_hw.arch import encodings
from openwork_hw.arch.arithmetic import ACTIVATION_MIN, requantize_folded, wrap
from openwork_hw.arch.commands import (
    LoadCommand,
    MoveCommand,
    Operation,
    RunCommand,
    StoreCommand,
    TapEntry,
    check_command,
)
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import Instruction, disassemble
from openwork_hw.arch.nonzeros import Encoding


def run_program(program: LayerProgram, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """A single layer's output, int8 [rows, height, width], for inputs int8 [channels, height, width]."""
    loads = program.loads(inputs)
    instructions = [
        *(Instruction(command) for command, _ in loads),
        *(step.instruction for step in program.passes),
        *(Instruction(store) for store in program.stores),
    ]
    loaded = np.concatenate([words.reshape(-1) for _, words in loads])
    stored = run_instructions(instructions, program.config, program.encoding, loaded)
    counts = np.cumsum([store.words for store in program.stores])[:-1]
    return program.outputs(np.split(stored.reshape(-1, program.config.lanes), counts))


def run_image(image: Image, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """What an image makes of one input int8 [channels, height, width]: the bytes of its STORE commands (`Image.outputs`).

    Raises:
        ImageError: the words are not an image for this array.
        StreamError: a weight stream is malformed.
    """
    instructions = disassemble(image.words, image.config)
    return run_instructions(instructions, image.config, image.encoding, image.load_bytes(inputs))


def run_instructions(
    instructions: Iterable[Instruction], config: ArrayConfig, encoding: Encoding, loaded: NDArray[np.int8]
) -> NDArray[np.int8]:
    """What the STORE commands of a program give back, int8.

    Args:
        loaded: int8, the bytes for its LOAD commands.
    """
    features = np.zeros((config.pes, config.feature_words, config.lanes), dtype=np.int8)
    to_load = loaded.reshape(-1, config.lanes)
    stored = []
    for instruction in instructions:
        command = instruction.command
        check_command(command, config)
        match command:
            case LoadCommand():
                words, to_load = to_load[: command.words], to_load[command.words :]
                features[command.group :: command.row_groups, command.address : command.address + command.words] = words
            case StoreCommand():
                stored.append(features[command.pe, command.address : command.address + command.words].copy())
            case MoveCommand():
                for word in range(command.words):
                    for lane in range(command.lanes):
                        target = command.target + word * command.word_step + lane * command.lane_step
                        features[:, target] = features[command.pe, command.address + word, command.first_lane + lane]
            case RunCommand():
                features = run_pass(instruction, config, encoding, features)
    return np.concatenate(stored).reshape(-1)


def run_pass(
    instruction: Instruction, config: ArrayConfig, encoding: Encoding, features: NDArray[np.int8]
) -> NDArray[np.int8]:
    """The feature memories, int8 [pes, feature_words, lanes], after a RUN."""
    run = instruction.command
    assert isinstance(run, RunCommand)
    check_command(run, config)
    if len(instruction.taps) != run.tap_entries:
        raise ValueError(f"the pass needs {run.tap_entries} tap entries, and has {len(instruction.taps)}")
    streams = config.pes // run.row_groups
    shared = streams <= config.replicas
    written: list[tuple[int, NDArray[np.int64], NDArray[np.int8]]] = []
    for stream, feeder in enumerate(instruction.feeders):
        records = feeder.records
        rows = encodings.decode(encoding, feeder.words, run.layout, [record.row for record in records])
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
            entry = instruction.taps[pixel << run.tap_bits]
            if run.operation is not Operation.POOL:
                activations[:, run.full_groups + (not entry.beyond_bottom) :] = run.fill
                activations[:, :, run.full_lanes + (not entry.beyond_right) :] = run.fill
            written.append((stream, run.output_base + pixel * run.output_stride + targets, activations[keep]))
    result = features.copy()
    for stream, addresses, values in written:
        for other in range(streams) if shared else (stream,):
            pes = result[other * run.row_groups : (other + 1) * run.row_groups]
            if run.operation is Operation.POOL:
                pes[-1, addresses, -1] = values[:, -1, -1]
            else:
                pes[:, addresses] = values.transpose(1, 0, 2)
    return result


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
