"""The plan of a network on an array: every pass with its streams and its exact cycles, before anything is encoded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.blocks import RowBlock
from openwork.compiler.buffers import Buffer
from openwork.compiler.predict import table_cycles
from openwork.compiler.schedule import Run, Schedule, StepSchedule
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.encodings import PreparedRows
from openwork_hw.arch.image import COMMAND_WORDS, FEEDER_WORDS, RECORD_WORDS
from openwork_hw.arch.nonzeros import Encoding


@dataclass(frozen=True, eq=False)
class BlockPlan:
    """The passes of one block of rows.

    Attributes:
        block: the rows.
        streams: the rows of each stream as the array sees them, fillers included.
        dummies: for each stream, whether it got no row, so that its only row is a dummy.
        holds: local pixels of each pass.
        cycles: predicted cycles of each pass.
    """

    block: RowBlock
    streams: tuple[PreparedRows, ...]
    dummies: tuple[bool, ...]
    holds: tuple[int, ...]
    cycles: tuple[int, ...]

    def words(self, config: ArrayConfig) -> int:
        """Words of the image that the largest of the passes uses: weight streams, row records, command and tap table."""
        data = sum(stream.encoded_words() + RECORD_WORDS * len(stream.rows.rows) for stream in self.streams)
        table = max(self.holds) << bits_for(self.block.layout.taps)
        return data + COMMAND_WORDS + FEEDER_WORDS * len(config.feeders) + table

    def rows_of(self, stream: int) -> NDArray[np.int64]:
        """The numbers of the rows that a stream writes."""
        return self.streams[stream].rows.rows[: 0 if self.dummies[stream] else None]


@dataclass(frozen=True, eq=False)
class RunPlan:
    """The passes of one run.

    Attributes:
        run: the run, divided among PEs.
        blocks: its blocks of rows, in the order in which they run. Each block has one or more passes.
    """

    run: Run
    blocks: tuple[BlockPlan, ...]

    @property
    def predicted_cycles(self) -> int:
        """Predicted cycles of all passes of the run."""
        return sum(sum(block.cycles) for block in self.blocks)


@dataclass(frozen=True, eq=False)
class StepPlan:
    """The moves and passes of one step.

    Attributes:
        schedule: the moves and runs of the step.
        row_groups: how many PEs share a weight stream.
        spread: the input vectors that are copied to all PEs before the runs, as pairs (buffer, row_groups
            of the step that made it).
        runs: the plan of each run, in order.
        move_cycles: predicted cycles of all moves.
        orders: for each stream, the row that each word of its part of the output holds. Empty if the streams copy every output
            to each other.
    """

    schedule: StepSchedule
    row_groups: int
    spread: tuple[tuple[Buffer, int], ...]
    runs: tuple[RunPlan, ...]
    move_cycles: int
    orders: tuple[NDArray[np.int64], ...] = ()

    @property
    def predicted_cycles(self) -> int:
        """Predicted cycles of all commands of the step."""
        return sum(run.predicted_cycles for run in self.runs) + self.move_cycles


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """The moves and passes of a whole network.

    Attributes:
        schedule: the moves and runs of the network, with the array and the division of the maps.
        addresses: word addresses of all buffers.
        encoding: encoding of all weight streams.
        steps: the plan of each step, in order.
    """

    schedule: Schedule
    addresses: Mapping[Buffer, int]
    encoding: Encoding
    steps: tuple[StepPlan, ...]

    @property
    def predicted_cycles(self) -> int:
        """Predicted cycles of all steps of the network, and of the activation tables that are brought for them."""
        brought = brought_tables(run.run.form.activation.table for step in self.steps for run in step.runs)
        return sum(step.predicted_cycles for step in self.steps) + brought * table_cycles(self.schedule.config)

    def __str__(self) -> str:
        head = ("step", "row groups", "streams", "passes", "cycles", "words")
        rows = [head]
        for step in self.steps:
            output = step.schedule.output
            passes = sum(len(block.holds) for run in step.runs for block in run.blocks)
            streams = self.schedule.config.pes // step.row_groups
            rows.append(
                (
                    output.tensor,
                    str(step.row_groups),
                    str(streams),
                    str(passes),
                    f"{step.predicted_cycles:,}",
                    str(output.words),
                )
            )
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines = [
            "  ".join(cell.ljust(width) if not column else cell.rjust(width) for column, (cell, width) in
                      enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]  # fmt: skip
        return "\n".join(lines)


def brought_tables(tables: Iterable[tuple[int, ...] | None]) -> int:
    """How many activation tables are brought for runs that follow each other: a table stays until the next one comes.

    >>> brought_tables([None, (1,), None, (1,), (2,), (1,)])
    3

    Args:
        tables: of each run; None is a run without a table.
    """
    used = [table for table in tables if table is not None]
    return sum(number == 0 or table != used[number - 1] for number, table in enumerate(used))


def stages_text(plan: NetworkPlan) -> str:
    """The tables of all stages of the compiler, one after the other."""
    schedule = plan.schedule
    places = [f"{buffer.label}: {buffer.words} words from {plan.addresses[buffer]}" for buffer in plan.addresses]
    parts = {
        "forms: each step as rows of nonzeros": str(schedule.forms),
        "segments: how maps are divided": str(schedule.division),
        "schedule: what each step makes, in order": str(schedule),
        "places: feature words of every PE": "\n".join(places),
        "passes: rows on streams": str(plan),
    }
    return "\n\n".join(f"{title}\n{text}" for title, text in parts.items())
