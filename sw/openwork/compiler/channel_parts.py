"""Some channels of a map after the others: steps whose maps are cut into parts of some channels each.

A row of a depthwise layer, of a pooling or of a sum reads the channel of its own number only, and a row of a layer that a residual
joins reads only that channel of the residual. So such a step, and the steps that make what it reads, can compute some channels
after the others, and no more of the maps between them need be held.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from itertools import pairwise

import numpy as np

from openwork.compiler.buffers import Buffer
from openwork.compiler.rounds import MapStep
from openwork.operations.form import Form, Nonzeros, Tap


class ChannelCuts:
    """Cuts the maps around steps that read their own channels. Equal parts of equal steps are the same objects."""

    def __init__(self) -> None:
        self._rewired: dict[tuple[MapStep, tuple[Buffer, ...]], MapStep] = {}
        self._parts: dict[tuple[MapStep, Buffer], MapStep] = {}
        self._buffers: dict[tuple[Buffer, int, int], Buffer] = {}
        self._firsts: dict[MapStep, dict[Buffer, int]] = {}

    def cut(
        self, steps: Sequence[MapStep], channels: int
    ) -> tuple[tuple[MapStep, ...], dict[Buffer, tuple[Buffer, ...]]] | None:
        """The steps with all maps cut of which a step reads its own channels, and what such steps make.

        Args:
            channels: the most channels of a part.

        Returns:
            The steps, of which each part follows at once what it reads; and the parts of every map that is cut. None if no map
            is cut.
        """
        own = {one: firsts for one in steps if (firsts := self._first_rows(one))}
        cut = {whole for one, firsts in own.items() for whole in (*firsts, one.output)}
        if all(whole.shape[0] <= channels for whole in cut):
            return None
        parts = {
            whole: [self._part(whole, chosen[0], len(chosen)) for chosen in even_parts(whole.shape[0], channels)]
            for whole in cut
        }
        for one, firsts in own.items():
            ends = {0, one.output.shape[0]}
            for source, first in firsts.items():
                ends.update(first + part.first_channel - source.first_channel for part in parts[source])
            longest = [even_parts(last - first, channels) for first, last in pairwise(sorted(ends))]
            rows = [first + chosen[0] for first, each in zip(sorted(ends), longest, strict=False) for chosen in each]
            parts[one.output] = [
                self._part(one.output, row, end - row) for row, end in pairwise((*rows, one.output.shape[0]))
            ]
        made: list[MapStep] = []
        for one in steps:
            reading = self._reading(one, parts)
            for result in parts.get(one.output, (one.output,)):
                made.append(one if reading is one and result is one.output else self._making(reading, result))
        return self._in_order(made), {whole: tuple(each) for whole, each in parts.items()}

    def _in_order(self, steps: Sequence[MapStep]) -> tuple[MapStep, ...]:
        """Every step behind what it reads: at once if it reads its own channels, otherwise in the order of `steps`."""
        makes = {one.output for one in steps}
        lacking = {one: len(makes.intersection(one.inputs)) for one in steps}
        readers: dict[Buffer, list[MapStep]] = defaultdict(list)
        for one in steps:
            for source in makes.intersection(one.inputs):
                readers[source].append(one)
        numbers = {one: number for number, one in enumerate(steps)}
        ready = [number for one, number in numbers.items() if not lacking[one]]  # ascending, so it is a heap
        made: dict[MapStep, None] = {}

        def add(one: MapStep) -> None:
            made[one] = None
            for other in readers[one.output]:
                lacking[other] -= 1
            for other in readers[one.output]:
                if lacking[other] or other in made:
                    continue
                if self._first_rows(other):
                    add(other)
                else:
                    heappush(ready, numbers[other])

        while ready:
            if (one := steps[heappop(ready)]) not in made:
                add(one)
        return tuple(made)

    def _part(self, whole: Buffer, first: int, count: int) -> Buffer:
        if count == whole.shape[0]:
            return whole
        key = whole, first, count
        if key not in self._buffers:
            shape = (count, *whole.shape[1:])
            self._buffers[key] = replace(whole, shape=shape, first_channel=whole.first_channel + first)
        return self._buffers[key]

    def _reading(self, one: MapStep, parts: Mapping[Buffer, Sequence[Buffer]]) -> MapStep:
        """The step, reading parts."""
        inputs = tuple(part for source in one.inputs for part in parts.get(source, (source,)))
        if inputs == one.inputs:
            return one
        if (one, inputs) not in self._rewired:
            self._rewired[one, inputs] = MapStep(rewired(one.form, one.inputs, parts), inputs, one.output)
        return self._rewired[one, inputs]

    def _making(self, one: MapStep, result: Buffer) -> MapStep:
        """The rows of a step that make a part of its output."""
        if (one, result) not in self._parts:
            first = result.first_channel - one.output.first_channel
            form, read = part_rows(one.form, one.inputs, first, result.shape[0])
            self._parts[one, result] = MapStep(form, read, result)
        return self._parts[one, result]

    def _first_rows(self, one: MapStep) -> dict[Buffer, int]:
        if one not in self._firsts:
            self._firsts[one] = own_channels(one.form, one.inputs)
        return self._firsts[one]


def part_rows(form: Form, inputs: Sequence[Buffer], first: int, count: int) -> tuple[Form, tuple[Buffer, ...]]:
    """Some rows of a form, counted from 0 on, and the inputs that they read."""
    form = some_rows(form, first, count)
    nonzeros = form.nonzeros
    empty = np.repeat(nonzeros.lengths == 1, nonzeros.lengths) & (nonzeros.values == 0)
    used = np.unique(nonzeros.taps[~empty])
    if not len(used):
        used = nonzeros.taps[:1]
    # A row without weights reads nothing, and must not ask for a part that the others do not read.
    taps, channels = np.where(empty, used[0], nonzeros.taps), np.where(empty, 0, nonzeros.channels)
    chosen = [form.taps[number] for number in used.tolist()]
    read = {number: place for place, number in enumerate(sorted({tap.input for tap in chosen}))}
    return (
        replace(
            form,
            nonzeros=Nonzeros(nonzeros.lengths, np.searchsorted(used, taps), channels, nonzeros.values),
            taps=tuple(tap._replace(input=read[tap.input]) for tap in chosen),
        ),
        tuple(inputs[number] for number in read),
    )


def rewired(form: Form, inputs: Sequence[Buffer], parts: Mapping[Buffer, Sequence[Buffer]]) -> Form:
    """The form for inputs that are cut: its inputs are the parts of the first one, then those of the second, and so on.

    Args:
        parts: of each input that is cut.
    """
    if all(len(parts.get(source, ())) < 2 for source in inputs):
        return form
    cuts = [[part.shape[0] for part in parts.get(source, [source])] for source in inputs]
    before = [0, *np.cumsum([len(each) for each in cuts]).tolist()]
    most = max(len(each) for each in cuts)
    ends = [np.cumsum(each) for each in cuts]
    nonzeros = form.nonzeros
    taps: list[Tap] = []
    number, channels = np.zeros_like(nonzeros.taps), np.zeros_like(nonzeros.channels)
    for tap, one in enumerate(form.taps):
        chosen = nonzeros.taps == tap
        channel = nonzeros.channels[chosen] + one.channel
        part = np.searchsorted(ends[one.input], channel, side="right")
        number[chosen] = tap * most + part
        channels[chosen] = channel - (ends[one.input] - cuts[one.input])[part]
        taps += [
            one._replace(input=before[one.input] + min(each, len(cuts[one.input]) - 1), channel=0)
            for each in range(most)
        ]
    return replace(form, nonzeros=Nonzeros(nonzeros.lengths, number, channels, nonzeros.values), taps=tuple(taps))


def even_parts(count: int, most: int) -> tuple[tuple[int, ...], ...]:
    """The numbers from 0 on in parts of nearly equal length, at most so long."""
    parts = -(-count // most)
    ends = [count * number // parts for number in range(parts + 1)]
    return tuple(tuple(range(first, last)) for first, last in pairwise(ends))


def own_channels(form: Form, inputs: Sequence[Buffer]) -> dict[Buffer, int]:
    """The inputs of which each row reads one channel at most, and the next row the next channel.

    All inputs of depthwise layers, poolings and sums are such inputs, and the residual that joins a layer.

    Returns:
        For each such input, the row that reads its channel 0.
    """
    if form.phase_channels:
        return {}
    nonzeros = form.nonzeros
    # A row without weights has a nonzero of value 0, wherever that is.
    used = nonzeros.values != 0
    rows = np.repeat(np.arange(len(nonzeros.lengths)), nonzeros.lengths)[used]
    taps = nonzeros.taps[used]
    channels = nonzeros.channels[used] + np.array([tap.channel for tap in form.taps])[taps]
    sources = np.array([tap.input for tap in form.taps])[taps]
    firsts: dict[Buffer, int] = {}
    for source in dict.fromkeys(inputs):
        numbers = [number for number, one in enumerate(inputs) if one is source]
        found = np.unique((rows - channels)[np.isin(sources, numbers)])
        if len(found) == 1 and 0 <= found[0] <= len(nonzeros.lengths) - source.shape[0]:
            firsts[source] = int(found[0])
    return firsts


def some_rows(form: Form, first: int, count: int) -> Form:
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
