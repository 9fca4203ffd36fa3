"""Stage 3 of the compiler: every step becomes moves and runs over buffers, for one division of the maps.

A schedule has no addresses and no cycles. It is made before anything is encoded, so the compiler knows early how much feature
memory a network needs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from openwork.compiler.addressing import far_shifts
from openwork.compiler.buffers import Buffer, Shifted
from openwork.compiler.errors import CompileError
from openwork.compiler.forms import Forms
from openwork.compiler.placed import closed_up, joined_blocks, laid_out, pool_taps, shifted_copies
from openwork.compiler.segments import Division
from openwork.network import NetworkError, Step
from openwork.operations.form import Form, copies
from openwork.places import fill_of
from openwork_hw.arch.commands import Operation
from openwork_hw.arch.config import ArrayConfig


@dataclass(frozen=True, eq=False)
class Run:
    """The computation of one map or vector. `compiler.passes` divides a run into passes.

    Attributes:
        form: the rows that the run computes.
        inputs: the buffers that its taps read.
        output: the buffer that it writes.
        shifted: the shifted copies of an input, for every input in which taps reach two neighbours. Those taps read a copy.
        alone: whether only the PEs of the first stream hold the inputs. Then the first stream gets all rows.
    """

    form: Form
    inputs: tuple[Buffer, ...]
    output: Buffer
    shifted: dict[Buffer, Shifted] = field(default_factory=dict)
    alone: bool = False

    @property
    def pixels(self) -> int:
        """How many local pixels the output has."""
        return len(self.output.pixels)

    @property
    def reads(self) -> tuple[Buffer, ...]:
        """All buffers that the run reads."""
        return *(one.root for one in self.inputs), *(one.buffer.root for one in self.shifted.values())


@dataclass(frozen=True, eq=False)
class Unrolled:
    """A map that MOVE commands turn into a vector, pixel by pixel.

    Attributes:
        map: the buffer that is read.
        vector: the buffer that is written.
        first: word of the vector at which the map begins.
        by_channel: whether the vector is in the order channel, row, column. Otherwise the order is row, column, channel.
    """

    map: Buffer
    vector: Buffer
    first: int
    by_channel: bool


@dataclass(frozen=True, eq=False)
class StepSchedule:
    """The moves and runs of one step.

    Attributes:
        step: the step of the network.
        output: the buffer of the step's output.
        vectors: the inputs of the step that are vectors.
        unrolled: maps that the step first moves into vectors.
        runs: the runs after these moves, in order.
        free: whether the step makes a vector from vectors. Its only run may then use any row_groups.
    """

    step: Step
    output: Buffer
    vectors: tuple[Buffer, ...] = ()
    unrolled: tuple[Unrolled, ...] = ()
    runs: tuple[Run, ...] = ()
    free: bool = False


@dataclass(frozen=True, eq=False)
class Schedule:
    """The moves and runs of a whole network on an array.

    Attributes:
        forms: the network as rows of nonzeros.
        config: the array.
        division: how the maps are divided.
        tensors: the buffer of each tensor of the network, by name.
        steps: the schedule of each step, in order.
    """

    forms: Forms
    config: ArrayConfig
    division: Division
    tensors: dict[str, Buffer]
    steps: tuple[StepSchedule, ...]

    def __str__(self) -> str:
        lines = []
        for step in self.steps:
            made = ", ".join(run.output.label for run in step.runs) or "moves only"
            lines.append(f"{step.step.output}: {made}")
        return "\n".join(lines)


def schedule_network(
    forms: Forms, config: ArrayConfig, division: Division, gathered_channels: int | None = None
) -> Schedule:
    """The moves and runs of each step for one division of the maps.

    Args:
        gathered_channels: most channels that are gathered at a time; None for all. Fewer channels need less memory and more
            passes.

    Raises:
        CompileError: a tap reaches too far, a pooled map has too many pixels per lane, or two steps pad one map differently.
    """
    network = forms.network
    tensors = {}
    for tensor in network.tensors:
        vector = tensor.name in forms.vectors
        groups, block = config.row_groups[-1], (1, 1)
        if not vector:
            segment = division.segment(tensor.name)
            groups, block = segment.row_groups, segment.blocks[tensor.name]
        try:
            fill = fill_of(network, tensor.name)
        except NetworkError as error:
            raise CompileError(str(error)) from None
        tensors[tensor.name] = Buffer(tensor.name, tensor.shape, groups, config.lanes, block, fill, vector)
    scheduler = _Scheduler(config, division, tensors, gathered_channels)
    steps = tuple(scheduler.step(step, form) for step, form in zip(network.steps, forms.forms, strict=True))
    return Schedule(forms, config, division, tensors, steps)


class _Scheduler:
    """Schedules one step after the other. The schedule of a step does not depend on other steps."""

    def __init__(
        self, config: ArrayConfig, division: Division, tensors: dict[str, Buffer], gathered_channels: int | None
    ) -> None:
        self._config, self._division, self._tensors = config, division, tensors
        self._gathered_channels = gathered_channels

    def step(self, step: Step, form: Form | None) -> StepSchedule:
        inputs = tuple(self._tensors[name] for name in step.inputs)
        output = self._tensors[step.output]
        vectors = tuple(dict.fromkeys(one for one in inputs if one.vector))
        if form is None:
            return self._reshape(step, inputs, output, vectors)
        if form.moved:
            read = tuple(
                one.hidden(step.output, f"vector of {one.tensor}", (prod(one.shape), 1, 1), (1, 1), vector=True)
                for one in inputs
            )
            unrolled = tuple(
                Unrolled(source, vector, 0, by_channel=False) for source, vector in zip(inputs, read, strict=True)
            )
            return StepSchedule(step, output, (), unrolled, (Run(form, read, output),), free=True)
        if form.operation is Operation.POOL:
            form, output = pool_taps(form, inputs[0]), output.view(row_groups=inputs[0].row_groups)
            return StepSchedule(step, self._tensors[step.output], runs=tuple(self._map_runs(form, inputs, output)))
        if output.vector:
            return StepSchedule(step, output, vectors, runs=(Run(form, inputs, output),), free=True)
        if step.output in self._division.gathered:
            return StepSchedule(step, output, runs=tuple(self._gather(step, form, inputs, output)))
        return StepSchedule(step, output, vectors, runs=tuple(self._map_runs(form, inputs, output)))

    def _map_runs(self, form: Form, inputs: Sequence[Buffer], output: Buffer) -> Iterator[Run]:
        """The runs of a step on maps. First come the shifted copies of the inputs in which taps reach two neighbours."""
        shifted = {}
        for source, shifts in far_shifts(form, inputs, output).items():
            channels, (height, width) = source.shape[0], source.block
            pixels = [(down * height, across * width) for down, across in shifts]
            # A copy covers all blocks: at a place outside the map, it may hold pixels of the map.
            shape = len(shifts) * channels, source.row_groups * height, source.lanes * width
            copy = source.hidden(output.step or output.tensor, f"shifted {source.tensor}", shape, source.block)
            shifted[source] = Shifted(shifts, copy)
            yield Run(shifted_copies(form.name, channels, pixels, source.fill), (source,), copy)
        yield Run(form, tuple(inputs), output, shifted)

    def _gather(self, step: Step, form: Form, inputs: Sequence[Buffer], output: Buffer) -> Iterator[Run]:
        """The runs of a step of stride 2 whose input blocks have one pixel along some axes.

        The first run computes every pixel. The next runs gather every second pixel into blocks side by side: along an axis, the
        wanted pixels are 0, 2, 4, .. First all wanted pixels but pixel 0 move one block nearer, then all but the first two, and
        so on.
        """
        axes = self._division.gathered[step.output]
        channels, *sizes = output.shape
        groups = inputs[0].row_groups
        blocks = groups, self._config.lanes
        shape = [blocks[axis] if axis in axes else sizes[axis] for axis in (0, 1)]
        moves = [(axis, first) for axis in axes for first in range(1, sizes[axis])]
        down, across = (1 if axis in axes else form.stride[axis] for axis in (0, 1))
        everything = output.view(row_groups=groups)
        if moves or output.row_groups != groups:
            everything = replace(output, row_groups=groups).hidden(
                step.output, "every pixel", (channels, *shape), output.block, fill=0
            )
        yield from self._map_runs(replace(form, stride=(down, across)), inputs, everything)
        now = everything
        at_a_time = min(self._gathered_channels or channels, channels)
        slices = [(start, min(at_a_time, channels - start)) for start in range(0, channels, at_a_time)]
        for number, (axis, first) in enumerate(moves):
            nearer = (1, 0) if axis == 0 else (0, 1)
            before = list(shape)
            before[axis] = first
            # The last PE of a smaller group does not see the PE behind it.
            enough = output.row_groups == groups or axis == 1 or sizes[0] < output.row_groups
            after = output
            if number < len(moves) - 1 or not enough:
                what = f"pixels, {number + 1} times nearer"
                after = now.hidden(step.output, what, (channels, *shape), output.block)
            for start, count in slices:
                part = now.channels(start, count) if len(slices) > 1 else now
                kept = now.hidden(step.output, "kept pixels", (2 * count, *before), output.block, fill=0)
                yield Run(shifted_copies(form.name, count, [(0, 0), nearer], 0), (part,), kept)
                target = after.channels(start, count) if len(slices) > 1 else after
                yield self._regrouped(closed_up(form.name, count, nearer), (kept, part), target)
            now = after
        if now.root is not output:
            yield self._regrouped(shifted_copies(form.name, channels, [(0, 0)], 0), (now,), output)

    def _regrouped(self, form: Form, inputs: Sequence[Buffer], output: Buffer) -> Run:
        """A run whose inputs may have more row groups than its output. The PEs of the first stream hold what the run reads."""
        groups = output.row_groups
        return Run(
            form,
            tuple(one if one.row_groups == groups else one.view(row_groups=groups) for one in inputs),
            output,
            alone=any(one.row_groups != groups for one in inputs),
        )

    def _reshape(
        self, step: Step, inputs: Sequence[Buffer], output: Buffer, vectors: tuple[Buffer, ...]
    ) -> StepSchedule:
        """The schedule of a reshape: its inputs become one vector, and if its output is a map, the vector is then divided."""
        if output.vector:
            return StepSchedule(step, output, unrolled=_unrolled(inputs, output))
        vector = output.hidden(step.output, "vector", (prod(output.shape), 1, 1), (1, 1), vector=True)
        unrolled: tuple[Unrolled, ...] = ()
        runs: list[Run] = []
        if not vectors:
            unrolled = _unrolled(inputs, vector)
        elif len(inputs) == 1:
            (vector,) = inputs
        else:
            form = copies(step.output, [one.shape[0] for one in inputs], Operation.SUM)
            runs.append(Run(form, tuple(inputs), vector))
        runs.extend(_divided(step, vector, output))
        return StepSchedule(step, output, vectors, unrolled, tuple(runs))


def _divided(step: Step, vector: Buffer, output: Buffer) -> Iterator[Run]:
    """The runs that turn a vector, which all PEs hold, into a divided map.

    The vector first becomes a map of one block. This map is divided among the lanes, and the result among the PEs. The last
    column of blocks is taken first. In every run, the columns that are there already move on to the next lane, and the column
    before them takes their place.
    """
    channels, height, width = output.shape
    block = output.block
    counts = -(-height // block[0]), -(-width // block[1])
    # The words of a vector belong to one pixel. Here they are read as the words of one block with a single channel.
    pixels = vector.view(
        shape=(1, height, width), block=(height, width), vector=False, step="", row_groups=output.row_groups
    )
    sides = [counts[0] * block[0], counts[1] * block[1]]
    left = sum(counts) - 2
    now = output
    if left:
        now = output.hidden(step.output, "undivided map", output.shape, (sides[0], sides[1]), fill=0)
    yield Run(laid_out(step.output, output.shape), (pixels,), now)
    for axis, what in ((1, "columns"), (0, "rows")):
        undivided = now
        sides[axis] = block[axis]
        for number in reversed(range(counts[axis] - 1)):
            first = number * block[axis]
            own, next_block = ((first, 0), (block[0], 0)) if axis == 0 else ((0, first), (0, block[1]))
            shape = channels, height - own[0], width - own[1]
            left -= 1
            after = output
            if left:
                after = output.hidden(step.output, f"{what} from {number}", shape, (sides[0], sides[1]), fill=0)
            yield Run(joined_blocks(step.output, channels, own, next_block), (undivided, now), after)
            now = after


def _unrolled(maps: Sequence[Buffer], vector: Buffer) -> tuple[Unrolled, ...]:
    """Maps, one behind the other, as one vector in the order channel, row, column."""
    ends = np.cumsum([prod(one.shape) for one in maps]).tolist()
    return tuple(
        Unrolled(one, vector, end - prod(one.shape), by_channel=True) for one, end in zip(maps, ends, strict=True)
    )
