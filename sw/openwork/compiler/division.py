"""A network on maps that are divided in one way: what each step runs, and where everything lies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from openwork.compiler.errors import CompileError
from openwork.compiler.forms import Form, copies
from openwork.compiler.memory import Lifetime, allocate, need
from openwork.compiler.moves import map_moves, spread_move
from openwork.compiler.placed import closed_up, joined_blocks, laid_out, pool_taps, shifted_copies
from openwork.compiler.places import Place, Shifted, far_shifts
from openwork.compiler.plan import NetworkPlan, RunPlan, StepPlan, Unrolled
from openwork.compiler.predict import move_cycles
from openwork.compiler.scales import Division
from openwork.compiler.streams import plan_blocks
from openwork.network import IntegerNetwork, Step
from openwork_hw.arch.commands import Operation
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding


def plan_network(
    network: IntegerNetwork,
    config: ArrayConfig,
    encoding: Encoding,
    forms: Sequence[Form | None],
    vectors: set[str],
    division: Division,
) -> NetworkPlan:
    """How a network runs with its maps divided like this; vectors are divided anew for each layer.

    Args:
        forms: of each step; None for a reshape.
        vectors: tensors that are vectors.

    Raises:
        CompileError: it does not fit.
    """
    planner = _Planner(network, config, encoding, vectors, division)
    steps = tuple(planner.plan(step, form) for step, form in zip(network.steps, forms, strict=True))
    places = dict(planner.places)
    for place in (place for plan in steps for place in plan.places if place.step):
        if places.setdefault(place.tensor, place).step != place.step:
            raise CompileError(
                f"two things are called {place.tensor!r}, which step {place.step!r} makes: rename the step"
            )
    addresses = _allocate(network, config, places)
    return NetworkPlan(
        network, config, encoding, steps, {name: replace(one, base=addresses[name]) for name, one in places.items()}
    )


class _Planner:
    """Plans steps one after the other: how one runs says where its output is, if that is a vector."""

    def __init__(
        self, network: IntegerNetwork, config: ArrayConfig, encoding: Encoding, vectors: set[str], division: Division
    ) -> None:
        self._config, self._encoding, self._vectors = config, encoding, vectors
        self._groups, self._gathered = division.row_groups, division.gathered
        self._readers = {name for step in network.steps for name in step.inputs}
        # For each vector, in whose groups' last PEs it is; 0 where it is in all PEs.
        self._home = {network.input.name: 0} if network.input.name in vectors else {}
        self.places = {
            tensor.name: Place(
                tensor.name,
                tensor.shape,
                division.row_groups,
                config.lanes,
                division.blocks.get(tensor.name, (1, 1)),
                0,
                fill_of(network, tensor.name),
                tensor.name in vectors,
            )
            for tensor in network.tensors
        }

    def plan(self, step: Step, form: Form | None) -> StepPlan:
        """The next step's."""
        inputs = [self.places[name] for name in step.inputs]
        if form is None and step.output not in self._vectors:
            return self._reshape_plan(step, inputs)
        if form is None:
            self._home[step.output] = 0
            unrolled = _unrolled(inputs, self.places[step.output])
            return StepPlan(step, self._groups, unrolled, move_cycles=self._move_cycles(unrolled))
        if form.moved:
            inputs = [_hidden(one, step, (prod(one.shape), 1, 1), (1, 1), vector=True) for one in inputs]
            places = dict(zip(step.inputs, inputs, strict=True))
            unrolled = tuple(Unrolled(name, place, 0, by_channel=False) for name, place in places.items())
            return self._vector_plan(step, form, inputs, dict.fromkeys(step.inputs, 0), unrolled)
        if step.output in self._vectors and form.operation is not Operation.POOL:
            return self._vector_plan(step, form, inputs, self._homes(step), ())
        if form.operation is Operation.POOL:
            form = pool_taps(form, inputs[0])
            self._home[step.output] = self._groups
        if step.output in self._gathered:
            return StepPlan(step, self._groups, runs=tuple(self._gather(step, form, inputs)))
        spread, cycles = self._spread(self._homes(step))
        self._home.update((name, 0) for name, _ in spread)
        runs = tuple(self._map_runs(step, form, inputs, self.places[step.output]))
        return StepPlan(step, self._groups, spread=spread, runs=runs, move_cycles=cycles)

    def _homes(self, step: Step) -> dict[str, int]:
        """Where those inputs are that are vectors."""
        return {name: self._home[name] for name in step.inputs if name in self._vectors}

    def _spread(self, homes: Mapping[str, int], groups: int = 0) -> tuple[tuple[tuple[str, int], ...], int]:
        """Which vectors have to be written into all PEs, since groups of this size do not have them; and the cycles of that."""
        spread = tuple((name, home) for name, home in homes.items() if home not in (0, groups))
        return spread, sum(move_cycles(self._config, spread_move(self.places[name], home)) for name, home in spread)

    def _reshape_plan(self, step: Step, inputs: Sequence[Place]) -> StepPlan:
        """Of a reshape to a map: its inputs as one vector, and that divided."""
        output = self.places[step.output]
        vector = _hidden(output, step, (prod(output.shape), 1, 1), (1, 1), vector=True, what="vector of")
        spread, cycles = self._spread(self._homes(step))
        self._home.update((name, 0) for name, _ in spread)
        unrolled: tuple[Unrolled, ...] = ()
        runs: list[RunPlan] = []
        if step.inputs[0] not in self._vectors:
            unrolled = _unrolled(inputs, vector)
        elif len(inputs) == 1:
            (vector,) = inputs
        else:
            form = copies(step.output, [place.shape[0] for place in inputs], Operation.SUM)
            runs.append(self._run(form, inputs, vector, {}))
        runs.extend(self._divided(step, vector, output))
        return StepPlan(step, self._groups, unrolled, spread, tuple(runs), cycles + self._move_cycles(unrolled))

    def _divided(self, step: Step, vector: Place, output: Place) -> Iterator[RunPlan]:
        """Of a vector that all PEs have: as a map of one block, which is then divided among lanes, and that among PEs.

        The last column of blocks goes first: what is there already moves on to the next lane, and the column before it
        takes its place.
        """
        channels, height, width = output.shape
        block = output.block
        counts = -(-height // block[0]), -(-width // block[1])
        # The words of a vector are those of one pixel; here, of one block, each channel as many words further.
        pixels = replace(vector, shape=(1, height, width), block=(height, width), vector=False, step="")
        sides = [counts[0] * block[0], counts[1] * block[1]]
        left = sum(counts) - 2
        now = _hidden(output, step, output.shape, (sides[0], sides[1]), fill=0, what="undivided") if left else output
        yield self._run(laid_out(step.output, output.shape), [pixels], now, {})
        for axis, what in ((1, "columns of"), (0, "rows of")):
            undivided = now
            sides[axis] = block[axis]
            for number in reversed(range(counts[axis] - 1)):
                first = number * block[axis]
                own, next_block = ((first, 0), (block[0], 0)) if axis == 0 else ((0, first), (0, block[1]))
                shape = channels, height - own[0], width - own[1]
                left -= 1
                name = what if number % 2 else f"more {what}"
                after = _hidden(output, step, shape, (sides[0], sides[1]), fill=0, what=name) if left else output
                yield self._run(joined_blocks(step.output, channels, own, next_block), [undivided, now], after, {})
                now = after

    def _move_cycles(self, unrolled: Sequence[Unrolled]) -> int:
        moves = (move for one in unrolled for move in map_moves(self.places[one.map], 0, by_channel=one.by_channel))
        return sum(move_cycles(self._config, move) for move in moves)

    def _run(self, form: Form, inputs: Sequence[Place], output: Place, shifted: Mapping[str, Shifted]) -> RunPlan:
        pixels = output.block[0] * output.block[1]
        blocks = plan_blocks(form, self._config, self._encoding, output.row_groups, pixels)
        return RunPlan(form, tuple(inputs), shifted, output, blocks)

    def _map_runs(self, step: Step, form: Form, inputs: Sequence[Place], output: Place) -> Iterator[RunPlan]:
        """Of a step on maps; first of the copies of those inputs of which taps reach two neighbours."""
        shifted = {}
        for name, shifts in far_shifts(form, inputs, output).items():
            place = self.places[name]
            channels, (height, width) = place.shape[0], place.block
            pixels = [(down * height, across * width) for down, across in shifts]
            # Of all blocks: where a copy is beside the map, what it holds need not be.
            shape = len(shifts) * channels, place.row_groups * height, place.lanes * width
            shifted[name] = Shifted(shifts, _hidden(place, step, shape, place.block))
            moved = shifted_copies(form.name, channels, pixels, place.fill)
            yield self._run(moved, [place], shifted[name].place, {})
        yield self._run(form, inputs, output, shifted)

    def _gather(self, step: Step, form: Form, inputs: Sequence[Place]) -> Iterator[RunPlan]:
        """Of a step of stride 2 on blocks of one pixel: for every pixel; then every second one is gathered.

        Along an axis, pixels are 0, 2, 4, ..; all from 1 on come one nearer, then all from 2 on, and so on.
        """
        output = self.places[step.output]
        channels, *sizes = output.shape
        shape = [self._groups, self._config.lanes]
        moves = [(axis, first) for axis in (0, 1) for first in range(1, sizes[axis])]
        now = output if not moves else _hidden(output, step, (channels, *shape), (1, 1), fill=0, what="all of")
        yield from self._map_runs(step, replace(form, stride=1), inputs, now)
        for number, (axis, first) in enumerate(moves):
            nearer = (1, 0) if axis == 0 else (0, 1)
            before = list(shape)
            before[axis] = first
            kept = _hidden(output, step, (2 * channels, *before), (1, 1), fill=0, what="kept of")
            yield self._run(shifted_copies(form.name, channels, [(0, 0), nearer], 0), [now], kept, {})
            what = ("all of", "more of")[number % 2 == 0]
            after = output if number == len(moves) - 1 else replace(now, tensor=f"{what} {step.output}")
            yield self._run(closed_up(form.name, channels, nearer), [kept, now], after, {})
            now = after

    def _vector_plan(
        self,
        step: Step,
        form: Form,
        inputs: Sequence[Place],
        homes: dict[str, int],
        unrolled: tuple[Unrolled, ...],
    ) -> StepPlan:
        config = self._config
        final = step.output not in self._readers
        best: StepPlan | None = None
        for groups in config.row_groups:
            streams = config.pes // groups
            shares = streams <= config.replicas
            if not shares and not final:
                continue
            spread, moves = self._spread(homes, groups)
            divided = [replace(place, row_groups=groups) for place in inputs]
            run = self._run(form, divided, replace(self.places[step.output], row_groups=groups), {})
            orders = tuple(np.concatenate([block.rows_of(stream) for block in run.blocks]) for stream in range(streams))
            cycles = self._move_cycles(unrolled) + moves
            plan = StepPlan(step, groups, unrolled, spread, (run,), cycles, () if shares else orders)
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


def _unrolled(maps: Sequence[Place], vector: Place) -> tuple[Unrolled, ...]:
    """Maps, one behind the other, as a vector that counts channel, row, column."""
    ends = np.cumsum([prod(place.shape) for place in maps]).tolist()
    return tuple(
        Unrolled(place.tensor, vector, end - prod(place.shape), by_channel=True)
        for place, end in zip(maps, ends, strict=True)
    )


def _hidden(
    place: Place,
    step: Step,
    shape: tuple[int, ...],
    block: tuple[int, int],
    *,
    fill: int | None = None,
    vector: bool = False,
    what: str = "",
) -> Place:
    """A place of a step's own, made like another one."""
    channels, height, width = shape
    name = f"{what} {step.output}" if what else f"{place.tensor} for {step.output}"
    return replace(
        place,
        tensor=name,
        shape=(channels, height, width),
        block=block,
        fill=place.fill if fill is None else fill,
        vector=vector,
        step=step.output,
    )


def fill_of(network: IntegerNetwork, name: str) -> int:
    """What padding reads beside a map: what all who pad say.

    Raises:
        CompileError: they say different things.
    """
    pads = {}
    for step in network.steps:
        if name in step.inputs:
            if step.pad is not None:
                pads[step.pad] = step.output
    if len(pads) > 1:
        raise CompileError(
            f"tensor {name!r} is padded with {' and '.join(f'{pad} by {step!r}' for pad, step in pads.items())}: "
            "the array writes one of them beside the map"
        )
    return next(iter(pads), network.tensor(name).zero_point)


def _allocate(network: IntegerNetwork, config: ArrayConfig, places: Mapping[str, Place]) -> dict[str, int]:
    """Addresses of all tensors, and of what steps make for themselves."""
    steps = network.steps
    born = {network.input.name: -1} | {step.output: index for index, step in enumerate(steps)}
    dies = born | {name: index for index, step in enumerate(steps) for name in step.inputs}
    dies |= dict.fromkeys(network.outputs, len(steps))
    lifetimes = [
        Lifetime(name, place.words, born[place.step or name], born[place.step] if place.step else dies[name])
        for name, place in places.items()
    ]
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
