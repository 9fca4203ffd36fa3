"""Compares what the array did with what the contract and the golden model say; every complaint is a sentence."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.program import Pass
from openwork.difference import first_difference
from openwork.golden import run_layer
from openwork.simulator.image import run_pass
from openwork_dv.jobs import JobResult, StepResult
from openwork_dv.stimulus import Case
from openwork_dv.transactions import answer, feature_words
from openwork_hw.arch import encodings
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding, SparseRows, StreamError, StreamErrorKind


def layer_difference(name: str, expected: NDArray[np.int8], found: NDArray[np.int8]) -> str | None:
    """Where two int8 [rows, height, width] differ first, or None."""
    if expected.shape != found.shape:
        return f"layer {name!r}: outputs are {list(found.shape)}, and should be {list(expected.shape)}"
    first = first_difference(0, [name], {name: expected}, {name: found})
    if first is None:
        return None
    should, is_ = first.values
    return f"{first.where}: {is_}, and should be {should}; {first.count} of {expected.size} outputs differ"


def layer_complaints(case: Case, result: JobResult, exact_cycles: bool) -> list[str]:
    """What is wrong with a layer that ran as `transactions.layer_steps` says.

    Args:
        exact_cycles: nothing stalled, so each pass takes as many cycles as predicted.
    """
    complaints = [*result.problems, *step_complaints(case.program.config, result.steps)]
    program = case.program
    loads, passes = program.layout.row_groups, len(program.passes)
    if len(result.steps) != loads + passes + len(program.stores):
        return [*complaints, f"layer {case.layer.name!r}: step {len(result.steps)} hung"]
    if complaints:
        return complaints
    for number, step in enumerate(result.steps[loads : loads + passes]):
        cycles, predicted = answer(program.config, step).cycles, program.passes[number].predicted_cycles
        if exact_cycles and cycles != predicted:
            complaints.append(
                f"layer {case.layer.name!r}, pass {number}: {cycles} cycles, and predicted are {predicted}"
            )
    stores = result.steps[loads + passes :]
    if [len(step.outputs) for step in stores] != [store.words * program.config.lanes for store in program.stores]:
        return [*complaints, f"layer {case.layer.name!r}: stores gave {[len(step.outputs) for step in stores]} bytes"]
    difference = layer_difference(case.layer.name, run_layer(case.layer, case.inputs), layer_outputs(case, result))
    return complaints if difference is None else [*complaints, difference]


def layer_outputs(case: Case, result: JobResult) -> NDArray[np.int8]:
    """What a layer's stores brought back, int8 [rows, height, width]."""
    program = case.program
    stores = result.steps[program.layout.row_groups + len(program.passes) :]
    return program.outputs([feature_words(program.config, step.outputs) for step in stores])


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
            complaints.append(f"step {number}: {found.kind.name} error of PE {found.pe} after {found.position} rows")
    return complaints


def decode_stream(words: NDArray[np.uint32], step: Pass, stream: int) -> SparseRows:
    """What a stream means, whatever encoding its header names.

    Raises:
        StreamError: nothing legal.
    """
    header = int(words[0]) >> 28
    if header not in list(Encoding):
        raise StreamError(StreamErrorKind.HEADER, 0)
    rows = [record.row for record in step.records[stream]]
    return encodings.decode(Encoding(header), words, step.run.layout, rows)


def expected_features(step: Pass, config: ArrayConfig, features: NDArray[np.int8]) -> NDArray[np.int8]:
    """The feature memories, int8 [pes, feature_words, lanes], after a pass of any legal streams.

    Raises:
        StreamError: a stream is malformed, or a row too long to be replayed.
    """
    layout = step.run.layout
    words = []
    for stream, stream_words in enumerate(step.words):
        rows = decode_stream(stream_words, step, stream)
        long = np.flatnonzero(rows.lengths > config.row_buffer_nonzeros)
        if len(long) and step.run.hold > 1:
            raise StreamError(StreamErrorKind.ROW_TOO_LONG, int(long[0]))
        words.append(encodings.encode(Encoding.CSR, rows, layout))
    as_csr = Pass(step.run, step.taps, tuple(words), step.records, step.predicted_cycles)
    return run_pass(as_csr.instruction, config, Encoding.CSR, features)


def output_addresses(step: Pass) -> NDArray[np.int64]:
    """Word addresses that a pass may write, in any PE."""
    run = step.run
    rows = np.array([record.row for records in step.records for record in records], dtype=np.int64)
    pixels = run.output_base + run.output_stride * np.arange(run.hold, dtype=np.int64)
    return np.unique(pixels[:, None] + rows)
