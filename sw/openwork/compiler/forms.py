"""Steps of a network as matrices: what each row multiplies, and where it finds its operands."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.errors import CompileError
from openwork.layer import IntegerLayer
from openwork.limits import MAX_MATRIX, check_limit
from openwork.network import IntegerNetwork, LayerStep, MaxPool, Reshape, Step, Upsample
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN, fold_offset
from openwork_hw.arch.commands import Operation

COPY_WEIGHT, COPY_SHIFT = 64, 6
"""A row of this weight and shift hands its operand on unchanged."""


class Tap(NamedTuple):
    """One place that rows read: which input, how far from ``stride * (y, x)`` of the output's pixel, from which channel on."""

    input: int
    down: int
    right: int
    channel: int = 0


@dataclass(frozen=True, eq=False)
class Nonzeros:
    """Of some rows, row by row, in each by tap and channel; a row without any holds one of value 0.

    Attributes:
        lengths: int64 [rows].
        taps, channels: int64 [nonzeros]: number of the tap, channel of the input that it reads.
        values: int8 [nonzeros].
    """

    lengths: NDArray[np.int64]
    taps: NDArray[np.int64]
    channels: NDArray[np.int64]
    values: NDArray[np.int8]

    @classmethod
    def of(cls, blocks: Sequence[NDArray[np.int8]]) -> "Nonzeros":
        """Of weights int8 [rows, channels] of each tap."""
        weights = np.concatenate(blocks, axis=1)
        ends = np.cumsum([block.shape[1] for block in blocks])
        stored = weights != 0
        stored[~stored.any(axis=1), 0] = True
        rows, places = np.nonzero(stored)
        taps = np.searchsorted(ends, places, side="right")
        channels = places - np.append(0, ends)[taps]
        return cls(np.bincount(rows).astype(np.int64), taps, channels, weights[rows, places])

    def select(self, rows: NDArray[np.int64]) -> "Nonzeros":
        """Those of the rows of these numbers, in that order."""
        lengths = self.lengths[rows]
        firsts = (np.cumsum(self.lengths) - self.lengths)[rows]
        places = np.repeat(firsts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
        return Nonzeros(lengths, self.taps[places], self.channels[places], self.values[places])

    def row_sums(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each row, the sum of what `values` says of its nonzeros."""
        return np.add.reduceat(values, np.cumsum(self.lengths) - self.lengths)


@dataclass(frozen=True, eq=False)
class Form:
    """A step as rows of nonzeros.

    Attributes:
        name: of the tensor it makes.
        nonzeros: of all its rows.
        taps: what each tap reads.
        offsets, shifts: int64 [rows], of the row records.
        low, high: int8 limits of the output.
        pad: what a tap outside the map reads; None where none can be.
        stride: input pixels per output pixel, down and across; 1 along an axis with a single output pixel.
        enlarge: output pixels for an input pixel.
        operation: what becomes of products. POOL: taps are the pixels of a block, filled in when blocks are known.
        moved: the inputs, which are maps, first become vectors, pixel by pixel.
    """

    name: str
    nonzeros: Nonzeros
    taps: tuple[Tap, ...]
    offsets: NDArray[np.int64]
    shifts: NDArray[np.int64]
    low: int = ACTIVATION_MIN
    high: int = ACTIVATION_MAX
    pad: int | None = None
    stride: tuple[int, int] = (1, 1)
    enlarge: int = 1
    operation: Operation = Operation.SUM
    moved: bool = False


@dataclass(frozen=True, eq=False)
class Forms:
    """A network as rows of nonzeros.

    Attributes:
        network: what the forms compute.
        forms: of each step; None for a reshape, which only moves.
        vectors: the tensors that are vectors; all others are maps.
    """

    network: IntegerNetwork
    forms: tuple[Form | None, ...]
    vectors: frozenset[str]

    def __str__(self) -> str:
        lines = []
        for step, form in zip(self.network.steps, self.forms, strict=True):
            kind = "vector" if step.output in self.vectors else "map"
            rows = f"{len(form.offsets)} rows, {len(form.nonzeros.values)} nonzeros" if form else "moves only"
            lines.append(f"{step.output}: {kind}, {rows}")
        return "\n".join(lines)


def network_forms(network: IntegerNetwork) -> Forms:
    """The forms of all steps.

    Raises:
        CompileError: a step has none.
    """
    vectors = {network.input.name} if network.input.shape[1:] == (1, 1) else set()
    forms: list[Form | None] = []
    for step in network.steps:
        kinds = {name in vectors for name in step.inputs}
        if len(kinds) > 1:
            raise CompileError(f"step {step.output!r} reads vectors and maps together: the array cannot")
        vector = kinds == {True}
        form = form_of(network, step, vector=vector)
        _, height, width = network.tensor(step.output).shape
        if form is None and vector and (height, width) == (1, 1):
            raise CompileError(f"step {step.output!r} turns a vector into itself: leave it out")
        if (height, width) == (1, 1) and (vector or form is None or form.moved or form.operation is Operation.POOL):
            vectors.add(step.output)
        if form is not None:  # along an axis with one output pixel, no stride is ever taken
            form = replace(form, stride=(form.stride[0] if height > 1 else 1, form.stride[1] if width > 1 else 1))
        forms.append(form)
    return Forms(network, tuple(forms), frozenset(vectors))


def form_of(network: IntegerNetwork, step: Step, *, vector: bool) -> Form | None:
    """The form of a step; None for a reshape, which only moves.

    Args:
        vector: its inputs are vectors, not maps of one pixel.

    Raises:
        CompileError: there is none.
    """
    shapes = [network.tensor(name).shape for name in step.inputs]
    channels = [shape[0] for shape in shapes]
    if vector and isinstance(step, LayerStep | MaxPool) and network.tensor(step.output).shape[1:] != (1, 1):
        raise CompileError(
            f"step {step.output!r}: its padding makes a map out of one pixel, which the array cannot: "
            "enlarge or reshape the vector first"
        )
    if isinstance(step, LayerStep):
        layer = step.layer
        if vector:
            return _vector_layer(layer, channels)
        if layer.covers_map and layer.taps > 1:
            return _pooled(layer) if len(channels) == 1 and _is_pooling(layer) else _flattened(layer, channels)
        return _layer(layer, channels)
    if isinstance(step, MaxPool):
        if vector:
            return copies(step.output, channels, Operation.SUM)
        kernel_h, kernel_w = step.kernel
        top, left, _, _ = step.padding
        _check_matrix(step.output, sum(channels) ** 2 * kernel_h * kernel_w)
        places = [(ky - top, kx - left) for ky in range(kernel_h) for kx in range(kernel_w)]
        form = copies(step.output, channels, Operation.MAX, places)
        return replace(form, pad=ACTIVATION_MIN if any(step.padding) else None, stride=(step.stride, step.stride))
    if isinstance(step, Upsample):
        return replace(copies(step.output, channels, Operation.SUM), enlarge=step.factor)
    assert isinstance(step, Reshape)
    return None


def _kernel(layer: IntegerLayer, channels: Sequence[int]) -> list[NDArray[np.int8]]:
    """For each input the weights int8 [rows, taps, its channels], of all groups."""
    group_channels, group_rows = layer.channels // layer.groups, layer.rows // layer.groups
    _check_matrix(layer.name, layer.rows * layer.taps * layer.channels)
    weights = np.zeros((layer.rows, layer.taps, layer.channels), dtype=np.int8)
    by_tap = layer.weights.reshape(layer.rows, group_channels, layer.taps).transpose(0, 2, 1)
    for group in range(layer.groups):
        rows = slice(group * group_rows, (group + 1) * group_rows)
        weights[rows, :, group * group_channels : (group + 1) * group_channels] = by_tap[rows]
    return np.split(weights, np.cumsum(channels)[:-1], axis=2)


def _layer(layer: IntegerLayer, channels: Sequence[int]) -> Form:
    kernel_w = layer.kernel[1]
    top, left, _, _ = layer.padding
    blocks, taps = [], []
    for number, weights in enumerate(_kernel(layer, channels)):
        for tap in range(layer.taps):
            if weights[:, tap].any():  # a residual joins at one tap of many
                blocks.append(weights[:, tap])
                ky, kx = divmod(tap, kernel_w)
                taps.append(Tap(number, layer.dilation * ky - top, layer.dilation * kx - left))
    if not blocks:
        blocks, taps = [np.zeros((layer.rows, 1), dtype=np.int8)], [Tap(0, 0, 0)]
    return Form(
        layer.name,
        Nonzeros.of(blocks),
        tuple(taps),
        _offsets(layer),
        layer.shift,
        layer.low,
        layer.high,
        pad=layer.input_zero_point if any(layer.padding) else None,
        stride=(layer.stride, layer.stride),
    )


def _vector_layer(layer: IntegerLayer, channels: Sequence[int]) -> Form:
    """Of a layer over one pixel: what its other taps would read is padding, and joins the offset."""
    kernel_h, kernel_w = layer.kernel
    top, left, _, _ = layer.padding
    centers = [
        ky * kernel_w + kx
        for ky in range(kernel_h)
        for kx in range(kernel_w)
        if layer.dilation * ky == top and layer.dilation * kx == left
    ]
    kernels = _kernel(layer, channels)
    offsets = _offsets(layer)
    for tap in range(layer.taps):
        if tap not in centers:
            offsets = offsets + layer.input_zero_point * sum(
                weights[:, tap].astype(np.int64).sum(axis=1) for weights in kernels
            )
    center = centers[0] if centers else None
    blocks = [weights[:, center] if center is not None else 0 * weights[:, 0] for weights in kernels]
    taps = tuple(Tap(number, 0, 0) for number in range(len(blocks)))
    return Form(layer.name, Nonzeros.of(blocks), taps, offsets, layer.shift, layer.low, layer.high)


def _is_pooling(layer: IntegerLayer) -> bool:
    by_tap = layer.weights.reshape(layer.rows, -1, layer.taps)
    return bool((by_tap == by_tap[:, :, :1]).all())


def _pooled(layer: IntegerLayer) -> Form:
    """Equal weights over the whole map: the array adds up over all lanes and PEs. One tap stands for all."""
    (weights,) = _kernel(layer, [layer.channels])
    return Form(
        layer.name,
        Nonzeros.of([weights[:, 0]]),
        (Tap(0, 0, 0),),
        _offsets(layer),
        layer.shift,
        layer.low,
        layer.high,
        operation=Operation.POOL,
    )


def _flattened(layer: IntegerLayer, channels: Sequence[int]) -> Form:
    """A kernel as large as the map: its inputs become vectors, tap by tap."""
    blocks = [weights.reshape(layer.rows, -1) for weights in _kernel(layer, channels)]
    taps = tuple(Tap(number, 0, 0) for number in range(len(blocks)))
    return Form(layer.name, Nonzeros.of(blocks), taps, _offsets(layer), layer.shift, layer.low, layer.high, moved=True)


def copies(
    name: str, channels: Sequence[int], operation: Operation, places: Sequence[tuple[int, int]] = ((0, 0),)
) -> Form:
    """Each row reads one channel, at one or more places; exact, whatever the zero point."""
    weight, shift = (1, 0) if operation is Operation.MAX else (COPY_WEIGHT, COPY_SHIFT)
    rows = sum(channels)
    _check_matrix(name, rows * len(places) * rows)
    blocks, taps = [], []
    first = 0
    for number, count in enumerate(channels):
        block = np.zeros((rows, count), dtype=np.int8)
        block[first + np.arange(count), np.arange(count)] = weight
        first += count
        blocks += [block] * len(places)
        taps += [Tap(number, down, right) for down, right in places]
    offsets = np.full(rows, (1 << shift) >> 1, dtype=np.int64)
    return Form(name, Nonzeros.of(blocks), tuple(taps), offsets, np.full(rows, shift, np.int64), operation=operation)


def _check_matrix(name: str, entries: int) -> None:
    check_limit(CompileError, f"the matrix of step {name!r}", entries, MAX_MATRIX, "entries, zeros included")


def _offsets(layer: IntegerLayer) -> NDArray[np.int64]:
    return fold_offset(layer.bias, layer.shift, layer.output_zero_point)
