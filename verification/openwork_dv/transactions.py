"""Commands of the contract as steps of a job, and a step's result as numbers of the contract."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.program import LayerProgram, Pass
from openwork_dv.jobs import Step, StepResult
from openwork_dv.packing import pack, unpack
from openwork_hw.arch.commands import LoadCommand, MoveCommand, RunCommand, StoreCommand, TapEntry
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import CommandOp, command_fields, move_period
from openwork_hw.arch.nonzeros import RowRecord, StreamErrorKind
from openwork_hw.array.payloads import Neighbour, RowRecordLayout, TapEntryLayout
from openwork_hw.decoder.payloads import WeightWord
from openwork_hw.sequencing.payloads import CommandLayout, Report

SPARE_CYCLES = 1000
"""What a command may take longer than all its bytes and beats before it counts as hung."""

NEIGHBOURS = {-1: Neighbour.BEFORE, 0: Neighbour.HERE, 1: Neighbour.AFTER}


def load_step(config: ArrayConfig, command: LoadCommand, words: NDArray[np.int8]) -> Step:
    """LOAD: words int8 [words, lanes]."""
    payload = pack(CommandLayout(config), **command_fields(command, config))
    return Step(payload, {"i_features": words.view(np.uint8).reshape(-1).tolist()}, words.size + SPARE_CYCLES)


def store_step(config: ArrayConfig, command: StoreCommand) -> Step:
    """STORE."""
    payload = pack(CommandLayout(config), **command_fields(command, config))
    return Step(payload, {}, command.words * config.lanes + SPARE_CYCLES)


def move_step(config: ArrayConfig, command: MoveCommand) -> Step:
    """MOVE."""
    payload = pack(CommandLayout(config), **command_fields(command, config))
    return Step(payload, {}, command.words * move_period(config, command) + SPARE_CYCLES)


def clear_step(config: ArrayConfig) -> Step:
    """CLEAR: forget the sticky fault."""
    return Step(pack(CommandLayout(config), op=CommandOp.CLEAR), {}, SPARE_CYCLES)


def run_step(config: ArrayConfig, step: Pass, reset_after: int | None = None) -> Step:
    """RUN with its tap table, and the words and records of every stream."""
    run = step.run
    inputs: dict[str, Sequence[int]] = {"i_taps": [tap_payload(config, entry) for entry in step.taps]}
    for stream, (words, records) in enumerate(zip(step.words, step.records, strict=True)):
        feeder = config.feeders.index(stream * run.row_groups)
        inputs[f"i_words__{feeder}"] = word_payloads(words)
        inputs[f"i_records__{feeder}"] = [record_payload(config, record) for record in records]
    limit = 4 * step.predicted_cycles + 8 * sum(map(len, inputs.values())) + SPARE_CYCLES
    return Step(run_payload(config, run), inputs, limit, reset_after)


def run_payload(config: ArrayConfig, run: RunCommand) -> int:
    """RUN alone."""
    return pack(CommandLayout(config), **command_fields(run, config))


def tap_payload(config: ArrayConfig, entry: TapEntry) -> int:
    """One entry of a tap table."""
    lane_shift, pe_shift = NEIGHBOURS[entry.lane_shift], NEIGHBOURS[entry.pe_shift]
    return pack(
        TapEntryLayout(config),
        address=entry.address,
        lane_shift=lane_shift,
        pe_shift=pe_shift,
        beyond_right=entry.beyond_right,
        beyond_bottom=entry.beyond_bottom,
    )


def word_payloads(words: NDArray[np.uint32]) -> list[int]:
    """The words of a weight stream; `last` goes with the last one."""
    last = len(words) - 1
    return [pack(WeightWord, data=word, last=index == last) for index, word in enumerate(words.tolist())]


def record_payload(config: ArrayConfig, record: RowRecord) -> int:
    """One row record."""
    return pack(
        RowRecordLayout(config),
        row=record.row,
        offset=record.offset,
        shift=record.shift,
        write=record.write,
        last=record.last,
    )


def layer_steps(program: LayerProgram, inputs: NDArray[np.int8]) -> list[Step]:
    """Everything a layer sends: loads, passes, stores."""
    config = program.config
    return [
        *(load_step(config, command, words) for command, words in program.loads(inputs)),
        *(run_step(config, step) for step in program.passes),
        *(store_step(config, command) for command in program.stores),
    ]


@dataclass(frozen=True)
class Answer:
    """A report, read: cycles, and the fault kept since the last CLEAR."""

    cycles: int
    kind: StreamErrorKind
    pe: int
    position: int


def answer(config: ArrayConfig, result: StepResult) -> Answer:
    """Read the report of a step that has one."""
    if result.report is None:
        raise ValueError("the step has no report: the array was reset or hung")
    fields = unpack(Report(config), result.report)
    fault: Mapping[str, int] = fields["fault"]
    return Answer(fields["cycles"], StreamErrorKind(fault["kind"]), fault["pe"], fault["position"])


def feature_words(config: ArrayConfig, outputs: Iterable[int]) -> NDArray[np.int8]:
    """The bytes of a STORE as int8 [words, lanes]."""
    return np.array(list(outputs), dtype=np.uint8).view(np.int8).reshape(-1, config.lanes)
