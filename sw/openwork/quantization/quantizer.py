"""The one step that may lose accuracy: a float model becomes integers."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from openwork.layer import IntegerLayer, QuantizedModel, row_sum_bits
from openwork.quantization.folding import FloatLayer, QuantizationError, fold
from openwork.quantization.scales import (
    WEIGHT_MAX,
    ActivationScale,
    activation_scale,
    power_of_two_shifts,
    round_to_int8,
)
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN


def quantize(model: nn.Module, calibration: torch.Tensor, sum_bits: int = 28) -> QuantizedModel:
    """Quantize a model to int8 activations and weights, with power-of-two requantization.

    Activations: one scale and zero point a tensor, from the least and largest value that the calibration inputs cause.
    Weights: one symmetric scale a row, ``2 ** -shift * output scale / input scale``, as fine as int8 allows. Where a
    row's weights are so large that its shift would be negative, the layer's output scale is raised until it is 0; where
    a row could overflow its accumulator, its shift is lowered. Weights that are 0 stay 0.

    Args:
        model: what `fold` takes; computed as in eval mode, stays as it is.
        calibration: float [inputs, channels, height, width] or [inputs, features], like what the model will see.
        sum_bits: width of the accumulators; shifts end at ``sum_bits - 10``.

    Raises:
        QuantizationError: see `fold`; or the calibration inputs are empty or not finite, or a row fits no accumulator.
    """
    if not calibration.numel() or calibration.ndim not in (2, 4):
        raise QuantizationError(
            f"calibration inputs must be [inputs, channels, height, width] or [inputs, features] and not empty, "
            f"not {list(calibration.shape)}"
        )
    if not bool(torch.isfinite(calibration).all()):
        raise QuantizationError("calibration inputs are NaN or infinite")
    layers = fold(model, tuple(calibration.shape[1:]))
    activations = calibration.detach().double().reshape(-1, *layers[0].input_shape)
    scales = [_range_scale(activations, least=0.0)]
    integer_layers = []
    for layer in layers:
        activations = layer.run(activations)
        least = scales[-1].scale * float(layer.weights.abs().max()) / WEIGHT_MAX
        scales.append(_range_scale(activations, least))
        integer_layers.append(_quantize_layer(layer, scales[-2], scales[-1], sum_bits))
    return QuantizedModel(tuple(integer_layers), tuple(scale.scale for scale in scales))


def _range_scale(activations: torch.Tensor, least: float) -> ActivationScale:
    return activation_scale(float(activations.min()), float(activations.max()), least)


def _quantize_layer(layer: FloatLayer, before: ActivationScale, after: ActivationScale, sum_bits: int) -> IntegerLayer:
    ratio = after.scale / before.scale
    shift: NDArray[np.int64] = power_of_two_shifts(layer.weights, ratio, sum_bits - 10).numpy()
    while True:
        unit = np.exp2(-shift.astype(np.float64))  # of a sum, in output steps
        weights = round_to_int8(layer.weights, torch.tensor(ratio * unit)[:, None, None, None]).numpy().astype(np.int8)
        zero_part = before.zero_point * weights.astype(np.int64).sum(axis=(1, 2, 3))
        bias = np.floor(layer.bias.numpy() / (after.scale * unit) + 0.5).astype(np.int64) - zero_part
        too_wide = row_sum_bits(weights, bias, shift, after.zero_point) > sum_bits
        if not too_wide.any():
            break
        stuck = np.flatnonzero(too_wide & (shift == 0))
        if stuck.size:
            raise QuantizationError(
                f"layer {layer.name!r}: row {stuck[0]} overflows an accumulator of {sum_bits} bits even without a "
                f"shift: its bias or its sum of weights is too large for outputs of {after.scale:.3g} a step"
            )
        shift = shift - too_wide
    return IntegerLayer(
        name=layer.name,
        weights=weights,
        bias=bias,
        shift=shift,
        input_zero_point=before.zero_point,
        output_zero_point=after.zero_point,
        low=after.zero_point if layer.relu else ACTIVATION_MIN,
        high=ACTIVATION_MAX,
        input_shape=layer.input_shape,
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=layer.groups,
    )
