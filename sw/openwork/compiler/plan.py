"""How a network runs on an array: every pass with its streams and its cycles, before anything is encoded."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.blocks import RowBlock
from openwork.compiler.buffers import Buffer
from openwork.compiler.schedule import Run, Schedule, StepSchedule
from openwork_hw.arch.encodings import PreparedRows
from openwork_hw.arch.nonzeros import Encoding


@dataclass(frozen=True, eq=False)
class BlockPlan:
    """How some rows of a run are processed.

    Attributes:
        block: the rows.
        streams: each stream's rows as the array will see them, fillers included.
        dummies: for each stream, whether its only row is a dummy, since it got none.
        holds, cycles: local pixels and predicted cycles of each pass.
    """

    block: RowBlock
    streams: tuple[PreparedRows, ...]
    dummies: tuple[bool, ...]
    holds: tuple[int, ...]
    cycles: tuple[int, ...]

    def rows_of(self, stream: int) -> NDArray[np.int64]:
        """Numbers of the rows that a stream writes."""
        return self.streams[stream].rows.rows[: 0 if self.dummies[stream] else None]


@dataclass(frozen=True, eq=False)
class RunPlan:
    """A run in passes.

    Attributes:
        run: what runs, divided among PEs.
        blocks: of rows, in the order in which they run; each takes a pass for every few local pixels.
    """

    run: Run
    blocks: tuple[BlockPlan, ...]

    @property
    def predicted_cycles(self) -> int:
        """Predicted cycles of all its passes."""
        return sum(sum(block.cycles) for block in self.blocks)


@dataclass(frozen=True, eq=False)
class StepPlan:
    """How a step runs.

    Attributes:
        schedule: what it runs.
        row_groups: PEs that share a stream.
        spread: the input vectors that are first written into all PEs, as pairs (buffer, row_groups of the step that made it).
        runs: after that.
        move_cycles: predicted for moves.
        orders: if streams do not share what they write, for each stream the row that each word of the output holds; else empty.
    """

    schedule: StepSchedule
    row_groups: int
    spread: tuple[tuple[Buffer, int], ...]
    runs: tuple[RunPlan, ...]
    move_cycles: int
    orders: tuple[NDArray[np.int64], ...] = ()

    @property
    def predicted_cycles(self) -> int:
        """Predicted cycles of all its commands."""
        return sum(run.predicted_cycles for run in self.runs) + self.move_cycles


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """How a network runs.

    Attributes:
        schedule: what it runs, on which array, divided in which way.
        addresses: word addresses of all buffers.
        encoding: of the weight streams.
        steps: in order.
    """

    schedule: Schedule
    addresses: Mapping[Buffer, int]
    encoding: Encoding
    steps: tuple[StepPlan, ...]

    @property
    def predicted_cycles(self) -> int:
        """Predicted cycles of all steps."""
        return sum(step.predicted_cycles for step in self.steps)

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


def stages_text(plan: NetworkPlan) -> str:
    """What each stage of the compiler made, one table after the other."""
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
