"""The plan of a network whose first maps are in an external memory, before anything is encoded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.buffers import Buffer
from openwork.compiler.external_maps import ExternalMap
from openwork.compiler.plan import NetworkPlan, RunPlan
from openwork.compiler.predict import load_cycles, store_cycles
from openwork.network import IntegerNetwork, Step
from openwork_hw.arch.commands import LoadCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding


@dataclass(frozen=True, eq=False)
class Window:
    """What a step computes at once.

    Attributes:
        inputs: for each tensor that it reads, the pixels and channels of it.
        output: the pixels and channels that it makes.
        plan: its passes, over buffers that begin with their own channel 0.
        addresses: word addresses of all these buffers.
    """

    inputs: tuple[Buffer, ...]
    output: Buffer
    plan: RunPlan
    addresses: dict[Buffer, int]


@dataclass(frozen=True, eq=False)
class HeadStep:
    """A step whose maps are in the external memory.

    Attributes:
        step: of the network.
        windows: in the order in which they are computed.
    """

    step: Step
    windows: tuple[Window, ...]


@dataclass(frozen=True, eq=False)
class Pooling:
    """A global pooling of a map in the external memory, some channels after the other.

    Attributes:
        step: of the network.
        parts: what is computed at once; their outputs are views of `output`.
        output: the vector that it makes.
        address: its word address.
    """

    step: Step
    parts: tuple[Window, ...]
    output: Buffer
    address: int


@dataclass(frozen=True, eq=False)
class LastRows:
    """Some rows of a last layer on vectors, whose output does not fit beside its input.

    Attributes:
        plan: their passes.
        first: number of the first of them.
        orders: for each stream, the rows that its part of the output holds, counted from `first` on.
    """

    plan: RunPlan
    first: int
    orders: tuple[NDArray[np.int64], ...]

    @property
    def row_groups(self) -> int:
        """How many PEs share a weight stream."""
        return self.plan.run.output.row_groups


@dataclass(frozen=True, eq=False)
class LastLayer:
    """A last layer on vectors, some rows after the other; the host gets the rows as they are made.

    Attributes:
        step: of the network.
        source: the vector that it reads, from word 0 on.
        parts: in order.
    """

    step: Step
    source: Buffer
    parts: tuple[LastRows, ...]


@dataclass(frozen=True, eq=False)
class SpilledPlan:
    """The plan of a network whose first maps are in an external memory.

    Attributes:
        network: the whole.
        config, encoding: the array, and the encoding of all weight streams.
        maps: the maps in the external memory, by tensor.
        head: the steps that read and write them.
        pooling: what makes a vector of the last map; None if the tail begins with that map.
        tail: the plan of the other steps; None if the pooling is the last one, or there is a last layer.
        last: the step behind the pooling, if it is the only one and its vectors do not fit side by side.
    """

    network: IntegerNetwork
    config: ArrayConfig
    encoding: Encoding
    maps: dict[str, ExternalMap]
    head: tuple[HeadStep, ...]
    pooling: Pooling | None
    tail: NetworkPlan | None
    last: LastLayer | None = None

    @property
    def predicted_cycles(self) -> int:
        """Predicted cycles of all steps, and of all that is loaded and stored for the head."""
        moves = 0
        parts = self.pooling.parts if self.pooling else ()
        for window in (*(window for step in self.head for window in step.windows), *parts):
            groups = window.output.row_groups
            moves += window.plan.predicted_cycles
            moves += sum(
                groups * load_cycles(self.config, LoadCommand(groups, 0, 0, one.words)) for one in window.inputs
            )
            if not window.output.vector:
                moves += groups * store_cycles(self.config, StoreCommand(0, 0, window.output.words))
        rest = self.tail.predicted_cycles if self.tail else 0
        return moves + rest + sum(part.plan.predicted_cycles for part in (self.last.parts if self.last else ()))

    def __str__(self) -> str:
        lines = [f"{'step':24} windows  words  passes"]
        for step in self.head:
            words = max(sum(one.words for one in (*window.inputs, window.output)) for window in step.windows)
            passes = sum(len(block.holds) for window in step.windows for block in window.plan.blocks)
            lines.append(f"{step.step.output:24} {len(step.windows):7}  {words:5}  {passes:6}")
        if self.pooling:
            lines.append(f"{self.pooling.step.output:24} {len(self.pooling.parts):7}")
        return "\n".join([*lines, "", str(self.tail)] if self.tail else lines)
