"""The plan of a network whose first maps are in an external memory, before anything is encoded."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.buffers import Buffer
from openwork.compiler.external_maps import ExternalMap
from openwork.compiler.plan import NetworkPlan, RunPlan
from openwork.compiler.rounds import Rounds
from openwork.network import IntegerNetwork, Step
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import map_cycles


class Move(NamedTuple):
    """A part of a map on its way between the feature memories and the external memory.

    Attributes:
        part: pixels and channels of the map, with their words.
        store: whether it goes to the external memory.
    """

    part: Buffer
    store: bool

    def cycles(self, config: ArrayConfig) -> int:
        """Predicted cycles, of all row groups."""
        return part_cycles(config, self.part, self.part.words, store=self.store)


@dataclass(frozen=True, eq=False)
class Turn:
    """What a step does at once.

    Attributes:
        plan: its passes, over windows with their words.
        waits: whether all moves that were begun before must be over first.
        urgent: moves that are begun then, and must be over before the passes begin.
        beside: moves beside the passes.
    """

    plan: RunPlan
    waits: bool
    urgent: tuple[Move, ...]
    beside: tuple[Move, ...]


class Times:
    """Follows how passes, and the moves beside them, take their time, and decides when passes wait.

    They wait where they must, and where it takes no time: a wait is for all that has begun, and later there may be more of it.
    """

    def __init__(self) -> None:
        self._now = 0  # when the latest pass is over
        self._moved = 0  # when all moves that have begun are over
        self._due: int | None = None  # the first turn that must wait for some of them

    def turn(self, number: int, urgent: int, beside: int, due: int | None, computing: int) -> bool:
        """Whether a turn waits before its moves begin.

        Args:
            urgent, beside, computing: cycles of its moves and passes.
            due: as of `Moves`.
        """
        waits = self._due is not None and (self._due <= number or self._moved <= self._now)
        if waits or urgent:
            self._now = max(self._now, self._moved) + urgent
            self._moved, self._due = self._now, None
        if due is not None:
            self._moved = max(self._now, self._moved) + beside
            self._due = due if self._due is None else min(due, self._due)
        self._now += computing
        return waits

    def end(self, rest: int) -> int:
        """When all is over, with the cycles of the moves behind the last turn."""
        return max(self._now, self._moved) + rest


def part_cycles(config: ArrayConfig, whole: Buffer, words: int, *, store: bool) -> int:
    """Cycles in which so many words of every row group of a map are loaded or stored."""
    return whole.row_groups * map_cycles(config, words, store=store)


@dataclass(frozen=True, eq=False)
class Group:
    """Fused steps of the head.

    Attributes:
        rounds: how they run.
        turns: what they do, in order.
        rest: what is stored behind the last turn.
        predicted_cycles: of the passes and of what is moved.
    """

    rounds: Rounds
    turns: tuple[Turn, ...]
    rest: tuple[Move, ...]
    predicted_cycles: int

    @property
    def moves(self) -> Iterator[Move]:
        """All moves, in order."""
        for turn in self.turns:
            yield from (*turn.urgent, *turn.beside)
        yield from self.rest


@dataclass(frozen=True, eq=False)
class Pooling:
    """A global pooling of a map in the external memory, some channels after the other.

    Attributes:
        step: of the network.
        turns: what is computed at once; the outputs are views of `output`.
        output: the vector that it makes.
        address: its word address.
        predicted_cycles: of the passes and of what is loaded.
    """

    step: Step
    turns: tuple[Turn, ...]
    output: Buffer
    address: int
    predicted_cycles: int


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
        cycles = sum(group.predicted_cycles for group in self.head)
        cycles += self.pooling.predicted_cycles if self.pooling else 0
        rest = self.tail.predicted_cycles if self.tail else 0
        return cycles + rest + sum(part.plan.predicted_cycles for part in (self.last.parts if self.last else ()))

    def __str__(self) -> str:
        lines = [f"{'fused steps':40} rounds  words  passes     cycles   with maps"]
        for group in self.head:
            names = dict.fromkeys(one.form.name for one in group.rounds.steps)
            passes = sum(len(block.holds) for turn in group.turns for block in turn.plan.blocks)
            computing = sum(turn.plan.predicted_cycles for turn in group.turns)
            lines += [
                f"{', '.join(names):40} {group.rounds.variant.rounds:6}  {group.rounds.peak:5}  {passes:6}  "
                f"{computing:9,}  {group.predicted_cycles:10,}"
            ]
        if self.pooling:
            lines.append(f"{self.pooling.step.output:40} {len(self.pooling.turns):6}")
        return "\n".join([*lines, "", str(self.tail)] if self.tail else lines)
