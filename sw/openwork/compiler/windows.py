"""Windows: which pixels and channels of a step are computed at once, and the rows of its form for some channels."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from openwork.compiler.buffers import Buffer
from openwork.compiler.errors import CompileError
from openwork.compiler.external_maps import Part
from openwork.network import Step
from openwork.operations.form import Form, Nonzeros
from openwork_hw.arch.config import ArrayConfig


def window_parts(
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
                share * (len(window) + len(pixels_read(pixels, window)))
                for pixels in reads.values()
                for window in windows
            )
            if need <= config.feature_words:
                return tuple(
                    Part(window, first + chosen[0], len(chosen))
                    for first, source in zip(first_channels(inputs), inputs, strict=True)
                    for chosen in even_parts(source.shape[0], share)
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
        windows = even_parts(rows * across, most)
        if most > across and any(len(window) % across for window in windows):
            continue
        yield (
            windows,
            max(
                channels * len(window) + sum(count * len(pixels_read(reads, window)) for reads, count in inputs)
                for window in windows
            ),
        )


def input_parts(whole: Buffer, config: ArrayConfig) -> tuple[Part, ...]:
    """Parts of the network's input, each as large as the feature memory allows."""
    at_once = config.feature_words // whole.shape[0]
    if not at_once:
        raise CompileError(
            f"a pixel of {whole.tensor!r} has {whole.shape[0]} channels, and a PE has {config.feature_words} feature words",
            need=whole.shape[0],
        )
    return tuple(Part(pixels, 0, whole.shape[0]) for pixels in even_parts(len(whole.pixels), at_once))


def even_parts(count: int, most: int) -> tuple[tuple[int, ...], ...]:
    """The numbers from 0 on in parts of nearly equal length, at most so long."""
    parts = -(-count // most)
    ends = [count * number // parts for number in range(parts + 1)]
    return tuple(tuple(range(first, last)) for first, last in pairwise(ends))


def pixels_read(reads: Sequence[frozenset[int]], window: Sequence[int]) -> tuple[int, ...]:
    """The pixels that a window reads; one at least, so that there is something to point at."""
    return tuple(sorted(frozenset[int]().union(*(reads[pixel] for pixel in window)) or {0}))


def first_channels(inputs: Sequence[Buffer]) -> list[int]:
    """The first channel of each input among the channels of all inputs together."""
    ends = np.cumsum([source.shape[0] for source in inputs]).tolist()
    return [0, *ends[:-1]]


def reads_own_channel(form: Form, inputs: Sequence[Buffer]) -> bool:
    """Whether each row reads the channel of its own number alone, among the channels of all inputs together."""
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
