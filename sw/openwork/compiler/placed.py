"""Forms that depend on how maps are divided: to pool blocks, shift copies, gather pixels, and turn vectors into maps."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from openwork.compiler.buffers import Buffer
from openwork.compiler.errors import CompileError
from openwork.network import MAX_TAPS
from openwork.operations.form import COPY_SHIFT, COPY_WEIGHT, Form, Nonzeros, Tap
from openwork_hw.arch.timing import POOL_CYCLES


def pool_taps(form: Form, source: Buffer) -> Form:
    """The form of a global pooling over a divided map.

    The form has one tap per pixel of a block, and every tap has the weights of the form's single tap. The array also adds up
    the pixels of blocks that are outside the map, so the offset of each row subtracts them.
    """
    pixels, channels = source.block[0] * source.block[1], source.shape[0]
    one = form.nonzeros
    # Short rows are padded (see arch.timing.POOL_CYCLES) with nonzeros of value 0, which have taps of their own.
    padding = np.maximum(source.lanes + POOL_CYCLES - pixels * one.lengths, 0)
    taps = pixels + -(-int(padding.max()) // channels)
    if taps > MAX_TAPS:
        raise CompileError(
            f"layer {form.name!r}: {pixels} pixels per lane are summed, and a row has at most {MAX_TAPS} taps: "
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


def shifted_copies(name: str, channels: int, shifts: Sequence[tuple[int, int]], pad: int) -> Form:
    """Copies of a map side by side as channels of one map. Each copy reads its pixels from `shifts` pixels down and across."""
    rows = len(shifts) * channels
    ones = np.ones(rows, np.int64)
    return Form(
        name,
        Nonzeros(
            ones,
            np.repeat(np.arange(len(shifts)), channels),
            np.tile(np.arange(channels), len(shifts)),
            np.full(rows, COPY_WEIGHT, np.int8),
        ),
        tuple(Tap(0, *shift) for shift in shifts),
        ones << COPY_SHIFT >> 1,
        COPY_SHIFT * ones,
        pad=pad,
    )


def closed_up(name: str, channels: int, step: tuple[int, int]) -> Form:
    """A map of which the pixels from some pixel on come one step nearer, while the pixels before stay.

    The form reads the map, and two kept copies of it side by side: a copy of each pixel, and a copy of the pixel one step
    further. Both copies are 0 from some pixel on. Each row computes kept - kept one step further + map one step further. This
    is the pixel itself where the copies are kept, and the pixel one step further elsewhere.
    """
    rows = np.arange(channels)
    ones = np.ones(channels, np.int64)
    return Form(
        name,
        Nonzeros(
            3 * ones,
            np.tile([0, 0, 1], channels),
            np.stack([rows, channels + rows, rows], axis=1).reshape(-1),
            np.tile(np.array([COPY_WEIGHT, -COPY_WEIGHT, COPY_WEIGHT], np.int8), channels),
        ),
        (Tap(0, 0, 0), Tap(1, *step)),
        ones << COPY_SHIFT >> 1,
        COPY_SHIFT * ones,
    )


def laid_out(name: str, shape: tuple[int, int, int]) -> Form:
    """A map of this shape, made from a vector in the order channel, row, column.

    The form reads the vector as a block of one channel. Each row takes the words that lie one channel of the map further.
    """
    channels, height, width = shape
    ones = np.ones(channels, np.int64)
    return Form(
        name,
        Nonzeros(ones, 0 * ones, height * width * np.arange(channels), np.full(channels, COPY_WEIGHT, np.int8)),
        (Tap(0, 0, 0),),
        ones << COPY_SHIFT >> 1,
        COPY_SHIFT * ones,
    )


def joined_blocks(name: str, channels: int, own: tuple[int, int], next_block: tuple[int, int]) -> Form:
    """The sum of two maps that are 0 outside: the first from pixel `own` on, and the second shifted by `next_block` pixels."""
    rows = np.arange(channels)
    ones = np.ones(channels, np.int64)
    return Form(
        name,
        Nonzeros(2 * ones, np.tile([0, 1], channels), np.repeat(rows, 2), np.full(2 * channels, COPY_WEIGHT, np.int8)),
        (Tap(0, *own), Tap(1, -next_block[0], -next_block[1])),
        ones << COPY_SHIFT >> 1,
        COPY_SHIFT * ones,
        pad=0,
    )
