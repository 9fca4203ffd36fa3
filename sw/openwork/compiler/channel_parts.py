"""Some channels of a map after the others: steps whose maps are cut into parts of some channels each.

A row of a depthwise layer or of a pooling reads the channel of its own number only. So such a step, and the steps that make what
it reads, can compute some channels after the others, and no more of the maps between them need be held.
"""

from collections.abc import Callable, Hashable, Sequence
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
        self._own: dict[MapStep, bool] = {}

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
        own = {one for one in steps if self._reads_own(one)}
        cut = {whole for one in own for whole in (*one.inputs, one.output)}
        if all(whole.shape[0] <= channels for whole in cut):
            return None
        parts: dict[Buffer, list[Buffer]] = {
            whole: [self._part(whole, chosen[0], len(chosen)) for chosen in even_parts(whole.shape[0], channels)]
            for whole in cut
        }
        for one in steps:
            if one in own:
                parts[one.output] = [
                    self._part(one.output, first + part.first_channel - source.first_channel, part.shape[0])
                    for first, source in zip(first_channels(one.inputs), one.inputs, strict=True)
                    for part in parts[source]
                ]
        made: list[MapStep] = []

        def follow(whole: Buffer, part: Buffer) -> None:
            """Add what reads a part that was just made, and reads nothing else."""
            for one in steps:
                if one in own and whole in one.inputs:
                    add_own(one, whole, part)

        def add_own(one: MapStep, whole: Buffer, part: Buffer) -> None:
            for number, (first, source) in enumerate(zip(first_channels(one.inputs), one.inputs, strict=True)):
                if source is whole:
                    row, count = first + part.first_channel - whole.first_channel, part.shape[0]
                    result = self._part(one.output, row, count)
                    form = lambda n=number, row=row, count=count: own_channel_rows(one.form, n, row, count)  # noqa: E731
                    made.append(self._step(form, (part,), result))
                    follow(one.output, result)

        inside = {one.output for one in steps}
        for one in steps:
            if one in own:
                for source in dict.fromkeys(one.inputs):
                    for part in parts[source] if source not in inside else ():
                        add_own(one, source, part)
                continue
            inputs = tuple(part for source in one.inputs for part in parts.get(source, (source,)))
            for part in parts.get(one.output, (one.output,)):
                first, count = part.first_channel - one.output.first_channel, part.shape[0]
                form = lambda one=one, first=first, count=count: some_rows(  # noqa: E731
                    _rewired(one.form, one.inputs, parts), first, count
                )
                made.append(self._step(form, inputs, part))
                if one.output in cut:
                    follow(one.output, part)
        return tuple(made), {whole: tuple(each) for whole, each in parts.items()}

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

    def _reads_own(self, one: MapStep) -> bool:
        if one not in self._own:
            self._own[one] = reads_own_channel(one.form, one.inputs)
        return self._own[one]


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


def first_channels(inputs: Sequence[Buffer]) -> list[int]:
    """The first channel of each input among the channels of all inputs together."""
    ends = np.cumsum([source.shape[0] for source in inputs]).tolist()
    return [0, *ends[:-1]]


def reads_own_channel(form: Form, inputs: Sequence[Buffer]) -> bool:
    """Whether each row reads the channel of its own number alone, among the channels of all inputs together."""
    if form.phase_channels:
        return False
    nonzeros, firsts = form.nonzeros, first_channels(inputs)
    rows = np.repeat(np.arange(len(nonzeros.lengths)), nonzeros.lengths)
    first = np.array([firsts[tap.input] + tap.channel for tap in form.taps])[nonzeros.taps]
    # A row without weights has a nonzero of value 0, wherever that is.
    return bool(((nonzeros.channels + first == rows) | (nonzeros.values == 0)).all())


def own_channel_rows(form: Form, source: int, first: int, count: int) -> Form:
    """Some rows of a form whose rows read the channel of their own number; they and their channels are counted from 0 on.

    Args:
        source: number of the only input that they read, which is input 0 of the result.
    """
    form = some_rows(form, first, count)
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
