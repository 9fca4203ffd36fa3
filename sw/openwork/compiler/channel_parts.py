"""Some channels of a map after the others: steps whose maps are cut into parts of some channels each.

A row of a depthwise layer, of a pooling or of a sum reads the channel of its own number only. So such a step, and the steps that
make what it reads, can compute some channels after the others, and no more of the maps between them need be held.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from openwork.compiler.buffers import Buffer
from openwork.compiler.rounds import MapStep
from openwork.operations.form import Form, Nonzeros, Tap


class ChannelCuts:
    """Cuts the maps around steps that read their own channels. Equal parts of equal steps are the same objects."""

    def __init__(self) -> None:
        self._steps: dict[Hashable, MapStep] = {}
        self._buffers: dict[tuple[Buffer, int, int], Buffer] = {}
        self._firsts: dict[MapStep, tuple[int, ...] | None] = {}

    def cut(
        self, steps: Sequence[MapStep], channels: int
    ) -> tuple[tuple[MapStep, ...], dict[Buffer, tuple[Buffer, ...]]] | None:
        """The steps with all maps cut that a step reads or makes which reads its own channels.

        Args:
            channels: the most channels of a part.

        Returns:
            The steps, of which each part follows at once what it reads; and the parts of every map that is cut. None if no map
            is cut.
        """
        own = {one: firsts for one in steps if (firsts := self._first_rows(one)) is not None}
        cut = {whole for one in own for whole in (*one.inputs, one.output)}
        if all(whole.shape[0] <= channels for whole in cut):
            return None
        parts = {
            whole: [self._part(whole, chosen[0], len(chosen)) for chosen in even_parts(whole.shape[0], channels)]
            for whole in cut
        }
        for one in steps:
            if one in own:
                rows = sorted(
                    {
                        first + end - source.first_channel
                        for first, source in zip(own[one], one.inputs, strict=True)
                        for part in parts[source]
                        for end in (part.first_channel, part.first_channel + part.shape[0])
                    }
                )
                parts[one.output] = [self._part(one.output, row, end - row) for row, end in pairwise(rows)]
        made: list[MapStep] = []
        there = {part for one in steps for whole in one.inputs for part in parts.get(whole, (whole,))}
        there -= {part for one in steps for part in parts.get(one.output, (one.output,))}
        waiting = [
            self._own_step(one, own[one], part, parts) for one in steps if one in own for part in parts[one.output]
        ]

        def add(one: MapStep) -> None:
            """Add a step, and then what waited only for it."""
            made.append(one)
            there.add(one.output)
            for other in [other for other in waiting if one.output in other.inputs]:
                if other in waiting and there.issuperset(other.inputs):
                    waiting.remove(other)
                    add(other)

        for one in steps:
            if one in own:
                for other in [other for other in waiting if other.output in parts[one.output]]:
                    if other in waiting:
                        waiting.remove(other)
                        add(other)
                continue
            inputs = tuple(part for source in one.inputs for part in parts.get(source, (source,)))
            for part in parts.get(one.output, (one.output,)):
                first, count = part.first_channel - one.output.first_channel, part.shape[0]
                form = lambda one=one, first=first, count=count: some_rows(  # noqa: E731
                    _rewired(one.form, one.inputs, parts), first, count
                )
                add(self._step(form, inputs, part))
        return tuple(made), {whole: tuple(each) for whole, each in parts.items()}

    def _own_step(
        self, one: MapStep, firsts: Sequence[int], result: Buffer, parts: Mapping[Buffer, Sequence[Buffer]]
    ) -> MapStep:
        """Some rows of a step that reads its own channels.

        Args:
            firsts: for each input, the row that reads its channel 0.
            result: the part of the output that the rows make.
        """
        row, count = result.first_channel - one.output.first_channel, result.shape[0]
        read: dict[int, tuple[Buffer, int]] = {}
        for number, (first, source) in enumerate(zip(firsts, one.inputs, strict=True)):
            for part in parts[source]:
                start = first + part.first_channel - source.first_channel
                if start <= row and row + count <= start + part.shape[0]:
                    read[number] = part, row - start
        form = lambda: own_channel_rows(one.form, {n: at for n, (_, at) in read.items()}, row, count)  # noqa: E731
        return self._step(form, tuple(part for part, _ in read.values()), result)

    def _part(self, whole: Buffer, first: int, count: int) -> Buffer:
        if count == whole.shape[0]:
            return whole
        key = whole, first, count
        if key not in self._buffers:
            shape = (count, *whole.shape[1:])
            self._buffers[key] = replace(whole, shape=shape, first_channel=whole.first_channel + first)
        return self._buffers[key]

    def _step(self, form: Callable[[], Form], inputs: tuple[Buffer, ...], output: Buffer) -> MapStep:
        if (inputs, output) not in self._steps:
            self._steps[inputs, output] = MapStep(form(), inputs, output)
        return self._steps[inputs, output]

    def _first_rows(self, one: MapStep) -> tuple[int, ...] | None:
        if one not in self._firsts:
            self._firsts[one] = own_channels(one.form, one.inputs)
        return self._firsts[one]


def _rewired(form: Form, inputs: Sequence[Buffer], parts: dict[Buffer, list[Buffer]]) -> Form:
    """The form for inputs that are cut: a tap for every part that it reads."""
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


def own_channels(form: Form, inputs: Sequence[Buffer]) -> tuple[int, ...] | None:
    """Whether each row reads at most one channel of each input, and the next row the next channel.

    Depthwise layers do, poolings, sums of maps, and all that moves pixels.

    Returns:
        For each input, the row that reads its channel 0; None if the rows read other channels.
    """
    if form.phase_channels:
        return None
    nonzeros = form.nonzeros
    # A row without weights has a nonzero of value 0, wherever that is.
    used = nonzeros.values != 0
    rows = np.repeat(np.arange(len(nonzeros.lengths)), nonzeros.lengths)[used]
    taps = nonzeros.taps[used]
    channels = nonzeros.channels[used] + np.array([tap.channel for tap in form.taps])[taps]
    sources = np.array([tap.input for tap in form.taps])[taps]
    firsts = []
    for number, source in enumerate(inputs):
        found = np.unique((rows - channels)[sources == number])
        if len(found) > 1 or (len(found) and not 0 <= found[0] <= len(nonzeros.lengths) - source.shape[0]):
            return None
        firsts.append(int(found[0]) if len(found) else 0)
    covered = {
        row for first, source in zip(firsts, inputs, strict=True) for row in range(first, first + source.shape[0])
    }
    return tuple(firsts) if len(covered) == len(nonzeros.lengths) else None


def own_channel_rows(form: Form, reads: Mapping[int, int], first: int, count: int) -> Form:
    """Some rows of a form whose rows read their own channels (`own_channels`), counted from 0 on.

    Args:
        reads: the numbers of the inputs that are read, which are the inputs of the result in this order, each with the channel
            that the first row reads.
    """
    form = some_rows(form, first, count)
    nonzeros = form.nonzeros
    order = {number: place for place, number in enumerate(reads)}
    kept = [number for number, tap in enumerate(form.taps) if tap.input in order]
    numbers = np.zeros(len(form.taps), np.int64)
    numbers[kept] = np.arange(len(kept))
    starts = np.array([reads.get(tap.input, 0) for tap in form.taps])
    rows = np.repeat(np.arange(count), nonzeros.lengths)
    return replace(
        form,
        nonzeros=Nonzeros(nonzeros.lengths, numbers[nonzeros.taps], rows + starts[nonzeros.taps], nonzeros.values),
        taps=tuple(form.taps[number]._replace(input=order[form.taps[number].input], channel=0) for number in kept),
    )


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
