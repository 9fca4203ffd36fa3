"""What the compiler makes for one model: the words that the array runs, and what a host must know to feed it and to read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from openwork.network import IntegerNetwork, NetworkError
from openwork.places import Place
from openwork_hw.arch.commands import LoadCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.disassembly import disassemble
from openwork_hw.arch.image import Instruction
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import Timed, map_cycles, program_cycles

STEP_KINDS = ("RUN", "MOVE", "TABLE")
"""The commands that make tensors; the others load and store."""


@dataclass(frozen=True)
class CommandPlan:
    """One command of the program.

    Attributes:
        tensor: that it loads, makes or stores; of a TABLE, the first tensor whose values go through the activation table.
        kind: LOAD, RUN, MOVE, TABLE or STORE.
        predicted_cycles: of its report, if nothing outside stalls.
        table_entries: of a RUN's tap table, or values of a TABLE's activation table; else 0.
    """

    tensor: str
    kind: str
    predicted_cycles: int
    table_entries: int = 0


@dataclass(frozen=True, eq=False)
class Image:
    """A compiled network.

    Attributes:
        network: what it computes.
        config, encoding: what it was compiled for.
        places: where each tensor lies while it lives, in the order of the network's tensors; then what steps make for themselves.
        commands: of the program, in order.
        stored: tensors that the STORE commands give back, each with its feature words.
        orders: of stored vectors whose words are in another order than their channels: the channel of each word.
        words: uint32, as `arch.image` lays them out.
        spilled: tensors that are in the feature memories in parts only: maps in an external memory, and an output that leaves the
            array in parts. Their places say how they are divided among PEs and lanes; the addresses mean nothing.
        scratchpad_words: words of the scratchpad for which passes were made small enough (`arch.external_image`); 0 if they may use
            any number of words.
    """

    network: IntegerNetwork
    config: ArrayConfig
    encoding: Encoding
    places: tuple[Place, ...]
    commands: tuple[CommandPlan, ...]
    stored: tuple[tuple[str, int], ...]
    orders: Mapping[str, tuple[int, ...]]
    words: NDArray[np.uint32]
    scratchpad_words: int = 0
    spilled: tuple[str, ...] = ()

    @cached_property
    def instructions(self) -> tuple[Instruction, ...]:
        """The program in the words.

        Raises:
            ImageError: they hold none that this array carries out.
        """
        return disassemble(self.words, self.config)

    @cached_property
    def map_bytes(self) -> int:
        """Bytes of an external memory that maps take; 0 if all maps are in the feature memories."""
        pieces = [piece for one in self.instructions for piece in getattr(one.command, "pieces", ())]
        return max((piece.address + piece.bytes for piece in pieces), default=0)

    def place(self, tensor: str) -> Place:
        """Where a tensor lies."""
        return next(place for place in self.places if place.tensor == tensor)

    @property
    def row_groups(self) -> int:
        """PEs that share a stream while maps are computed."""
        return self.places[0].row_groups

    def load_bytes(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """What the LOAD commands take for one input, int8 [channels, height, width], byte by byte.

        Raises:
            NetworkError: it has another dtype or shape.
        """
        if inputs.dtype != np.int8 or inputs.shape != self.network.input.shape:
            raise NetworkError(
                f"the image takes int8 {list(self.network.input.shape)}, not {inputs.dtype} {list(inputs.shape)}"
            )
        words = self.place(self.network.input.name).pack(inputs)
        # In the order of the LOAD commands: where the input does not fit at once, a part of each row group after the other.
        done = [0] * len(words)
        parts = []
        for instruction in self.instructions:
            command = instruction.command
            if isinstance(command, LoadCommand) and not command.pieces:
                first = done[command.group]
                done[command.group] += command.words
                parts.append(words[command.group, first : first + command.words].reshape(-1))
        return np.concatenate(parts)

    def tensors(self, stored: NDArray[np.int8]) -> dict[str, NDArray[np.int8]]:
        """The tensors, int8 [channels, height, width], in what the STORE commands gave back, byte by byte."""
        words = stored.reshape(-1, self.config.lanes)
        result = {}
        first = 0
        for name, count in self.stored:
            place = self.place(name)
            block = words[first : first + count]
            first += count
            if name in self.orders:
                ordered = np.empty_like(block)
                ordered[list(self.orders[name])] = block
                block = ordered
            result[name] = place.unpack(block.reshape(-1, place.words, self.config.lanes))
        return result

    def outputs(self, stored: NDArray[np.int8]) -> NDArray[np.int8]:
        """The network's results, likewise: int8 [channels, height, width] of one result, [values] of several."""
        return self.network.joined(self.tensors(stored))

    def step_cycles(self) -> dict[str, int]:
        """Predicted cycles of each step: its RUN, MOVE and TABLE commands."""
        cycles = {step.output: 0 for step in self.network.steps}
        for command in self.commands:
            if command.kind in STEP_KINDS:
                cycles[command.tensor] += command.predicted_cycles
        return cycles

    @property
    def compute_cycles(self) -> int:
        """Predicted cycles of all steps; input already loaded, output still there."""
        return sum(self.step_cycles().values())

    @property
    def predicted_cycles(self) -> int:
        """Predicted cycles of a whole run, from its request to its answer."""
        return program_cycles(self.config, self.timed([one.predicted_cycles for one in self.commands]))

    def timed(self, cycles: Sequence[int]) -> list[Timed]:
        """What the time of a run depends on.

        Args:
            cycles: per command, the cycles that it reports.
        """
        return [
            Timed(
                taken,
                plan.table_entries,
                plan.kind == "RUN",
                map_cycles(self.config, one.command.words, store=isinstance(one.command, StoreCommand))
                if isinstance(one.command, LoadCommand | StoreCommand) and one.command.pieces
                else 0,
                one.waits_for_maps,
            )
            for taken, plan, one in zip(cycles, self.commands, self.instructions, strict=True)
        ]

    @property
    def macs(self) -> int:
        """Useful multiply-accumulates of one input."""
        return sum(step.macs for step in self.network.steps)

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates / what the array could do in `compute_cycles`."""
        return self.macs / (self.compute_cycles * self.config.macs)

    def __str__(self) -> str:
        row_groups = sorted({place.row_groups for place in self.places if not place.vector}, reverse=True)
        words = max(place.base + place.words for place in self.places if place.tensor not in self.spilled)
        lines = {
            "array": f"{self.config}, {self.encoding.name.lower()} streams",
            "row groups": ", then ".join(map(str, row_groups)) or "vectors only",
            "memory": f"{words:,} of {self.config.feature_words:,} feature words per PE",
            "image": f"{self.words.nbytes / 1024:,.1f} KiB, {len(self.commands):,} commands",
            "cycles": f"{self.compute_cycles:,} computing, {self.predicted_cycles:,} with loading and storing",
            "utilization": f"{self.utilization:.3f} of the multipliers do useful work",
        }
        head = "\n".join(f"{name:12} {value}" for name, value in lines.items())
        cycles = self.step_cycles()
        width = max(map(len, cycles))
        steps = [
            f"{name:{width}}  {count:12,}  {100 * count / self.compute_cycles:5.1f} %" for name, count in cycles.items()
        ]
        return "\n".join([head, "", f"{'step':{width}}  {'cycles':>12}", *steps])
