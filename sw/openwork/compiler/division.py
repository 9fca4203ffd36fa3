"""One way to divide the maps of a network over an array: blocks of pixels, streams, addresses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from openwork.compiler.balance import balance
from openwork.compiler.blocks import MAX_TAPS, RowBlock, ways_to_cut
from openwork.compiler.forms import Form, Nonzeros, Tap, shifted_copies
from openwork.compiler.layout import CompileError
from openwork.compiler.memory import Lifetime, allocate, need
from openwork.compiler.moves import map_moves, spread_move
from openwork.compiler.places import Place, far_shifts
from openwork.compiler.plan import BlockPlan, NetworkPlan, ShiftPlan, StepPlan
from openwork.compiler.predict import move_cycles, pass_cycles
from openwork.compiler.rows import check_sums, even_passes, prepare_streams
from openwork.network import IntegerNetwork, LayerStep, MaxPool, Step
from openwork_hw.arch import encodings
from openwork_hw.arch.commands import Operation
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import POOL_CYCLES, pass_overhead


def plan_network(
    network: IntegerNetwork,
    config: ArrayConfig,
    encoding: Encoding,
    forms: Sequence[Form | None],
    vectors: set[str],
    row_groups: int,
    blocks: Mapping[str, tuple[int, int]],
) -> NetworkPlan:
    """A network on maps that are divided over `row_groups` PEs and all lanes; vectors are divided anew for each layer.

    Args:
        forms: of each step; None for a reshape.
        vectors: tensors that are vectors.
        blocks: pixels of a block of each map, down and across.

    Raises:
        CompileError: it does not fit.
    """
    planner = _Planner(network, config, encoding, vectors, row_groups, blocks)
    steps = tuple(planner.plan(step, form) for step, form in zip(network.steps, forms, strict=True))
    copies = {(name, plan.step.output): place for plan in steps for name, place in planner.copies(plan)}
    addresses = _allocate(network, config, planner.places, copies)
    places = {name: replace(place, base=addresses[name]) for name, place in planner.places.items()}
    copies = {key: replace(place, base=addresses[place.tensor]) for key, place in copies.items()}
    return NetworkPlan(network, config, encoding, row_groups, steps, places, copies)


class _Planner:
    """Plans steps one after the other: how one runs says where its output is, if that is a vector."""

    def __init__(
        self,
        network: IntegerNetwork,
        config: ArrayConfig,
        encoding: Encoding,
        vectors: set[str],
        row_groups: int,
        blocks: Mapping[str, tuple[int, int]],
    ) -> None:
        self._network, self._config, self._encoding, self._vectors = network, config, encoding, vectors
        self._groups = row_groups
        self._readers = {name for step in network.steps for name in step.inputs}
        # For each vector, in whose groups' last PEs it is; 0 where it is in all PEs.
        self._home = {network.input.name: 0} if network.input.name in vectors else {}
        self.places = {
            tensor.name: Place(
                tensor.name,
                tensor.shape,
                row_groups,
                config.lanes,
                blocks.get(tensor.name, (1, 1)),
                0,
                _fill(network, tensor.name),
                tensor.name in vectors,
            )
            for tensor in network.tensors
        }

    def plan(self, step: Step, form: Form | None) -> StepPlan:
        if form is None or form.moved:
            moves = [move for name in step.inputs for move in map_moves(self.places[name], 0, by_channel=form is None)]
            cycles = sum(move_cycles(self._config, move) for move in moves)
            if form is None:
                self._home[step.output] = 0
                return StepPlan(step, None, self._groups, move_cycles=cycles)
            return self._vector_plan(step, form, dict.fromkeys(step.inputs, 0), cycles)
        if step.output in self._vectors and form.operation is not Operation.POOL:
            return self._vector_plan(step, form, {name: self._home[name] for name in step.inputs}, 0)
        pixels = self.places[step.output].block
        if form.operation is Operation.POOL:
            form = _pool_taps(form, self.places[step.inputs[0]])
            self._home[step.output] = self._groups
        blocks = self._blocks(form, self._groups, pixels[0] * pixels[1])
        return StepPlan(step, form, self._groups, blocks=blocks, shifts=self._shifts(step, form))

    def _shifts(self, step: Step, form: Form) -> dict[str, ShiftPlan]:
        """Of the inputs of which taps reach two neighbours."""
        found = far_shifts(form, [self.places[name] for name in step.inputs], self.places[step.output])
        plans = {}
        for name, shifts in found.items():
            place = self.places[name]
            height, width = place.block
            pixels = [(down * height, across * width) for down, across in shifts]
            copies = shifted_copies(step.output, place.shape[0], pixels, place.fill)
            plans[name] = ShiftPlan(shifts, copies, self._blocks(copies, self._groups, height * width))
        return plans

    def copies(self, plan: StepPlan) -> Iterator[tuple[str, Place]]:
        """What a step makes of its inputs, under a name of its own: a vector of a map, or shifted copies."""
        for name in dict.fromkeys(plan.step.inputs):
            place = replace(self.places[name], tensor=f"{name} for {plan.step.output}")
            if plan.form is not None and plan.form.moved:
                yield name, replace(place, shape=(prod(place.shape), 1, 1), block=(1, 1), vector=True)
            if name in plan.shifts:
                channels, height, width = place.shape
                yield name, replace(place, shape=(len(plan.shifts[name].shifts) * channels, height, width))

    def _vector_plan(self, step: Step, form: Form, homes: dict[str, int], cycles: int) -> StepPlan:
        config = self._config
        final = step.output not in self._readers
        best: StepPlan | None = None
        for groups in config.row_groups:
            streams = config.pes // groups
            shares = streams <= config.replicas
            if not shares and not final:
                continue
            spread = tuple((name, home) for name, home in homes.items() if home not in (0, groups))
            moves = sum(move_cycles(config, spread_move(self.places[name], home)) for name, home in spread)
            blocks = self._blocks(form, groups, 1)
            orders = tuple(np.concatenate([block.rows_of(stream) for block in blocks]) for stream in range(streams))
            plan = StepPlan(step, form, groups, spread, blocks, cycles + moves, orders=() if shares else orders)
            # Stores of parts take longer than one of all: a little, and only once.
            if best is None or plan.predicted_cycles < best.predicted_cycles:
                best = plan
        if best is None:
            raise CompileError(
                f"layer {step.output!r}: no legal row_groups has as few streams as the array's {config.replicas} replicas"
            )
        spread_names = {name for name, _ in best.spread}
        everywhere = all(name in spread_names or home == 0 for name, home in homes.items())
        self._home[step.output] = 0 if everywhere else best.row_groups
        self._home.update((name, 0) for name in spread_names)
        return best

    def _blocks(self, form: Form, groups: int, pixels: int) -> tuple[BlockPlan, ...]:
        """The rows of a step, cut so that cycles and words together are fewest: a word takes its memory a cycle."""
        config = self._config
        magnitudes = form.nonzeros.row_sums(np.abs(form.nonzeros.values.astype(np.int64)))
        if form.operation is Operation.POOL:
            magnitudes = magnitudes * groups * config.lanes
        check_sums(form.name, config, magnitudes, form.offsets, form.shifts)
        best: tuple[int, tuple[BlockPlan, ...]] | None = None
        reason: CompileError | None = None
        for blocks in ways_to_cut(form):
            if best and len(blocks) * pass_overhead(config) >= best[0]:
                continue
            try:
                plans = tuple(self._block(form, block, groups, pixels) for block in blocks)
            except CompileError as error:
                reason = reason or error
                continue
            words = sum(
                encodings.word_count(self._encoding, rows, plan.block.layout) for plan in plans for rows in plan.streams
            )
            cost = sum(sum(plan.cycles) for plan in plans) + words
            if best is None or cost < best[0]:
                best = cost, plans
        if best is None:
            assert reason is not None
            raise reason
        return best[1]

    def _block(self, form: Form, block: RowBlock, groups: int, pixels: int) -> BlockPlan:
        config, encoding, layout = self._config, self._encoding, block.layout
        tap_bits = bits_for(layout.taps)
        hold = min(pixels, config.tap_entries >> tap_bits)
        if hold == 0:
            raise CompileError(
                f"layer {form.name!r}: {layout.taps} taps need {1 << tap_bits} tap entries, and there is room for "
                f"{config.tap_entries}: use a smaller kernel or an array with more tap entries"
            )
        if layout.channels > config.feature_words:
            raise CompileError(
                f"layer {form.name!r} reads {layout.channels} channels, and a PE has {config.feature_words} feature "
                "words: use an array with more of them"
            )
        parts = balance(block.nonzeros.lengths, config.row_spacing, config.pes // groups)
        streams = prepare_streams(form.name, encoding, [block.stream(part) for part in parts], layout)
        if max(int(rows.lengths.max()) for rows in streams) > config.row_buffer_nonzeros:
            hold = 1
        holds = even_passes(pixels, hold)
        stored = [rows.lengths for rows in streams]
        cycles = {hold: pass_cycles(config, encoding, hold, hold << tap_bits, stored) for hold in set(holds)}
        return BlockPlan(
            block, streams, tuple(not len(part) for part in parts), holds, tuple(cycles[hold] for hold in holds)
        )


def _fill(network: IntegerNetwork, name: str) -> int:
    """What padding reads beside a map: what all who pad say."""
    pads = {}
    for step in network.steps:
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
    return next(iter(pads), network.tensor(name).zero_point)


def _pool_taps(form: Form, source: Place) -> Form:
    """Every pixel of a block; the weights of the one tap count for each; what lies outside the map is taken off again."""
    pixels, channels = source.block[0] * source.block[1], source.shape[0]
    one = form.nonzeros
    # Short rows are padded (see arch.timing.POOL_CYCLES) by nonzeros of value 0, at taps of their own.
    padding = np.maximum(source.lanes + POOL_CYCLES - pixels * one.lengths, 0)
    taps = pixels + -(-int(padding.max()) // channels)
    if taps > MAX_TAPS:
        raise CompileError(
            f"layer {form.name!r}: {pixels} pixels a lane are summed, and a row has at most {MAX_TAPS} taps: "
            "use more row groups"
        )
    numbers = np.arange(len(padding))
    place = np.arange(padding.sum()) - np.repeat(np.cumsum(padding) - padding, padding)
    rows = np.append(np.tile(np.repeat(numbers, one.lengths), pixels), np.repeat(numbers, padding))
    tap = np.append(np.repeat(np.arange(pixels), len(one.values)), pixels + place // channels)
    channel = np.append(np.tile(one.channels, pixels), place % channels)
    values = np.append(np.tile(one.values, pixels), np.zeros(len(place), np.int8))
    order = np.lexsort((channel, tap, rows))
    outside = source.fill * source.outside_pixels * one.row_sums(one.values.astype(np.int64))
    width = source.block[1]
    return replace(
        form,
        nonzeros=Nonzeros(pixels * one.lengths + padding, tap[order], channel[order], values[order]),
        taps=tuple(Tap(0, *divmod(pixel, width)) for pixel in range(pixels)) + (Tap(0, 0, 0),) * (taps - pixels),
        offsets=form.offsets - outside,
    )


def _allocate(
    network: IntegerNetwork,
    config: ArrayConfig,
    places: Mapping[str, Place],
    copies: Mapping[tuple[str, str], Place],
) -> dict[str, int]:
    """Addresses for all tensors, and for the copies that steps make of their inputs."""
    steps = network.steps
    dies = {name: index for index, step in enumerate(steps) for name in step.inputs}
    dies |= dict.fromkeys(network.outputs, len(steps))
    lifetimes = [
        Lifetime(tensor.name, places[tensor.name].words, index - 1, dies.get(tensor.name, index - 1))
        for index, tensor in enumerate(network.tensors)
    ]
    numbers = {step.output: index for index, step in enumerate(steps)}
    lifetimes += [Lifetime(one.tensor, one.words, numbers[step], numbers[step]) for (_, step), one in copies.items()]
    addresses = allocate(lifetimes)
    needed = need(lifetimes, addresses)
    if needed > config.feature_words:
        largest = max(range(-1, len(steps)), key=lambda now: _alive(lifetimes, now))
        what = steps[largest].output if largest >= 0 else network.input.name
        raise CompileError(
            f"the network needs {needed:,} feature words a PE ({needed * config.lanes:,} bytes), and there are "
            f"{config.feature_words:,}: most at layer {what!r}, with {_alive(lifetimes, largest):,} words alive; "
            f"use a smaller input, or an array with {1 << (needed - 1).bit_length():,} feature words",
            need=needed,
        )
    return addresses


def _alive(lifetimes: Sequence[Lifetime], now: int) -> int:
    return sum(one.words for one in lifetimes if one.born <= now <= one.dies)
