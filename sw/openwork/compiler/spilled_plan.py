"""The plan of a network whose first maps are in an external memory, before anything is encoded."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.buffers import Buffer
from openwork.compiler.external_maps import ExternalMap
from openwork.compiler.plan import NetworkPlan, RunPlan
from openwork.compiler.predict import load_cycles, store_cycles
from openwork.compiler.rounds import Rounds
from openwork.network import IntegerNetwork, Step
from openwork_hw.arch.commands import LoadCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding


@dataclass(frozen=True, eq=False)
class Turn:
    """What a step does at once.

    Attributes:
        loads: what is loaded for it: pixels and channels of maps in the external memory, with their words.
        plan: its passes, over windows with their words.
        stores: what is stored of its output, with the words.
    """

    loads: tuple[Buffer, ...]
    plan: RunPlan
    stores: tuple[Buffer, ...] = ()

    def moved_cycles(self, config: ArrayConfig) -> int:
        """Predicted cycles of all that is loaded and stored."""
        loads = sum(
            one.row_groups * load_cycles(config, LoadCommand(one.row_groups, 0, 0, one.words)) for one in self.loads
        )
        return loads + sum(one.row_groups * store_cycles(config, StoreCommand(0, 0, one.words)) for one in self.stores)


@dataclass(frozen=True, eq=False)
class Group:
    """Fused steps of the head.

    Attributes:
        rounds: how they run.
        turns: what they do, in order.
    """

    rounds: Rounds
    turns: tuple[Turn, ...]


@dataclass(frozen=True, eq=False)
class Pooling:
    """A global pooling of a map in the external memory, some channels after the other.

    Attributes:
        step: of the network.
        turns: what is computed at once; the outputs are views of `output`.
        output: the vector that it makes.
        address: its word address.
    """

    step: Step
    turns: tuple[Turn, ...]
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
        wholes: how the input and the outputs of the head's steps are divided, by tensor.
        maps: those of them that are in the external memory.
        head: the fused steps that read and write them.
        pooling: what makes a vector of the last map; None if the tail begins with that map.
        tail: the plan of the other steps; None if the pooling is the last one, or there is a last layer.
        last: the step behind the pooling, if it is the only one and its vectors do not fit side by side.
    """

    network: IntegerNetwork
    config: ArrayConfig
    encoding: Encoding
    wholes: dict[str, Buffer]
    maps: dict[str, ExternalMap]
    head: tuple[Group, ...]
    pooling: Pooling | None
    tail: NetworkPlan | None
    last: LastLayer | None = None

    @property
    def predicted_cycles(self) -> int:
        """Predicted cycles of all steps, and of all that is loaded and stored for the head."""
        turns = [turn for group in self.head for turn in group.turns] + list(self.pooling.turns if self.pooling else ())
        cycles = sum(turn.plan.predicted_cycles + turn.moved_cycles(self.config) for turn in turns)
        rest = self.tail.predicted_cycles if self.tail else 0
        return cycles + rest + sum(part.plan.predicted_cycles for part in (self.last.parts if self.last else ()))

    def __str__(self) -> str:
        lines = [f"{'fused steps':40} rounds  words  passes     cycles      moving"]
        for group in self.head:
            names = dict.fromkeys(one.form.name for one in group.rounds.steps)
            passes = sum(len(block.holds) for turn in group.turns for block in turn.plan.blocks)
            computing = sum(turn.plan.predicted_cycles for turn in group.turns)
            moving = sum(turn.moved_cycles(self.config) for turn in group.turns)
            lines += [
                f"{', '.join(names):40} {group.rounds.variant.rounds:6}  {group.rounds.peak:5}  {passes:6}  "
                f"{computing:9,}  {moving:10,}"
            ]
        if self.pooling:
            lines.append(f"{self.pooling.step.output:40} {len(self.pooling.turns):6}")
        return "\n".join([*lines, "", str(self.tail)] if self.tail else lines)
