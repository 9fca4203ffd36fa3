"""Integer layers on PyTorch int64 tensors: no floating point, no rounding but the one of requantization."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from openwork.layer import IntegerLayer, LayerError
from openwork_hw.arch.arithmetic import requantize


def partial_sums(layer: IntegerLayer, inputs: NDArray[np.int8]) -> NDArray[np.int64]:
    """The sums that go into requantization, over the raw activations; bias not added.

    Args:
        layer: what to compute.
        inputs: int8 [channels, height, width] or [batch, channels, height, width].

    Returns:
        int64 [rows, height, width] of the output map, with the batch in front if there was one.

    Raises:
        LayerError: the inputs are not int8 of the layer's shape.
    """
    if inputs.dtype != np.int8 or inputs.ndim not in (3, 4) or inputs.shape[-3:] != layer.input_shape:
        raise LayerError(
            f"layer {layer.name!r} takes int8 {list(layer.input_shape)}, or a batch of it, "
            f"not {inputs.dtype} {list(inputs.shape)}"
        )
    top, left, bottom, right = layer.padding
    kernel_h, kernel_w = layer.kernel
    padded = functional.pad(
        torch.tensor(inputs.reshape(-1, *layer.input_shape), dtype=torch.int64),
        (left, right, top, bottom),
        value=layer.input_zero_point,
    )
    windows = padded.unfold(2, layer.dilation * (kernel_h - 1) + 1, layer.stride)
    windows = windows.unfold(3, layer.dilation * (kernel_w - 1) + 1, layer.stride)
    windows = windows[..., :: layer.dilation, :: layer.dilation]  # [batch, channel, y, x, ky, kx]
    grouped = torch.unflatten(windows, 1, (layer.groups, layer.channels // layer.groups))
    weights = torch.tensor(layer.weights, dtype=torch.int64)
    weights = torch.unflatten(weights, 0, (layer.groups, layer.rows // layer.groups))
    sums = torch.einsum("ngcyxhw,grchw->ngryx", grouped, weights)
    return sums.reshape(*inputs.shape[:-3], *layer.output_shape).numpy()


def run_layer(layer: IntegerLayer, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """The layer's int8 outputs [rows, height, width], with the batch in front if `inputs` has one."""
    outputs = requantize(
        partial_sums(layer, inputs),
        layer.bias[:, None, None],
        layer.shift[:, None, None],
        layer.output_zero_point,
        layer.low,
        layer.high,
    )
    return outputs.astype(np.int8)
