"""Commands of the contract as steps of a job, and a step's result as numbers of the contract."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from openwork.image import Image
from openwork_dv.jobs import Step, StepResult
from openwork_dv.packing import pack, unpack
from openwork_hw.arch.commands import LoadCommand, MoveCommand, RunCommand, StoreCommand, TableCommand, TapEntry
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import CommandOp, Instruction, command_fields, move_period
from openwork_hw.arch.nonzeros import RowRecord
from openwork_hw.arch.report import CommandReport, command_report
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


def table_step(config: ArrayConfig, command: TableCommand) -> Step:
    """TABLE."""
    payload = pack(CommandLayout(config), **command_fields(command, config))
    values = np.array(command.values, np.int8).view(np.uint8)
    return Step(payload, {"i_table": values.tolist()}, len(values) + SPARE_CYCLES)


def clear_step(config: ArrayConfig) -> Step:
    """CLEAR: forget the sticky fault."""
    return Step(pack(CommandLayout(config), op=CommandOp.CLEAR), {}, SPARE_CYCLES)


def run_step(config: ArrayConfig, instruction: Instruction, reset_after: int | None = None) -> Step:
    """RUN with its tap table, and the words and records of every stream."""
    run = instruction.command
    assert isinstance(run, RunCommand)
    inputs: dict[str, Sequence[int]] = {"i_taps": [tap_payload(config, entry) for entry in instruction.taps]}
    longest = 0
    for stream, feeder in enumerate(instruction.feeders):
        number = config.feeders.index(stream * run.row_groups)
        inputs[f"i_words__{number}"] = word_payloads(feeder.words)
        inputs[f"i_records__{number}"] = [record_payload(config, record) for record in feeder.records]
        # A word holds fewer than four nonzeros; memories with one port take a cycle more per row.
        longest = max(longest, 4 * len(feeder.words) + 2 * config.row_spacing * len(feeder.records))
    limit = 2 * run.hold * longest + 8 * sum(map(len, inputs.values())) + SPARE_CYCLES
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


def image_steps(image: Image, inputs: NDArray[np.int8]) -> list[Step]:
    """Everything that an image sends for one input, int8 [channels, height, width]; a step per command."""
    config, steps = image.config, []
    to_load = image.load_bytes(inputs).reshape(-1, config.lanes)
    for instruction in image.instructions:
        match instruction.command:
            case LoadCommand() as load:
                steps.append(load_step(config, load, to_load[: load.words]))
                to_load = to_load[load.words :]
            case StoreCommand() as store:
                steps.append(store_step(config, store))
            case MoveCommand() as move:
                steps.append(move_step(config, move))
            case TableCommand() as table:
                steps.append(table_step(config, table))
            case RunCommand():
                steps.append(run_step(config, instruction))
    return steps


def answer(config: ArrayConfig, result: StepResult) -> CommandReport:
    """Read the report of a step that has one."""
    if result.report is None:
        raise ValueError("the step has no report: the array was reset or hung")
    return command_report(unpack(Report(config), result.report))


def feature_words(config: ArrayConfig, outputs: Iterable[int]) -> NDArray[np.int8]:
    """The bytes of a STORE as int8 [words, lanes]."""
    return np.array(list(outputs), dtype=np.uint8).view(np.int8).reshape(-1, config.lanes)
