"""How a network runs on an array, step by step, before anything is encoded."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.blocks import RowBlock
from openwork.compiler.forms import Form
from openwork.compiler.places import Place, Shifted
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
class RunPlan:
    """Passes that make one map or vector. Places have no address yet.

    Attributes:
        form: its rows.
        inputs: what its taps read.
        shifted: in whose place taps that reach two neighbours read a copy, by input.
        output: what it makes.
        blocks: of rows, in the order in which they run.
    """

    form: Form
    inputs: tuple[Place, ...]
    shifted: Mapping[str, Shifted]
    output: Place
    blocks: tuple[BlockPlan, ...]

    @property
    def places(self) -> tuple[Place, ...]:
        """All that it reads and writes."""
        return *self.inputs, *(one.place for one in self.shifted.values()), self.output


class Unrolled(NamedTuple):
    """A map that is moved into a vector.

    Attributes:
        map: its name.
        vector: where it goes.
        first: word of the vector where it begins.
        by_channel: the vector counts channel, row, column; else row, column, channel.
    """

    map: str
    vector: Place
    first: int
    by_channel: bool


@dataclass(frozen=True, eq=False)
class StepPlan:
    """How a step runs.

    Attributes:
        step: of the network.
        row_groups: PEs that share a stream.
        unrolled: maps that are first moved into vectors.
        spread: inputs, vectors, that are then written into all PEs, each with the size of the groups whose last PEs have it.
        runs: after that.
        move_cycles: predicted for moves.
        orders: where streams do not share what they write, for each stream the row that each word of the output holds; else empty.
    """

    step: Step
    row_groups: int
    unrolled: tuple[Unrolled, ...] = ()
    spread: tuple[tuple[str, int], ...] = ()
    runs: tuple[RunPlan, ...] = ()
    move_cycles: int = 0
    orders: tuple[NDArray[np.int64], ...] = ()

    @property
    def predicted_cycles(self) -> int:
        """Of all its commands."""
        return sum(sum(block.cycles) for run in self.runs for block in run.blocks) + self.move_cycles

    @property
    def places(self) -> tuple[Place, ...]:
        """All that it reads and writes."""
        return *(one.vector for one in self.unrolled), *(place for run in self.runs for place in run.places)


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """How a network runs.

    Attributes:
        network, config, encoding: what for.
        steps: in order.
        places: where everything lies, by name: the tensors of the network first, then what steps make for themselves.
    """

    network: IntegerNetwork
    config: ArrayConfig
    encoding: Encoding
    steps: tuple[StepPlan, ...]
    places: Mapping[str, Place]

    @property
    def predicted_cycles(self) -> int:
        """Of all steps."""
        return sum(step.predicted_cycles for step in self.steps)
