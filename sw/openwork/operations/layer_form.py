"""The form of a layer, as rows of nonzeros: over a map, over a vector, or over a whole map at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from openwork.layer import IntegerLayer
from openwork.operations.form import Form, Nonzeros, Tap, check_matrix
from openwork_hw.arch.arithmetic import fold_offset
from openwork_hw.arch.commands import Operation


def layer_form(layer: IntegerLayer, channels: Sequence[int]) -> Form:
    """Of a layer over a map.

    Args:
        layer: the layer.
        channels: of each of its inputs.

    Raises:
        FormError: its matrix is too large.
    """
    if layer.covers_map and layer.taps > 1:
        return _pooled(layer) if len(channels) == 1 and _is_pooling(layer) else _flattened(layer, channels)
    return _rows(layer, channels)


def vector_form(layer: IntegerLayer, channels: Sequence[int]) -> Form:
    """Of a layer over one pixel: what its other taps would read is padding, and joins the offset.

    Args:
        layer: the layer.
        channels: of each of its inputs.

    Raises:
        FormError: its matrix is too large.
    """
    kernel_h, kernel_w = layer.kernel
    top, left, _, _ = layer.padding
    centers = [
        ky * kernel_w + kx
        for ky in range(kernel_h)
        for kx in range(kernel_w)
        if layer.dilation[0] * ky == top and layer.dilation[1] * kx == left
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
    return Form(layer.name, Nonzeros.of(blocks), taps, offsets, layer.shift, layer.activation)


def _kernel(layer: IntegerLayer, channels: Sequence[int]) -> list[NDArray[np.int8]]:
    """The weights of all groups for each input, int8 [rows, taps, channels of the input]."""
    group_channels, group_rows = layer.channels // layer.groups, layer.rows // layer.groups
    check_matrix(layer.name, layer.rows * layer.taps * layer.channels)
    weights = np.zeros((layer.rows, layer.taps, layer.channels), dtype=np.int8)
    by_tap = layer.weights.reshape(layer.rows, group_channels, layer.taps).transpose(0, 2, 1)
    for group in range(layer.groups):
        rows = slice(group * group_rows, (group + 1) * group_rows)
        weights[rows, :, group * group_channels : (group + 1) * group_channels] = by_tap[rows]
    return np.split(weights, np.cumsum(channels)[:-1], axis=2)


def _rows(layer: IntegerLayer, channels: Sequence[int]) -> Form:
    kernel_w = layer.kernel[1]
    top, left, _, _ = layer.padding
    blocks, taps = [], []
    for number, weights in enumerate(_kernel(layer, channels)):
        for tap in range(layer.taps):
            if weights[:, tap].any():  # a residual joins at one tap of many
                blocks.append(weights[:, tap])
                ky, kx = divmod(tap, kernel_w)
                taps.append(Tap(number, layer.dilation[0] * ky - top, layer.dilation[1] * kx - left))
    if not blocks:
        blocks, taps = [np.zeros((layer.rows, 1), dtype=np.int8)], [Tap(0, 0, 0)]
    return Form(
        layer.name,
        Nonzeros.of(blocks),
        tuple(taps),
        _offsets(layer),
        layer.shift,
        layer.activation,
        pad=layer.input_zero_point if any(layer.padding) else None,
        stride=layer.stride,
    )


def _is_pooling(layer: IntegerLayer) -> bool:
    by_tap = layer.weights.reshape(layer.rows, -1, layer.taps)
    return bool((by_tap == by_tap[:, :, :1]).all())


def _pooled(layer: IntegerLayer) -> Form:
    """The form of a layer with equal weights over the whole map: the array adds over all lanes and PEs. One tap stands for all."""
    (weights,) = _kernel(layer, [layer.channels])
    return Form(
        layer.name,
        Nonzeros.of([weights[:, 0]]),
        (Tap(0, 0, 0),),
        _offsets(layer),
        layer.shift,
        layer.activation,
        operation=Operation.POOL,
    )


def _flattened(layer: IntegerLayer, channels: Sequence[int]) -> Form:
    """The form of a layer whose kernel is as large as the map: its inputs become vectors, tap by tap."""
    blocks = [weights.reshape(layer.rows, -1) for weights in _kernel(layer, channels)]
    taps = tuple(Tap(number, 0, 0) for number in range(len(blocks)))
    return Form(layer.name, Nonzeros.of(blocks), taps, _offsets(layer), layer.shift, layer.activation, moved=True)


def _offsets(layer: IntegerLayer) -> NDArray[np.int64]:
    return fold_offset(layer.bias, layer.shift, layer.output_zero_point)
