"""Stage 6 of the compiler: a planned network becomes an image of commands, tap tables, row records and weight streams."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.addressing import tap_entries
from openwork.compiler.buffers import Buffer
from openwork.compiler.errors import CompileError
from openwork.compiler.external_maps import ExternalMap
from openwork.compiler.moves import map_moves, spread_move
from openwork.compiler.plan import BlockPlan, NetworkPlan, RunPlan, StepPlan
from openwork.compiler.predict import load_cycles, move_cycles, store_cycles, table_cycles
from openwork.compiler.rows import row_records
from openwork.compiler.spilled_plan import LastLayer, Move, Pooling, SpilledPlan, Turn
from openwork.image import CommandPlan, Image
from openwork.network import IntegerNetwork
from openwork.operations.form import Form
from openwork.places import Place
from openwork_hw.arch.commands import TABLE_VALUES, LoadCommand, MoveCommand, RunCommand, StoreCommand, TableCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import FeederInput, Instruction, assemble
from openwork_hw.arch.nonzeros import Encoding

Progress = Callable[[Sequence[int], str], Iterable[int]]
"""Wraps the steps of a loop, and shows a title and how many steps are done."""


def emit(plan: NetworkPlan, watch: bool, progress: Progress) -> Image:
    """The image of a planned network.

    Args:
        watch: whether to store every tensor as soon as it is made, besides the outputs.
        progress: shows how many steps are encoded.

    Raises:
        CompileError: an output of the network is its own input.
    """
    program = _Program(plan.schedule.config, plan.addresses)
    program.load(plan.schedule.tensors[plan.schedule.forms.network.input.name])
    program.network(plan, watch, progress)
    return program.image(plan.schedule.forms.network, plan.encoding, _places(plan))


def emit_spilled(plan: SpilledPlan, progress: Progress) -> Image:
    """The image of a network whose first maps are in an external memory.

    Args:
        progress: shows how many steps are encoded.

    Raises:
        CompileError: an output of the network is its own input.
    """
    program = _Program(plan.config, {})
    program.fill(plan.maps[plan.network.input.name])
    for index in progress(range(len(plan.head)), "encoding fused layers"):
        group = plan.head[index]
        program.turns(group.turns, group.rest, plan.maps)
    if plan.pooling is not None:
        program.pooling(plan.pooling, plan.maps, whole=plan.tail is not None or plan.last is not None)
    spilled = [one.at(0) for one in plan.wholes.values()]
    rest: tuple[Place, ...] = () if plan.pooling is None else (plan.pooling.output.at(plan.pooling.address),)
    if plan.tail is not None:
        tail = plan.tail.schedule
        first = tail.tensors[tail.forms.network.input.name]
        if plan.pooling is None:
            program.carry(first, plan.maps[first.tensor], plan.tail.addresses)
            spilled.pop()
        program.network(plan.tail, False, progress)
        rest = _places(plan.tail)
    if plan.last is not None:
        made = program.last(plan.last)
        spilled.append(made)
    places = {place.label: place for place in (*spilled, *rest)}
    ordered = [places.pop(tensor.name) for tensor in plan.network.tensors]
    image = program.image(plan.network, plan.encoding, (*ordered, *places.values()))
    return replace(image, spilled=tuple(place.tensor for place in spilled))


def _places(plan: NetworkPlan) -> tuple[Place, ...]:
    """Of the network's tensors, and then of what steps make for themselves."""
    own = [buffer for buffer in plan.addresses if buffer.step]
    return tuple(buffer.at(plan.addresses[buffer]) for buffer in (*plan.schedule.tensors.values(), *own))


class _Program:
    """Collects the commands of a program."""

    def __init__(self, config: ArrayConfig, addresses: Mapping[Buffer, int]) -> None:
        self._config, self._addresses = config, addresses
        self._orders: dict[str, tuple[int, ...]] = {}
        self._instructions: list[Instruction] = []
        self._commands: list[CommandPlan] = []
        self._stored: list[tuple[str, int]] = []
        self._feeds: dict[BlockPlan, tuple[FeederInput, ...]] = {}
        self._table: tuple[int, ...] | None = None  # the activation table that the array holds
        self._moving = False  # whether maps are moved beside the next command
        self._waits = False  # whether the next command is to wait for that

    def image(self, network: IntegerNetwork, encoding: Encoding, places: tuple[Place, ...]) -> Image:
        """The image of all commands so far."""
        return Image(
            network,
            self._config,
            encoding,
            places,
            tuple(self._commands),
            tuple(self._stored),
            self._orders,
            assemble(self._instructions, self._config),
        )

    def network(self, plan: NetworkPlan, watch: bool, progress: Progress) -> None:
        """All steps of a planned network, and its outputs."""
        self._addresses = plan.addresses
        self._waits = True
        network = plan.schedule.forms.network
        for index in progress(range(len(plan.steps)), "encoding layers"):
            step = plan.steps[index]
            self._run(step)
            if watch and step.schedule.output.tensor not in network.outputs:
                self._store(step)
        by_name = {step.schedule.output.tensor: step for step in plan.steps}
        for name in network.outputs:
            if name not in by_name:
                raise CompileError(f"the network gives back its own input {name!r}: there is nothing to run")
            self._store(by_name[name])
        self._orders = {
            step.schedule.output.tensor: tuple(np.concatenate(step.orders).tolist())
            for step in plan.steps
            if step.orders
        }

    def fill(self, source: ExternalMap) -> None:
        """Bring the network's input from the host into the external memory: one half of the words leaves while the other comes."""
        for number, one in enumerate(source.parts):
            part = source.whole.window_at(one.pixels, self._config.feature_words // 2 * (number % 2))
            self.load(part)
            # What left from the other half is over before the next part comes there.
            self._waits = 0 < number < len(source.parts) - 1
            self._give(part, source)

    def turns(self, turns: Iterable[Turn], rest: Iterable[Move], maps: Mapping[str, ExternalMap]) -> None:
        """Load, compute and store parts of maps."""
        for turn in turns:
            self._waits |= turn.waits
            self._move_all(turn.urgent, maps)
            self._waits |= bool(turn.urgent)
            self._move_all(turn.beside, maps)
            output = turn.plan.run.output
            self._passes(output.step or output.tensor, turn.plan, None)
        self._move_all(rest, maps)

    def _move_all(self, moves: Iterable[Move], maps: Mapping[str, ExternalMap]) -> None:
        for move in moves:
            (self._give if move.store else self.load)(move.part, maps[move.part.tensor])

    def pooling(self, plan: Pooling, maps: Mapping[str, ExternalMap], *, whole: bool) -> None:
        """Make a vector of a map in the external memory.

        Args:
            whole: whether all PEs need the vector; else it is an output of the network.
        """
        name, groups = plan.step.output, plan.output.row_groups
        self._addresses = {plan.output: plan.address}
        self.turns(plan.turns, (), maps)
        if whole:
            self._move(name, [spread_move(plan.output, plan.address, groups)])
            return
        store = StoreCommand(groups - 1, plan.address, plan.output.words)
        self._add(name, Instruction(store), store_cycles(self._config, store))
        self._stored.append((name, store.words))

    def last(self, plan: LastLayer) -> Place:
        """The rows of a last layer, each part given to the host when it has been made; where the whole would lie."""
        name, base = plan.step.output, plan.source.words
        orders: list[NDArray[np.int64]] = []
        for part in plan.parts:
            run = part.plan.run
            self._addresses = {one.root: at for one, at in ((run.inputs[0], 0), (run.output, base))}
            rows = np.concatenate(part.orders)
            self._passes(name, part.plan, np.argsort(rows))
            orders.append(part.first + rows)
            end = base
            for stream, order in enumerate(part.orders):
                if len(order):
                    store = StoreCommand((stream + 1) * part.row_groups - 1, end, len(order))
                    self._add(name, Instruction(store), store_cycles(self._config, store))
                end += len(order)
        every = np.concatenate(orders)
        self._stored.append((name, len(every)))
        self._orders = {name: tuple(every.tolist())}
        output = plan.parts[0].plan.run.output
        return replace(output, shape=(len(every), 1, 1), of=None).at(base)

    def carry(self, whole: Buffer, source: ExternalMap, addresses: Mapping[Buffer, int]) -> None:
        """Load all of a map that the tail of a network begins with."""
        self._addresses = addresses
        self.load(whole, source)

    def _give(self, part: Buffer, target: ExternalMap) -> None:
        """Store a part of a map in the external memory."""
        for group in range(part.row_groups):
            store = StoreCommand(group, self._at(part), part.words, target.pieces(group, part))
            self._add(part.tensor, Instruction(store), store_cycles(self._config, store))

    def _add(self, name: str, instruction: Instruction, cycles: int) -> None:
        instruction = replace(instruction, waits=self._waits and self._moving)
        self._moving &= not instruction.waits_for_maps
        self._moving |= bool(getattr(instruction.command, "pieces", ()))
        self._waits = False
        self._instructions.append(instruction)
        kind = type(instruction.command).__name__.removesuffix("Command").upper()
        entries = TABLE_VALUES if isinstance(instruction.command, TableCommand) else len(instruction.taps)
        self._commands.append(CommandPlan(name, kind, cycles, entries))

    def _at(self, buffer: Buffer) -> int:
        return buffer.starts[0] if buffer.starts else self._addresses[buffer.root]

    def load(self, buffer: Buffer, source: ExternalMap | None = None) -> None:
        """Load a tensor, or the window of one, from the host or from an external memory."""
        groups = 1 if buffer.vector else buffer.row_groups
        for group in range(groups):
            pieces = () if source is None else source.pieces(group, buffer)
            load = LoadCommand(groups, group, self._at(buffer), buffer.words, pieces)
            self._add(buffer.tensor, Instruction(load), load_cycles(self._config, load))

    def _move(self, name: str, moves: Sequence[MoveCommand]) -> None:
        for move in moves:
            self._add(name, Instruction(move), move_cycles(self._config, move))

    def _run(self, plan: StepPlan) -> None:
        name = plan.schedule.output.tensor
        for one in plan.schedule.unrolled:
            self._move(name, map_moves(one, self._at(one.map), self._at(one.vector)))
        self._move(name, [spread_move(vector, self._at(vector), home) for vector, home in plan.spread])
        for run in plan.runs:
            self._passes(name, run, np.argsort(np.concatenate(plan.orders)) if plan.orders else None)

    def _passes(self, name: str, planned: RunPlan, order: NDArray[np.int64] | None) -> None:
        """Add all passes of a run. `order` gives the word at which each row is written; None means the row's own number."""
        run = planned.run
        table = run.form.activation.table
        if table not in (None, self._table):
            assert table is not None
            self._table = table
            self._add(name, Instruction(TableCommand(table)), table_cycles(self._config))
        for plan in planned.blocks:
            feeders = self._feeders(run.form, plan, order)
            first_pixel = 0
            for hold, cycles in zip(plan.holds, plan.cycles, strict=True):
                command = self._command(run.form, plan, run.output, first_pixel, hold)
                taps = tap_entries(
                    run.form,
                    plan.block.taps,
                    run.inputs,
                    run.shifted,
                    run.output,
                    self._addresses,
                    first_pixel,
                    hold,
                )
                self._add(name, Instruction(command, taps, feeders), cycles)
                first_pixel += hold

    def _feeders(self, form: Form, plan: BlockPlan, order: NDArray[np.int64] | None) -> tuple[FeederInput, ...]:
        """The inputs of each feeder: weight stream and row records. They are the same in every round of fused steps."""
        if order is not None:
            return self._encoded(form, plan, order)
        if plan not in self._feeds:
            self._feeds[plan] = self._encoded(form, plan, np.arange(len(form.offsets)))
        return self._feeds[plan]

    def _encoded(self, form: Form, plan: BlockPlan, order: NDArray[np.int64]) -> tuple[FeederInput, ...]:
        return tuple(
            FeederInput(
                replace(stream, rows=replace(stream.rows, rows=order[stream.rows.rows])).encode(),
                row_records(stream.rows.rows, form.offsets, form.shifts, not dummy, order),
            )
            for stream, dummy in zip(plan.streams, plan.dummies, strict=True)
        )

    def _command(self, form: Form, plan: BlockPlan, output: Buffer, first_pixel: int, hold: int) -> RunCommand:
        _, height, width = output.shape
        base = output.starts[first_pixel] if output.starts else self._at(output) + first_pixel * output.pixel_words
        return RunCommand(
            output.row_groups,
            plan.block.layout,
            hold,
            base + output.first_channel,
            output.pixel_words,
            0 if form.pad is None else form.pad,
            *form.activation.limits,
            form.operation,
            self._config.lanes if output.vector else width // output.block[1],
            self._config.pes if output.vector else height // output.block[0],
            output.fill,
            form.activation.table is not None,
        )

    def _store(self, plan: StepPlan) -> None:
        buffer = plan.schedule.output
        base = self._at(buffer)
        if plan.orders:
            ends = np.cumsum([len(order) for order in plan.orders]).tolist()
            stores = [
                StoreCommand((stream + 1) * plan.row_groups - 1, base + end - len(order), len(order))
                for stream, (order, end) in enumerate(zip(plan.orders, ends, strict=True))
                if len(order)
            ]
        elif buffer.vector:
            stores = [StoreCommand(plan.row_groups - 1, base, buffer.words)]
        else:
            stores = [StoreCommand(group, base, buffer.words) for group in range(buffer.used_groups)]
        for store in stores:
            self._add(buffer.tensor, Instruction(store), store_cycles(self._config, store))
        self._stored.append((buffer.tensor, sum(store.words for store in stores)))
