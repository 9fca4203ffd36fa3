"""A planned network as an image: its commands in order, everything encoded."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.errors import CompileError
from openwork.compiler.forms import Form
from openwork.compiler.moves import map_moves, spread_move
from openwork.compiler.places import Place, tap_entries
from openwork.compiler.plan import BlockPlan, NetworkPlan, RunPlan, StepPlan
from openwork.compiler.predict import load_cycles, move_cycles, store_cycles
from openwork.compiler.rows import encode_streams, row_records
from openwork.image import CommandPlan, Image
from openwork_hw.arch.commands import LoadCommand, MoveCommand, RunCommand, StoreCommand
from openwork_hw.arch.image import FeederInput, Instruction, assemble

Progress = Callable[[Sequence[int], str], Iterable[int]]
"""Gives what goes through steps, and shows how many are done under a title."""


def emit(plan: NetworkPlan, watch: bool, progress: Progress) -> Image:
    """The image of a planned network.

    Args:
        watch: store every tensor when it is made, besides the outputs.

    Raises:
        CompileError: the network gives back its own input.
    """
    return _Program(plan).image(watch, progress)


class _Program:
    """The commands so far."""

    def __init__(self, plan: NetworkPlan) -> None:
        self._plan, self._config, self._places = plan, plan.config, plan.places
        self._instructions: list[Instruction] = []
        self._commands: list[CommandPlan] = []
        self._stored: list[tuple[str, int]] = []

    def image(self, watch: bool, progress: Progress) -> Image:
        plan, network = self._plan, self._plan.network
        self._load(self._places[network.input.name])
        for index in progress(range(len(plan.steps)), "encoding layers"):
            step = plan.steps[index]
            self._run(step)
            if watch and step.step.output not in network.outputs:
                self._store(step)
        by_name = {step.step.output: step for step in plan.steps}
        for name in network.outputs:
            if name not in by_name:
                raise CompileError(f"the network gives back its own input {name!r}: there is nothing to run")
            self._store(by_name[name])
        return Image(
            network,
            plan.config,
            plan.encoding,
            tuple(self._places.values()),
            tuple(self._commands),
            tuple(self._stored),
            {step.step.output: tuple(np.concatenate(step.orders).tolist()) for step in plan.steps if step.orders},
            assemble(self._instructions, plan.config),
        )

    def _add(self, name: str, instruction: Instruction, cycles: int) -> None:
        self._instructions.append(instruction)
        kind = type(instruction.command).__name__.removesuffix("Command").upper()
        self._commands.append(CommandPlan(name, kind, cycles, len(instruction.taps)))

    def _load(self, place: Place) -> None:
        groups = 1 if place.vector else place.row_groups
        for group in range(groups):
            load = LoadCommand(groups, group, place.base, place.words)
            self._add(place.tensor, Instruction(load), load_cycles(self._config, load))

    def _move(self, name: str, moves: Sequence[MoveCommand]) -> None:
        for move in moves:
            self._add(name, Instruction(move), move_cycles(self._config, move))

    def _at(self, place: Place) -> Place:
        return replace(place, base=self._places[place.tensor].base)

    def _run(self, plan: StepPlan) -> None:
        name = plan.step.output
        for one in plan.unrolled:
            target = self._at(one.vector).base + one.first
            self._move(name, map_moves(self._places[one.map], target, by_channel=one.by_channel))
        self._move(name, [spread_move(self._places[source], home) for source, home in plan.spread])
        for run in plan.runs:
            self._passes(name, run, np.argsort(np.concatenate(plan.orders)) if plan.orders else None)

    def _passes(self, name: str, run: RunPlan, order: NDArray[np.int64] | None) -> None:
        """All passes of all blocks of rows, each row written at its place in the order, its own number if None."""
        inputs, output = [self._at(place) for place in run.inputs], self._at(run.output)
        shifted = {source: replace(one, place=self._at(one.place)) for source, one in run.shifted.items()}
        for plan in run.blocks:
            feeders = self._feeders(run.form, plan, np.arange(len(run.form.offsets)) if order is None else order)
            first_pixel = 0
            for hold, cycles in zip(plan.holds, plan.cycles, strict=True):
                command = self._command(run.form, plan, output, first_pixel, hold)
                taps = tap_entries(run.form, plan.block.taps, inputs, shifted, output, first_pixel, hold)
                self._add(name, Instruction(command, taps, feeders), cycles)
                first_pixel += hold

    def _feeders(self, form: Form, plan: BlockPlan, order: NDArray[np.int64]) -> tuple[FeederInput, ...]:
        """What each feeder gets."""
        placed = [replace(rows, rows=order[rows.rows]) for rows in plan.streams]
        words = encode_streams(form.name, self._plan.encoding, placed, plan.block.layout)
        return tuple(
            FeederInput(stream, row_records(rows.rows, form.offsets, form.shifts, not dummy, order))
            for stream, rows, dummy in zip(words, plan.streams, plan.dummies, strict=True)
        )

    def _command(self, form: Form, plan: BlockPlan, output: Place, first_pixel: int, hold: int) -> RunCommand:
        channels, height, width = output.shape
        return RunCommand(
            output.row_groups,
            plan.block.layout,
            hold,
            output.base + first_pixel * channels,
            channels,
            0 if form.pad is None else form.pad,
            *form.activation.limits,
            form.operation,
            self._config.lanes if output.vector else width // output.block[1],
            self._config.pes if output.vector else height // output.block[0],
            output.fill,
        )

    def _store(self, plan: StepPlan) -> None:
        name = plan.step.output
        place = self._places[name]
        if plan.orders:
            ends = np.cumsum([len(order) for order in plan.orders]).tolist()
            stores = [
                StoreCommand((stream + 1) * plan.row_groups - 1, place.base + end - len(order), len(order))
                for stream, (order, end) in enumerate(zip(plan.orders, ends, strict=True))
                if len(order)
            ]
        elif place.vector:
            stores = [StoreCommand(plan.row_groups - 1, place.base, place.words)]
        else:
            stores = [StoreCommand(group, place.base, place.words) for group in range(place.used_groups)]
        for store in stores:
            self._add(name, Instruction(store), store_cycles(self._config, store))
        self._stored.append((name, sum(store.words for store in stores)))
