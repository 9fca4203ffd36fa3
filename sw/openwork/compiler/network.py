"""A whole network for one array: where everything lies, what runs in which order, and how long it takes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.balance import balance
from openwork.compiler.forms import Form, Tap, form_of
from openwork.compiler.layout import CompileError
from openwork.compiler.memory import Lifetime, allocate, need
from openwork.compiler.places import Place, block_sizes, tap_entries
from openwork.compiler.predict import load_cycles, move_cycles, pass_cycles, store_cycles
from openwork.compiler.rows import check_sums, encode_streams, even_passes, prepare_streams, row_records
from openwork.image import CommandPlan, Image
from openwork.network import IntegerNetwork, LayerStep, MaxPool, Step
from openwork_hw.arch.commands import LoadCommand, MoveCommand, Operation, RunCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.image import FeederInput, Instruction, assemble
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows
from openwork_hw.arch.timing import POOL_CYCLES

MAX_TAPS = 64

Progress = Callable[[Sequence[int], str], Iterable[int]]
"""Gives what goes through steps, and shows how many are done under a title."""


@dataclass(frozen=True, eq=False)
class StepPlan:
    """How a step runs, before anything has an address.

    Attributes:
        step: of the network.
        form: its rows; None for a reshape.
        row_groups: PEs that share a stream.
        spread: inputs, vectors, that are first written into all PEs.
        streams, dummies: rows of each stream, and whether there is only a dummy.
        holds, cycles: local pixels and predicted cycles of each pass.
        extra_cycles: predicted for moves.
        order: for each word of the output the row that it holds, where streams do not share what they write.
    """

    step: Step
    form: Form | None
    row_groups: int
    spread: tuple[str, ...] = ()
    streams: tuple[SparseRows, ...] = ()
    dummies: tuple[bool, ...] = ()
    holds: tuple[int, ...] = ()
    cycles: tuple[int, ...] = ()
    extra_cycles: int = 0
    order: NDArray[np.int64] | None = None

    @property
    def predicted_cycles(self) -> int:
        """Of all its commands."""
        return sum(self.cycles) + self.extra_cycles


def compile_network(
    network: IntegerNetwork,
    config: ArrayConfig,
    encoding: Encoding = Encoding.PACKED,
    *,
    row_groups: int | None = None,
    watch: bool = False,
    progress: Progress | None = None,
) -> Image:
    """The image that runs a network on an array, input to output.

    The maps of the whole network are divided in one way, that with the fewest predicted cycles of those that fit, so that nothing
    moves between layers; vectors are divided anew for each layer.

    Args:
        row_groups: divide the maps like this; None to choose.
        watch: store every tensor when it is made, besides the outputs; only the time of the whole run changes.

    Raises:
        CompileError: the network does not fit the array; of several reasons, that of the division nearest to fitting.
    """
    forms, vectors = _forms(network)
    if row_groups is not None and row_groups not in config.row_groups:
        raise CompileError(f"row_groups must be one of {config.row_groups}, not {row_groups}")
    best: _Division | None = None
    reason: CompileError | None = None
    for groups in [row_groups] if row_groups else reversed(config.row_groups):
        if config.pes // groups > max(config.replicas, 1):
            continue
        try:
            division = _Division(network, config, encoding, forms, vectors, groups)
        except CompileError as error:
            if reason is None or (error.need and error.need < (reason.need or error.need + 1)):
                reason = error
            continue
        if best is None or division.predicted_cycles < best.predicted_cycles:
            best = division
    if best is None:
        raise reason or CompileError(
            f"the array copies outputs between {config.replicas} streams, and no legal row_groups of {config.row_groups} gives "
            f"so few: use an array with more replicas or a larger group"
        )
    return best.image(watch, progress or (lambda steps, _: steps))


def _forms(network: IntegerNetwork) -> tuple[list[Form | None], set[str]]:
    """The form of each step, and which tensors are vectors."""
    vectors = {network.input.name} if network.input.shape[1:] == (1, 1) else set()
    forms: list[Form | None] = []
    for step in network.steps:
        kinds = {name in vectors for name in step.inputs}
        if len(kinds) > 1:
            raise CompileError(f"step {step.output!r} reads vectors and maps together: the array cannot")
        vector = kinds == {True}
        form = form_of(network, step, vector=vector)
        if form is None and vector:
            raise CompileError(f"step {step.output!r} turns a vector into itself: leave it out")
        forms.append(form)
        if vector or form is None or form.moved or form.operation is Operation.POOL:
            vectors.add(step.output)
    return forms, vectors


class _Division:
    """One way to divide the maps: blocks, streams, addresses."""

    def __init__(
        self,
        network: IntegerNetwork,
        config: ArrayConfig,
        encoding: Encoding,
        forms: Sequence[Form | None],
        vectors: set[str],
        row_groups: int,
    ) -> None:
        self._network, self._config, self._encoding, self._vectors = network, config, encoding, vectors
        self._groups = row_groups
        self._readers = {name for step in network.steps for name in step.inputs}
        blocks = self._blocks(forms)
        # For each vector, in whose groups' last PEs it is; 0 where it is in all PEs.
        self._home = {network.input.name: 0} if network.input.name in vectors else {}
        self._places = {
            tensor.name: Place(
                tensor.name,
                tensor.shape,
                row_groups,
                config.lanes,
                blocks.get(tensor.name, (1, 1)),
                0,
                self._fill(tensor.name),
                tensor.name in vectors,
            )
            for tensor in network.tensors
        }
        self.plans = [self._plan(step, form) for step, form in zip(network.steps, forms, strict=True)]
        self._allocate()

    @property
    def predicted_cycles(self) -> int:
        """Of all steps."""
        return sum(plan.predicted_cycles for plan in self.plans)

    def _blocks(self, forms: Sequence[Form | None]) -> dict[str, tuple[int, int]]:
        network = self._network
        if network.input.name in self._vectors:
            return {}
        scales = {network.input.name: Fraction(1)}
        on_maps = []
        for step, form in zip(network.steps, forms, strict=True):
            found = {scales[name] for name in step.inputs if name in scales}
            if len(found) > 1:
                raise CompileError(f"step {step.output!r} reads maps that were scaled differently")
            if step.output in self._vectors or form is None:
                continue
            scales[step.output] = found.pop() * form.stride / form.enlarge
            on_maps.append((form, step.inputs[0]))
        shapes = {name: network.tensor(name).shape for name in scales}
        return block_sizes(shapes, scales, on_maps, self._groups, self._config.lanes)

    def _fill(self, name: str) -> int:
        """What padding reads beside the map: what all who pad say."""
        pads = {}
        for step in self._network.steps:
            if name in step.inputs:
                if isinstance(step, LayerStep) and any(step.layer.padding):
                    pads[step.layer.input_zero_point] = step.output
                if isinstance(step, MaxPool) and any(step.padding):
                    pads[-128] = step.output
        if len(pads) > 1:
            raise CompileError(
                f"tensor {name!r} is padded with {' and '.join(f'{pad} by {step!r}' for pad, step in pads.items())}: "
                "the array writes one of them beside the map"
            )
        return next(iter(pads), self._network.tensor(name).zero_point)

    def _plan(self, step: Step, form: Form | None) -> StepPlan:
        if form is None or form.moved:
            moves = [move for name in step.inputs for move, _ in self._moves(name, 0, by_channel=form is None)]
            cycles = sum(move_cycles(self._config, move) for move in moves)
            if form is None:
                self._home[step.output] = 0
                return StepPlan(step, None, self._groups, extra_cycles=cycles)
            return self._vector_plan(step, form, dict.fromkeys(step.inputs, 0), cycles)
        if step.output in self._vectors and form.operation is not Operation.POOL:
            return self._vector_plan(step, form, {name: self._home[name] for name in step.inputs}, 0)
        pixels = self._places[step.output].block
        least = 1
        if form.operation is Operation.POOL:
            form, least = self._pool_taps(form, self._places[step.inputs[0]]), self._config.lanes + POOL_CYCLES
            self._home[step.output] = self._groups
        return self._matrix_plan(step, form, self._groups, pixels[0] * pixels[1], least)

    def _pool_taps(self, form: Form, source: Place) -> Form:
        """Every pixel of a block; the weights of the one tap count for each; what lies outside the map is taken off again."""
        pixels = source.block[0] * source.block[1]
        # Room for the padding of short rows (see arch.timing.POOL_CYCLES): columns that nothing reads.
        taps = max(pixels, -(-(self._config.lanes + POOL_CYCLES) // form.layout.channels))
        if taps > MAX_TAPS:
            raise CompileError(
                f"layer {form.name!r}: {pixels} pixels a lane are summed, and a row has at most {MAX_TAPS} taps: "
                "use more row groups"
            )
        layout = ColumnLayout(taps, form.layout.channels)
        single = np.zeros((len(form.matrix), 1 << layout.channel_bits), dtype=np.int8)
        single[:, : form.matrix.shape[1]] = form.matrix
        matrix = np.concatenate([single] * pixels + [0 * single] * (taps - pixels), axis=1)[:, : layout.columns]
        outside = source.fill * source.outside_pixels * form.matrix.astype(np.int64).sum(axis=1)
        width = source.block[1]
        places = tuple(Tap(0, *divmod(pixel, width)) for pixel in range(pixels)) + (Tap(0, 0, 0),) * (taps - pixels)
        return replace(form, matrix=matrix, layout=layout, taps=places, offsets=form.offsets - outside)

    def _vector_plan(self, step: Step, form: Form, homes: dict[str, int], extra_cycles: int) -> StepPlan:
        config = self._config
        final = step.output not in self._readers
        best: tuple[int, StepPlan, int] | None = None
        for groups in config.row_groups:
            streams = config.pes // groups
            shares = streams <= config.replicas
            if not shares and not final:
                continue
            spread = tuple(name for name, home in homes.items() if home not in (0, groups))
            moves = sum(move_cycles(config, self._spread(name, homes[name])) for name in spread)
            plan = self._matrix_plan(step, form, groups, 1, 1)
            total = plan.predicted_cycles + moves
            # Stores of parts take longer than one of all: a little, and only once.
            if best is None or total < best[0]:
                order = (
                    None
                    if shares
                    else np.concatenate(
                        [rows.rows for rows, dummy in zip(plan.streams, plan.dummies, strict=True) if not dummy]
                    )
                )
                everywhere = all(name in spread or home == 0 for name, home in homes.items())
                best = (
                    total,
                    replace(plan, spread=spread, extra_cycles=extra_cycles + moves, order=order),
                    0 if everywhere else groups,
                )
        if best is None:
            raise CompileError(
                f"layer {step.output!r}: no legal row_groups has as few streams as the array's {config.replicas} replicas"
            )
        _, plan, self._home[step.output] = best
        self._home.update(dict.fromkeys((name for name in plan.spread if name in self._home), 0))
        return plan

    def _matrix_plan(self, step: Step, form: Form, groups: int, pixels: int, least: int) -> StepPlan:
        config, encoding = self._config, self._encoding
        magnitudes = np.abs(form.matrix.astype(np.int64)).sum(axis=1)
        if form.operation is Operation.POOL:
            magnitudes = magnitudes * groups * config.lanes
        check_sums(form.name, config, magnitudes, form.offsets, form.shifts)
        lengths = np.maximum(np.count_nonzero(form.matrix, axis=1), least).astype(np.int64)
        parts = balance(lengths, config.row_spacing, config.pes // groups)
        streams = prepare_streams(form.name, encoding, form.matrix, parts, form.layout, least)
        tap_bits = bits_for(form.layout.taps)
        hold = min(pixels, config.tap_entries >> tap_bits)
        if hold == 0 or form.layout.taps > MAX_TAPS:
            raise CompileError(
                f"layer {form.name!r}: {form.layout.taps} taps need {1 << tap_bits} tap entries, and there is room for "
                f"{min(MAX_TAPS, config.tap_entries)}: use a smaller kernel or an array with more tap entries"
            )
        if form.layout.channels > config.feature_words:
            raise CompileError(
                f"layer {form.name!r} reads {form.layout.channels} channels, and a PE has {config.feature_words} feature "
                "words: use an array with more of them"
            )
        if max(int(rows.lengths.max()) for rows in streams) > config.row_buffer_nonzeros:
            hold = 1
        holds = even_passes(pixels, hold)
        stored = [rows.lengths for rows in streams]
        cycles = {hold: pass_cycles(config, encoding, hold, hold << tap_bits, stored) for hold in set(holds)}
        return StepPlan(
            step,
            form,
            groups,
            streams=streams,
            dummies=tuple(not len(part) for part in parts),
            holds=holds,
            cycles=tuple(cycles[hold] for hold in holds),
        )

    def _spread(self, name: str, home: int) -> MoveCommand:
        """A vector from the last PE of the first group into all PEs."""
        place = self._places[name]
        lanes = self._config.lanes
        return MoveCommand(home - 1, place.base, place.words, lanes - 1, 1, place.base, 1, 0)

    def _moves(self, name: str, target: int, *, by_channel: bool) -> list[tuple[MoveCommand, int]]:
        """A map, pixel by pixel, into a vector at `target` in all PEs.

        Args:
            by_channel: the vector counts channel, row, column; else row, column, channel.
        """
        place = self._places[name]
        channels, height, width = place.shape
        block_h, block_w = place.block
        pixel_step, channel_step = (1, height * width) if by_channel else (channels, 1)
        moves = []
        for y in range(height):
            group, local_y = divmod(y, block_h)
            for x in range(min(block_w, width)):
                base = place.base + (local_y * block_w + x) * channels
                lanes = -(-(width - x) // block_w)
                first = target + (y * width + x) * pixel_step
                move = MoveCommand(group, base, channels, 0, lanes, first, channel_step, block_w * pixel_step)
                moves.append((move, first))
        return moves

    def _allocate(self) -> None:
        """Addresses for all tensors, and for vectors that a step makes of its inputs."""
        steps = self._network.steps
        dies = {name: index for index, step in enumerate(steps) for name in step.inputs}
        dies |= dict.fromkeys(self._network.outputs, len(steps))
        lifetimes = []
        for index, tensor in enumerate(self._network.tensors):
            words = self._places[tensor.name].words
            lifetimes.append(Lifetime(tensor.name, words, index - 1, dies.get(tensor.name, index - 1)))
        for index, plan in enumerate(self.plans):
            if plan.form is not None and plan.form.moved:
                for name in dict.fromkeys(plan.step.inputs):
                    words = int(np.prod(self._places[name].shape))
                    lifetimes.append(Lifetime(_vector_name(name, plan.step), words, index, index))
        addresses = allocate(lifetimes)
        needed = need(lifetimes, addresses)
        if needed > self._config.feature_words:
            largest = max(range(-1, len(steps)), key=lambda now: _alive(lifetimes, now))
            what = steps[largest].output if largest >= 0 else self._network.input.name
            raise CompileError(
                f"the network needs {needed:,} feature words a PE ({needed * self._config.lanes:,} bytes), and there are "
                f"{self._config.feature_words:,}: most at layer {what!r}, with {_alive(lifetimes, largest):,} words alive; "
                f"use a smaller input, or an array with {1 << (needed - 1).bit_length():,} feature words",
                need=needed,
            )
        self._addresses = addresses
        self._places = {name: replace(place, base=addresses[name]) for name, place in self._places.items()}

    def image(self, watch: bool, progress: Progress) -> Image:
        """Encode everything."""
        self._instructions: list[Instruction] = []
        self._commands: list[CommandPlan] = []
        self._stored: list[tuple[str, int]] = []
        network, config = self._network, self._config
        place = self._places[network.input.name]
        groups = 1 if place.vector else self._groups
        for group in range(groups):
            load = LoadCommand(groups, group, place.base, place.words)
            self._add(network.input.name, Instruction(load), load_cycles(config, load))
        for index in progress(range(len(self.plans)), "encoding layers"):
            plan = self.plans[index]
            self._run(plan)
            if watch and plan.step.output not in network.outputs:
                self._store(plan)
        by_name = {plan.step.output: plan for plan in self.plans}
        for name in network.outputs:
            if name in by_name:
                self._store(by_name[name])
            else:
                raise CompileError(f"the network gives back its own input {name!r}: there is nothing to run")
        words = assemble(self._instructions, config)
        orders = {plan.step.output: plan.order for plan in self.plans if plan.order is not None}
        return Image(
            network,
            config,
            self._encoding,
            tuple(self._places.values()),
            tuple(self._commands),
            tuple(self._stored),
            {name: tuple(order.tolist()) for name, order in orders.items()},
            words,
        )

    def _add(self, name: str, instruction: Instruction, cycles: int) -> None:
        self._instructions.append(instruction)
        kind = type(instruction.command).__name__.removesuffix("Command").upper()
        self._commands.append(CommandPlan(name, kind, cycles, len(instruction.taps)))

    def _run(self, plan: StepPlan) -> None:
        config, step, form = self._config, plan.step, plan.form
        name = step.output
        places = self._places
        if form is None:
            first = places[name].base
            for source in step.inputs:
                for move, _ in self._moves(source, first, by_channel=True):
                    self._add(name, Instruction(move), move_cycles(config, move))
                first += int(np.prod(places[source].shape))
            return
        inputs = [places[source] for source in step.inputs]
        if form.moved:
            for source in dict.fromkeys(step.inputs):
                for move, _ in self._moves(source, self._addresses[_vector_name(source, step)], by_channel=False):
                    self._add(name, Instruction(move), move_cycles(config, move))
            inputs = [self._as_vector(source, step) for source in step.inputs]
        for source in plan.spread:
            move = self._spread(source, self._spread_home(source, plan))
            self._add(name, Instruction(move), move_cycles(config, move))
        output = replace(places[name], row_groups=plan.row_groups)
        inputs = [replace(one, row_groups=plan.row_groups) for one in inputs]
        positions = np.arange(len(form.matrix)) if plan.order is None else np.argsort(plan.order)
        placed = [replace(rows, rows=positions[rows.rows]) for rows in plan.streams]
        words = encode_streams(name, self._encoding, placed, form.layout)
        feeders = tuple(
            FeederInput(stream, row_records(rows.rows, form.offsets, form.shifts, not dummy, positions))
            for stream, rows, dummy in zip(words, plan.streams, plan.dummies, strict=True)
        )
        first_pixel = 0
        channels, height, width = output.shape
        for hold, cycles in zip(plan.holds, plan.cycles, strict=True):
            run = RunCommand(
                plan.row_groups,
                form.layout,
                hold,
                output.base + first_pixel * channels,
                channels,
                0 if form.pad is None else form.pad,
                form.low,
                form.high,
                form.operation,
                config.lanes if output.vector else width // output.block[1],
                config.pes if output.vector else height // output.block[0],
                output.fill,
            )
            taps = tap_entries(form, inputs, output, first_pixel, hold)
            self._add(name, Instruction(run, taps, feeders), cycles)
            first_pixel += hold

    def _spread_home(self, name: str, plan: StepPlan) -> int:
        """In whose groups' last PE a vector was made."""
        return next(one.row_groups for one in self.plans if one.step.output == name)

    def _as_vector(self, name: str, step: Step) -> Place:
        place = self._places[name]
        words = int(np.prod(place.shape))
        base = self._addresses[_vector_name(name, step)]
        return replace(place, shape=(words, 1, 1), block=(1, 1), base=base, vector=True)

    def _store(self, plan: StepPlan) -> None:
        name, config = plan.step.output, self._config
        place = self._places[name]
        stores = []
        if plan.order is not None:
            first = place.base
            for stream, (rows, dummy) in enumerate(zip(plan.streams, plan.dummies, strict=True)):
                if not dummy:
                    stores.append(StoreCommand((stream + 1) * plan.row_groups - 1, first, len(rows.rows)))
                    first += len(rows.rows)
        elif place.vector:
            stores.append(StoreCommand(plan.row_groups - 1, place.base, place.words))
        else:
            stores = [StoreCommand(group, place.base, place.words) for group in range(place.used_groups)]
        for store in stores:
            self._add(name, Instruction(store), store_cycles(config, store))
        self._stored.append((name, sum(store.words for store in stores)))


def _vector_name(name: str, step: Step) -> str:
    return f"{name} for {step.output}"


def _alive(lifetimes: Sequence[Lifetime], now: int) -> int:
    return sum(one.words for one in lifetimes if one.born <= now <= one.dies)
