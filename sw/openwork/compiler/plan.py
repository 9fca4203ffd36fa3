"""How a network runs on an array, step by step, before anything is encoded."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.blocks import RowBlock
from openwork.compiler.forms import Form
from openwork.compiler.places import Place
from openwork.network import IntegerNetwork, Step
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding, SparseRows


@dataclass(frozen=True, eq=False)
class BlockPlan:
    """How some rows of a step run.

    Attributes:
        block: the rows.
        streams: each stream's rows as the array will see them, fillers included.
        dummies: for each stream, whether its only row is a dummy, since it got none.
        holds, cycles: local pixels and predicted cycles of each pass.
    """

    block: RowBlock
    streams: tuple[SparseRows, ...]
    dummies: tuple[bool, ...]
    holds: tuple[int, ...]
    cycles: tuple[int, ...]

    def rows_of(self, stream: int) -> NDArray[np.int64]:
        """Numbers of the rows that a stream writes."""
        return self.streams[stream].rows[: 0 if self.dummies[stream] else None]


@dataclass(frozen=True, eq=False)
class ShiftPlan:
    """How a map is copied, shifted, for taps that reach two neighbours.

    Attributes:
        shifts: blocks down and across, as of `places.Shifted`.
        form: the copies as rows.
        blocks: of rows, in the order in which they run.
    """

    shifts: tuple[tuple[int, int], ...]
    form: Form
    blocks: tuple[BlockPlan, ...]


@dataclass(frozen=True, eq=False)
class StepPlan:
    """How a step runs.

    Attributes:
        step: of the network.
        form: its rows; None for a reshape.
        row_groups: PEs that share a stream.
        spread: inputs, vectors, that are first written into all PEs, each with the size of the groups whose last PEs have it.
        blocks: of rows, in the order in which they run.
        move_cycles: predicted for moves.
        shifts: inputs that are copied first, and how.
        orders: where streams do not share what they write, for each stream the row that each word of the output holds; else empty.
    """

    step: Step
    form: Form | None
    row_groups: int
    spread: tuple[tuple[str, int], ...] = ()
    blocks: tuple[BlockPlan, ...] = ()
    move_cycles: int = 0
    shifts: Mapping[str, ShiftPlan] = field(default_factory=dict)
    orders: tuple[NDArray[np.int64], ...] = ()

    @property
    def predicted_cycles(self) -> int:
        """Of all its commands."""
        blocks = [*self.blocks, *(block for one in self.shifts.values() for block in one.blocks)]
        return sum(sum(block.cycles) for block in blocks) + self.move_cycles


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """How a network runs.

    Attributes:
        network, config, encoding: what for.
        row_groups: PEs that share a stream while maps are computed.
        steps: in order.
        places: for each tensor where it lies.
        copies: what a step makes of an input, by (input, step): a vector, or shifted copies; with its address.
    """

    network: IntegerNetwork
    config: ArrayConfig
    encoding: Encoding
    row_groups: int
    steps: tuple[StepPlan, ...]
    places: Mapping[str, Place]
    copies: Mapping[tuple[str, str], Place]

    @property
    def predicted_cycles(self) -> int:
        """Of all steps."""
        return sum(step.predicted_cycles for step in self.steps)
