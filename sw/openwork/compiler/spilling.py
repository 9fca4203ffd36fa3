"""Maps in an external memory: a network whose maps do not fit the feature memories is computed window by window.

The steps of a *head* read and write maps in an external memory. A step of the head takes one window of its output after the
other: it loads the local pixels that the window reads, computes, and stores the window. All blocks of a map keep their PEs and
lanes, so a tap finds its operand where it always does, and no pixel is computed twice. A global pooling behind the head takes some
channels after the other. The other steps, the *tail*, are compiled as always. The cut is at a tensor through which everything
passes.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.addressing import read_pixels
from openwork.compiler.buffers import Buffer
from openwork.compiler.errors import CompileError
from openwork.compiler.forms import Forms
from openwork.compiler.memory import Lifetime, allocate
from openwork.compiler.passes import plan_blocks
from openwork.compiler.placed import pool_taps
from openwork.compiler.plan import BlockPlan, NetworkPlan, RunPlan
from openwork.compiler.predict import load_cycles, store_cycles
from openwork.compiler.schedule import Run
from openwork.compiler.segments import divisions
from openwork.network import IntegerNetwork, NetworkError, Step
from openwork.operations.form import Form, Nonzeros
from openwork.places import fill_of
from openwork_hw.arch.commands import MOST_MAP_BYTES, LoadCommand, Operation, Piece, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

MAP_WORD = 4
"""Bytes to which everything that is stored in an external memory is rounded up."""


class Part(NamedTuple):
    """Some channels of some local pixels of a map.

    Attributes:
        pixels: ascending.
        first, channels: the first channel, and how many.
    """

    pixels: tuple[int, ...]
    first: int
    channels: int


@dataclass(frozen=True, eq=False)
class ExternalMap:
    """A map in an external memory: its parts one behind the other, and in each part one row group behind the other.

    Attributes:
        whole: how the map is divided among PEs and lanes.
        parts: in the order in which they are stored.
        base: address of the first byte.
    """

    whole: Buffer
    parts: tuple[Part, ...]
    base: int = 0

    @property
    def bytes(self) -> int:
        """Of the whole map."""
        return sum(self.whole.row_groups * self._chunk(part) for part in self.parts)

    def pieces(self, group: int, wanted: Buffer) -> tuple[Piece, ...]:
        """Where the local pixels of a buffer lie, of one row group, in their order; neighbours in one piece.

        Args:
            wanted: a window of the map; some of its channels, if the buffer has fewer.
        """
        found: list[Piece] = []
        places, lanes = self._places, self.whole.lanes
        first, last = wanted.first_channel, wanted.first_channel + wanted.shape[0]
        for pixel in wanted.pixels:
            for start, part, number in places[pixel]:
                begin, end = max(part.first, first), min(part.first + part.channels, last)
                if begin >= end:
                    continue
                within = (number * part.channels + begin - part.first) * lanes
                address, count = self.base + start + group * self._chunk(part) + within, (end - begin) * lanes
                if found and found[-1].address + found[-1].bytes == address:
                    found[-1] = Piece(found[-1].address, found[-1].bytes + count)
                else:
                    found.append(Piece(address, count))
        return tuple(found)

    def _chunk(self, part: Part) -> int:
        """Bytes of one row group of a part."""
        return -(-len(part.pixels) * part.channels * self.whole.lanes // MAP_WORD) * MAP_WORD

    @cached_property
    def _places(self) -> dict[int, list[tuple[int, Part, int]]]:
        """For each local pixel the parts that hold it, by channel: where a part begins, and the pixel's number in the part."""
        places: dict[int, list[tuple[int, Part, int]]] = {}
        start = 0
        for part in self.parts:
            for number, pixel in enumerate(part.pixels):
                places.setdefault(pixel, []).append((start, part, number))
            start += self.whole.row_groups * self._chunk(part)
        for held in places.values():
            held.sort(key=lambda one: one[1].first)
        return places


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


def cuts(forms: Forms) -> Iterator[int]:
    """The numbers of steps that a head can have, fewest first: everything passes through the last tensor that such a head makes."""
    network = forms.network
    for count in range(1, len(network.steps)):
        step, form = network.steps[count - 1], forms.forms[count - 1]
        if not _can_be_in_a_head(forms, step, form):
            return
        made = {network.input.name, *(one.output for one in network.steps[:count])}
        later = {name for one in network.steps[count:] for name in one.inputs}
        if later & made == {step.output} and not made & set(network.outputs):
            yield count


def _can_be_in_a_head(forms: Forms, step: Step, form: Form | None) -> bool:
    return (
        form is not None
        and not form.moved
        and form.operation is not Operation.POOL
        and forms.vectors.isdisjoint((step.output, *step.inputs))
    )


def tail_network(network: IntegerNetwork, count: int) -> IntegerNetwork:
    """The steps behind the first ones, so many, as a network of their own."""
    return IntegerNetwork(network.tensors[count:], network.steps[count:], network.outputs)


def can_pool(forms: Forms, count: int) -> bool:
    """Whether the step behind a head of so many steps is a global pooling that takes each channel for itself."""
    form = forms.forms[count]
    if form is None or form.operation is not Operation.POOL:
        return False
    rows = np.arange(len(form.offsets))
    return bool((form.nonzeros.lengths == 1).all()) and bool((form.nonzeros.channels == rows).all())


def plan_pooling(
    forms: Forms, config: ArrayConfig, encoding: Encoding, count: int, source: ExternalMap, address: int
) -> Pooling:
    """The pooling behind a head of so many steps.

    Args:
        source: the map that it reads.
        address: word address of the vector that it makes.

    Raises:
        CompileError: not even one channel fits.
    """
    step, form, whole = forms.network.steps[count], forms.forms[count], source.whole
    assert form is not None
    channels, pixels = whole.shape[0], len(whole.pixels)
    shape = forms.network.tensor(step.output).shape
    fill = fill_of(forms.network, step.output)
    output = Buffer(step.output, shape, whole.row_groups, config.lanes, (1, 1), fill, vector=True)
    # In the larger gap beside the vector.
    behind = address + output.words
    first, room = max(((0, address), (behind, config.feature_words - behind)), key=lambda gap: gap[1])
    if room < pixels:
        raise CompileError(
            f"step {step.output!r}: a channel takes {pixels:,} feature words, and {room:,} are free", need=pixels
        )
    parts = []
    for chosen in _parts(channels, room // pixels):
        start, number = chosen[0], len(chosen)
        part = replace(whole, shape=(number, *whole.shape[1:]), first_channel=start, window=tuple(whole.pixels))
        # The window holds all pixels, and its channels begin at word 0.
        read = replace(part, first_channel=0)
        one = pool_taps(_rows(form, 0, start, number), replace(read, window=()))
        run = Run(one, (read,), output.channels(start, number))
        plan = RunPlan(run, plan_blocks(run, config, encoding))
        parts.append(Window((part,), run.output, plan, {part: first, read: first, output: address}))
    return Pooling(step, tuple(parts), output, address)


def plan_head(
    forms: Forms, config: ArrayConfig, encoding: Encoding, count: int, row_groups: int, most_words: int | None
) -> tuple[dict[str, ExternalMap], tuple[HeadStep, ...]]:
    """The maps and the steps of a head.

    Args:
        count: its number of steps.
        most_words: words of the image that one pass may use.

    Raises:
        CompileError: not even one pixel of a step fits, or a tap reaches too far. The message names the step.
    """
    network = forms.network
    part = IntegerNetwork(network.tensors[: count + 1], network.steps[:count], (network.steps[count - 1].output,))
    found = next(iter(divisions(Forms(part, forms.forms[:count], frozenset()), config, row_groups, MOST_MAP_BYTES)))
    if isinstance(found, CompileError):
        raise found
    if found.gathered:
        raise CompileError(
            f"the maps up to {network.steps[count - 1].output!r} are too small for {row_groups} row groups"
        )
    wholes = {}
    for tensor in network.tensors[: count + 1]:
        segment = found.segment(tensor.name)
        try:
            fill = fill_of(network, tensor.name)
        except NetworkError as error:
            raise CompileError(str(error)) from None
        wholes[tensor.name] = Buffer(
            tensor.name, tensor.shape, segment.row_groups, config.lanes, segment.blocks[tensor.name], fill, vector=False
        )
    source = wholes[network.input.name]
    maps = {source.tensor: ExternalMap(source, _input_parts(source, config))}
    head = []
    for step, form in zip(network.steps[:count], forms.forms[:count], strict=True):
        assert form is not None
        inputs = tuple(wholes[name] for name in step.inputs)
        head.append(_head_step(step, form, inputs, wholes[step.output], config, encoding, most_words))
        made = [window.output for window in head[-1].windows]
        parts = tuple(Part(one.window, one.first_channel, one.shape[0]) for one in made)
        maps[step.output] = ExternalMap(wholes[step.output], parts)
    return _placed(network, count, maps), tuple(head)


def plan_last(
    forms: Forms, config: ArrayConfig, encoding: Encoding, number: int, most_words: int | None
) -> LastLayer | None:
    """The step of this number in parts, if it is the last one and makes a vector of a vector; else None.

    Raises:
        CompileError: not even one row fits beside the vector that it reads.
    """
    network, form = forms.network, forms.forms[number]
    step = network.steps[number]
    if number != len(network.steps) - 1 or form is None or form.moved or len(step.inputs) != 1:
        return None
    if not forms.vectors.issuperset((step.output, *step.inputs)):
        return None
    (name,) = step.inputs
    source, output = (
        Buffer(
            tensor,
            network.tensor(tensor).shape,
            config.row_groups[-1],
            config.lanes,
            (1, 1),
            fill_of(network, tensor),
            vector=True,
        )
        for tensor in (name, step.output)
    )
    room = config.feature_words - source.words
    if room < 1:
        raise CompileError(
            f"step {step.output!r} reads a vector of {source.words:,} words, and a PE has {config.feature_words:,} feature words",
            need=source.words + 1,
        )
    parts = []
    for rows in _parts(output.words, room):
        best: LastRows | None = None
        some = _some_rows(form, rows[0], len(rows))
        for groups in config.row_groups:
            made = output.view(row_groups=groups, shape=(len(rows), 1, 1))
            run = Run(some, (source.view(row_groups=groups),), made)
            plan = RunPlan(run, plan_blocks(run, config, encoding, most_words))
            orders = tuple(
                np.concatenate([block.rows_of(stream) for block in plan.blocks])
                for stream in range(config.pes // groups)
            )
            if best is None or plan.predicted_cycles < best.plan.predicted_cycles:
                best = LastRows(plan, rows[0], orders)
        assert best is not None
        parts.append(best)
    return LastLayer(step, source, tuple(parts))


def _some_rows(form: Form, first: int, count: int) -> Form:
    """Some rows of a form, counted from 0 on."""
    nonzeros = form.nonzeros
    ends = np.concatenate([[0], np.cumsum(nonzeros.lengths)])
    of, rows = slice(ends[first], ends[first + count]), slice(first, first + count)
    return replace(
        form,
        nonzeros=Nonzeros(nonzeros.lengths[rows], nonzeros.taps[of], nonzeros.channels[of], nonzeros.values[of]),
        offsets=form.offsets[rows],
        shifts=form.shifts[rows],
    )


def _input_parts(whole: Buffer, config: ArrayConfig) -> tuple[Part, ...]:
    """Parts of the network's input, each as large as the feature memory allows."""
    at_once = config.feature_words // whole.shape[0]
    if not at_once:
        raise CompileError(
            f"a pixel of {whole.tensor!r} has {whole.shape[0]} channels, and a PE has {config.feature_words} feature words",
            need=whole.shape[0],
        )
    return tuple(Part(pixels, 0, whole.shape[0]) for pixels in _parts(len(whole.pixels), at_once))


def _parts(count: int, most: int) -> tuple[tuple[int, ...], ...]:
    """The numbers from 0 on in parts of nearly equal length, at most so long."""
    parts = -(-count // most)
    ends = [count * number // parts for number in range(parts + 1)]
    return tuple(tuple(range(first, last)) for first, last in itertools.pairwise(ends))


def _windows(
    step: Step,
    inputs: Sequence[Buffer],
    reads: dict[Buffer, tuple[frozenset[int], ...]],
    output: Buffer,
    config: ArrayConfig,
    *,
    by_channel: bool,
) -> tuple[Part, ...]:
    """The largest windows of a step that fit the feature memory with what they read: whole rows if possible.

    Args:
        reads: for each tensor that the step reads, the pixels that each pixel of the output reads.
        by_channel: whether each channel of the output reads the same channel of all inputs together, and no other. Then some
            channels of one input are enough.
    """
    channels = output.shape[0]
    together = channels, [(reads[source], source.shape[0]) for source in dict.fromkeys(inputs)]
    for windows, need in _row_windows(output, *together):
        if need <= config.feature_words:
            return tuple(Part(window, 0, channels) for window in windows)
    most = max(source.shape[0] for source in inputs)
    for share in range(most, 0, -1) if by_channel else ():
        for windows, _ in _row_windows(output, 0, []):
            need = max(
                share * (len(window) + len(_union(pixels, window))) for pixels in reads.values() for window in windows
            )
            if need <= config.feature_words:
                return tuple(
                    Part(window, first + chosen[0], len(chosen))
                    for first, source in zip(_firsts(inputs), inputs, strict=True)
                    for chosen in _parts(source.shape[0], share)
                    for window in windows
                )
    raise CompileError(
        f"step {step.output!r}: one local pixel and what it reads take {need:,} feature words per PE, and there are "
        f"{config.feature_words:,}: use an array with more of them",
        need=need,
    )


def _row_windows(
    output: Buffer, channels: int, inputs: Sequence[tuple[tuple[frozenset[int], ...], int]]
) -> Iterator[tuple[tuple[tuple[int, ...], ...], int]]:
    """Windows of some rows each, then of parts of a row, the largest first; and the words that the largest of them needs.

    Args:
        channels: of the output.
        inputs: for each input what each pixel of the output reads of it, and its channels.
    """
    rows, across = output.block
    for most in (*(count * across for count in range(rows, 0, -1)), *range(across - 1, 0, -1)):
        windows = _parts(rows * across, most)
        if most > across and any(len(window) % across for window in windows):
            continue
        yield (
            windows,
            max(
                channels * len(window) + sum(count * len(_union(reads, window)) for reads, count in inputs)
                for window in windows
            ),
        )


def _firsts(inputs: Sequence[Buffer]) -> list[int]:
    """The first channel of each input among the channels of all inputs together."""
    ends = np.cumsum([source.shape[0] for source in inputs]).tolist()
    return [0, *ends[:-1]]


def _by_channel(form: Form, inputs: Sequence[Buffer]) -> bool:
    """Whether each row reads the channel of its own number alone, among the channels of all inputs together."""
    nonzeros, firsts = form.nonzeros, _firsts(inputs)
    rows = np.repeat(np.arange(len(nonzeros.lengths)), nonzeros.lengths)
    first = np.array([firsts[tap.input] + tap.channel for tap in form.taps])[nonzeros.taps]
    # A row without weights has a nonzero of value 0, wherever that is.
    return bool(((nonzeros.channels + first == rows) | (nonzeros.values == 0)).all())


def _rows(form: Form, source: int, first: int, count: int) -> Form:
    """Some rows of a form whose rows read the channel of their own number; they and their channels are counted from 0 on.

    Args:
        source: number of the only input that they read, which is input 0 of the result.
    """
    form = _some_rows(form, first, count)
    nonzeros = form.nonzeros
    kept = [number for number, tap in enumerate(form.taps) if tap.input == source]
    numbers = np.zeros(len(form.taps), np.int64)
    numbers[kept] = np.arange(len(kept))
    channels = np.repeat(np.arange(count), nonzeros.lengths)
    return replace(
        form,
        nonzeros=Nonzeros(nonzeros.lengths, numbers[nonzeros.taps], channels, nonzeros.values),
        taps=tuple(form.taps[number]._replace(input=0, channel=0) for number in kept),
    )


def _union(reads: Sequence[frozenset[int]], window: Sequence[int]) -> tuple[int, ...]:
    """The pixels that a window reads; one at least, so that there is something to point at."""
    return tuple(sorted(frozenset[int]().union(*(reads[pixel] for pixel in window)) or {0}))


def _head_step(
    step: Step,
    form: Form,
    inputs: Sequence[Buffer],
    output: Buffer,
    config: ArrayConfig,
    encoding: Encoding,
    most_words: int | None,
) -> HeadStep:
    distinct = {source: [number for number, one in enumerate(inputs) if one is source] for source in inputs}
    reads = {source: read_pixels(form, numbers, source, output) for source, numbers in distinct.items()}
    firsts = _firsts(inputs)
    windows = _windows(step, inputs, reads, output, config, by_channel=_by_channel(form, inputs))
    planned: dict[tuple[int, int, int], tuple[BlockPlan, ...]] = {}
    made = []
    for pixels, first, channels in windows:
        part = replace(output, shape=(channels, *output.shape[1:]), window=pixels)
        if channels == output.shape[0]:
            one, read = form, {source: replace(source, window=_union(reads[source], pixels)) for source in inputs}
            run = Run(one, tuple(read[source] for source in inputs), part)
            loaded = tuple(read.values())
        else:
            number = max(number for number, start in enumerate(firsts) if start <= first)
            source = inputs[number]
            window = _union(reads[source], pixels)
            some = replace(source, shape=(channels, *source.shape[1:]), window=window)
            run = Run(_rows(form, number, first, channels), (some,), part)
            loaded = (replace(some, first_channel=first - firsts[number]),)
        key = len(pixels), first, channels
        if key not in planned:
            planned[key] = plan_blocks(run, config, encoding, most_words)
        stored = replace(part, first_channel=first)
        addresses, free = {}, 0
        for buffers in (*zip(dict.fromkeys(run.inputs), loaded, strict=True), (part, stored)):
            addresses.update(dict.fromkeys(buffers, free))
            free += buffers[0].words
        made.append(Window(loaded, stored, RunPlan(run, planned[key]), addresses))
    return HeadStep(step, tuple(made))


def _placed(network: IntegerNetwork, count: int, maps: dict[str, ExternalMap]) -> dict[str, ExternalMap]:
    """The maps with addresses; maps that live at different times share bytes."""
    last = {step.output: count for step in network.steps[count - 1 : count]}
    for number, step in enumerate(network.steps[:count]):
        last.update({name: max(last.get(name, 0), number) for name in step.inputs})
    born = {network.input.name: -1} | {step.output: number for number, step in enumerate(network.steps[:count])}
    lives = [Lifetime(name, one.bytes, born[name], last.get(name, born[name])) for name, one in maps.items()]
    addresses = allocate(lives)
    return {name: replace(one, base=addresses[name]) for name, one in maps.items()}
