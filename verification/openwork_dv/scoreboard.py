"""Compares what the array did with what the contract and the golden model say; every complaint is a sentence."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from openwork.difference import first_difference
from openwork.faults import command_place
from openwork.golden import trace_network
from openwork.image import Image
from openwork.simulator.image import run_pass
from openwork_dv.jobs import JobResult, StepResult
from openwork_dv.transactions import answer, feature_words
from openwork_hw.arch import encodings
from openwork_hw.arch.commands import Operation, RunCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import FeederInput, Instruction
from openwork_hw.arch.nonzeros import Encoding, SparseRows, StreamError, StreamErrorKind


def tensor_complaints(
    image: Image, inputs: NDArray[np.int8], stored: Sequence[NDArray[np.int8]], *, first: int = 0
) -> list[str]:
    """For each input that goes wrong, where a stored tensor first differs from the golden model's.

    Args:
        inputs: int8 [batch, channels, height, width].
        stored: for each input int8 [bytes], what the STORE commands gave.
        first: number of the first input, for the complaints.
    """
    expected = trace_network(image.network, inputs)
    names = {name for name, _ in image.stored}
    in_order = [tensor.name for tensor in image.network.tensors if tensor.name in names]
    size = sum(words for _, words in image.stored) * image.config.lanes
    found = []
    for number, one in enumerate(stored):
        if one.size != size:
            found.append(f"input {first + number}: {one.size} bytes were stored, and should be {size}")
            continue
        golden = {name: expected[name][number] for name in in_order}
        difference = first_difference(first + number, in_order, golden, image.tensors(one))
        if difference is not None:
            found.append(f"{difference}; {difference.count} values of this layer differ")
    return found


def image_complaints(image: Image, inputs: NDArray[np.int8], result: JobResult, *, exact_cycles: bool) -> list[str]:
    """What is wrong with an image that ran as `transactions.image_steps` says.

    Args:
        inputs: int8 [channels, height, width].
        exact_cycles: nothing stalled, so each command takes as many cycles as predicted.
    """
    complaints = [*result.problems, *step_complaints(image.config, result.steps)]
    if len(result.steps) != len(image.commands):
        return [*complaints, f"{command_place(image, len(result.steps) - 1)} hung"]
    if complaints:
        return complaints
    for number, (step, command) in enumerate(zip(result.steps, image.commands, strict=True)):
        cycles = answer(image.config, step).cycles
        if exact_cycles and cycles != command.predicted_cycles:
            complaints.append(
                f"{command_place(image, number)}: {cycles} cycles, and predicted are {command.predicted_cycles}"
            )
    return [*complaints, *tensor_complaints(image, inputs[None], [stored_bytes(image, result)])]


def stored_bytes(image: Image, result: JobResult) -> NDArray[np.int8]:
    """What the STORE commands of an image brought back, int8 [bytes]."""
    stores = [
        feature_words(image.config, step.outputs).reshape(-1)
        for instruction, step in zip(image.instructions, result.steps, strict=True)
        if isinstance(instruction.command, StoreCommand)
    ]
    return np.concatenate(stores)


def step_complaints(config: ArrayConfig, steps: Sequence[StepResult]) -> list[str]:
    """Faults, hangs and leftovers of steps that should have none."""
    complaints = []
    for number, step in enumerate(steps):
        if step.report is None:
            complaints.append(f"step {number} hung, and left {dict(step.left)}")
            continue
        if step.left:
            complaints.append(f"step {number} was reported before it took {dict(step.left)}")
        found = answer(config, step)
        if found.kind != StreamErrorKind.NONE:
            complaints.append(f"step {number}: {found}")
    return complaints


def decode_stream(feeder: FeederInput, run: RunCommand) -> SparseRows:
    """What a stream means, whatever encoding its header names.

    Raises:
        StreamError: nothing legal.
    """
    header = int(feeder.words[0]) >> 28
    if header not in list(Encoding):
        raise StreamError(StreamErrorKind.HEADER, 0)
    return encodings.decode(Encoding(header), feeder.words, run.layout, [record.row for record in feeder.records])


def expected_features(step: Instruction, config: ArrayConfig, features: NDArray[np.int8]) -> NDArray[np.int8]:
    """The feature memories, int8 [pes, feature_words, lanes], after a RUN of any legal streams.

    Raises:
        StreamError: a stream is malformed, or a row too long to be replayed.
    """
    run = step.command
    assert isinstance(run, RunCommand)
    feeders = []
    for feeder in step.feeders:
        rows = decode_stream(feeder, run)
        long = np.flatnonzero(rows.lengths > config.row_buffer_nonzeros)
        if len(long) and run.hold > 1:
            raise StreamError(StreamErrorKind.ROW_TOO_LONG, int(long[0]))
        feeders.append(replace(feeder, words=encodings.encode(Encoding.CSR, rows, run.layout)))
    return run_pass(replace(step, feeders=tuple(feeders)), config, Encoding.CSR, features)


def output_addresses(step: Instruction) -> NDArray[np.int64]:
    """Word addresses that a RUN may write, in any PE."""
    run = step.command
    assert isinstance(run, RunCommand)
    rows = np.array([record.row for feeder in step.feeders for record in feeder.records], dtype=np.int64)
    pixels = run.output_base + run.output_stride * np.arange(run.hold, dtype=np.int64)
    return np.unique(pixels[:, None] + rows)


def meant(step: Instruction, config: ArrayConfig) -> NDArray[np.bool_]:
    """Which bytes mean something after a RUN, bool [pes, feature_words, lanes]: all but those beside a pooled sum."""
    run = step.command
    assert isinstance(run, RunCommand)
    result = np.ones((config.pes, config.feature_words, config.lanes), dtype=bool)
    if run.operation is Operation.POOL:
        for last in range(run.row_groups - 1, config.pes, run.row_groups):
            result[last, output_addresses(step), :-1] = False
    return result
