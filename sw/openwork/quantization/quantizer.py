"""The one step that may lose accuracy: a float network becomes integers."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from openwork.frontend import FloatFunction, FloatJoin, FloatLayer, FloatNetwork, FloatStep
from openwork.layer import IntegerLayer, row_sum_bits
from openwork.network import IntegerNetwork, LayerStep, Step, Tensor
from openwork.progress import Progress, silent
from openwork.quantization.errors import QuantizationError
from openwork.quantization.observers import Observer, observe
from openwork.quantization.residuals import REPETITIONS, Plan, joined_weights, plan, skip_weights, weights_by_step
from openwork.quantization.rounding import Rounding, error_aware_rounding, nearest
from openwork.quantization.scales import power_of_two_shifts
from openwork.quantization.tables import function_layer, with_joined_tables, without_flat_ends

BIAS_LIMIT = float(1 << 40)
"""Beyond every accumulator, and well within int64: a larger bias is refused like this one."""


def quantize(
    network: FloatNetwork,
    calibration: torch.Tensor,
    observer: Observer = Observer.MIN_MAX,
    sum_bits: int = 28,
    progress: Progress = silent,
    repetitions: int = REPETITIONS,
    error_aware: bool = False,
) -> IntegerNetwork:
    """Quantize a network to int8 activations and weights, with power-of-two requantization.

    Activations: one scale and zero point a tensor, from the range that `observer` finds in what the calibration inputs
    cause, made to agree where tensors are concatenated or added (see `agree`). Sums join the layer before them where
    that costs no accuracy (see `plan`); the layer then reads the other map, too, once or several times. Weights: one
    symmetric scale a row, ``2 ** -shift * output scale / input scale``, as fine as int8 and what joined them allow. Where a
    row could overflow its accumulator, its shift is lowered. Weights that are 0 stay 0. A function of one value becomes a
    table of its layer's outputs (see `tables`).

    Args:
        network: of the front end.
        calibration: float [inputs, channels, height, width] or [inputs, features], like what the network will see.
        observer: how the ranges of activations are chosen.
        sum_bits: width of the accumulators; shifts end at ``sum_bits - 10``.
        progress: shows how far the work is.
        repetitions: most nonzeros of a row that a residual takes; with 0 every sum is a step of its own.
        error_aware: weights and biases are not rounded to the nearest number each, but so that a row's sums stay near what
            they were (see `error_aware_rounding`).

    Raises:
        QuantizationError: the calibration inputs have another shape, are empty or not finite, or a row fits no
            accumulator.
    """
    decided = decide(network, calibration, observer, sum_bits, progress, repetitions)
    rounding = error_aware_rounding(decided.network, calibration, decided.scales, progress) if error_aware else nearest
    return integer_network(decided, sum_bits, rounding)


def decide(
    network: FloatNetwork,
    calibration: torch.Tensor,
    observer: Observer = Observer.MIN_MAX,
    sum_bits: int = 28,
    progress: Progress = silent,
    repetitions: int = REPETITIONS,
) -> Plan:
    """What of `quantize` is decided before weights become integers; the arguments are the same."""
    _check_calibration(network, calibration)
    ranges = without_flat_ends(network, observe(network, calibration.detach(), observer, progress))
    return plan(network, ranges, sum_bits - 10, repetitions)


def integer_network(decided: Plan, sum_bits: int = 28, rounding: Rounding = nearest) -> IntegerNetwork:
    """The integers that a plan leads to.

    Raises:
        QuantizationError: a row fits no accumulator.
    """
    network, shapes = decided.network, decided.network.shapes
    apart = tuple(integer_step(decided, step, sum_bits, rounding) for step in network.steps)
    functions = [step.output for step in network.steps if isinstance(step, FloatFunction)]
    steps = with_joined_tables(apart, functions, network.outputs)
    kept = {network.input, *(step.output for step in steps)}
    tensors = tuple(
        Tensor(name, shapes[name], one.scale, one.zero_point) for name, one in decided.scales.items() if name in kept
    )
    return IntegerNetwork(tensors, steps, network.outputs, network.named, network.tail)


def integer_step(decided: Plan, step: FloatStep, sum_bits: int, rounding: Rounding = nearest) -> Step:
    """One step of a plan's network in integers."""
    return step.quantized(decided.network.shapes, lambda layer: _quantize_layer(layer, decided, sum_bits, rounding))


def calibration_inputs(array: NDArray[Any]) -> torch.Tensor:
    """Calibration inputs of a user, float32 or float64, as a tensor; a copy, however the array lies in memory.

    Raises:
        QuantizationError: they have another dtype, or are none.
    """
    if array.dtype not in (np.float32, np.float64):
        raise QuantizationError(f"calibration inputs must be float32 or float64, not {array.dtype}")
    if array.ndim < 2 or not array.size:
        raise QuantizationError(f"calibration inputs must be [inputs, ...] and not empty, not {list(array.shape)}")
    return torch.tensor(np.ascontiguousarray(array))


def _check_calibration(network: FloatNetwork, calibration: torch.Tensor) -> None:
    shape = network.shapes[network.input]
    expected: list[tuple[int, ...]] = [shape]
    if shape[1] == 1:  # a map of one row may be given as the sequence that it is
        expected.append((shape[0], shape[2]))
    if shape[1:] == (1, 1):
        expected.append(shape[:1])
    if not calibration.numel() or tuple(calibration.shape[1:]) not in expected:
        raise QuantizationError(
            f"calibration inputs must be [inputs, {', '.join(map(str, expected[-1]))}] and not empty, "
            f"not {list(calibration.shape)}"
        )
    if not calibration.is_floating_point():
        raise QuantizationError(f"calibration inputs must be floating point numbers, not {calibration.dtype}")
    if not bool(torch.isfinite(calibration).all()):
        raise QuantizationError("calibration inputs are NaN or infinite")


def _quantize_layer(
    step: FloatLayer | FloatJoin | FloatFunction, decided: Plan, sum_bits: int, rounding: Rounding
) -> LayerStep:
    shapes, scales = decided.network.shapes, decided.scales
    if isinstance(step, FloatFunction):
        return function_layer(step, shapes[step.output], scales[step.inputs[0]], scales[step.output])
    layer, after = step.layer, scales[step.output]
    by_step = weights_by_step(layer, shapes, scales)
    shift = decided.shifts.get(step.output)  # of each row, to begin with
    if shift is None:
        shift = power_of_two_shifts(by_step, after.scale, sum_bits - 10).numpy()
    while True:
        unit = after.scale * np.exp2(-shift.astype(np.float64))  # what one of a sum stands for
        in_units = torch.tensor(unit)
        whole, whole_bias = rounding(layer, by_step / in_units[:, None, None, None], layer.bias / in_units)
        weights = whole.numpy().astype(np.int8)
        inputs, groups = layer.inputs, layer.groups
        if step.skip:
            skip = step.sign * skip_weights(scales[step.skip[0]].scale / after.scale, shift)
            weights, copies = joined_weights(weights, groups, skip, step.tap)
            inputs, groups = layer.inputs + step.skip * copies, 1
        emptied = (shift > 0) & ~weights.any(axis=(1, 2, 3))
        if emptied.any():  # nothing is left of their weights, and a bias needs no shift
            shift = np.where(emptied, 0, shift)
            continue
        zero_points = np.repeat([scales[name].zero_point for name in inputs], [shapes[name][0] for name in inputs])
        zero_part = weights.sum(axis=(2, 3), dtype=np.int64) @ zero_points[: weights.shape[1]]  # of groups all are one
        bias = np.clip(whole_bias.numpy(), -BIAS_LIMIT, BIAS_LIMIT).astype(np.int64) - zero_part
        too_wide = row_sum_bits(weights, bias, shift, after.zero_point) > sum_bits
        if not too_wide.any():
            break
        stuck = np.flatnonzero(too_wide & (shift == 0))
        if stuck.size:
            raise QuantizationError(
                f"layer {layer.output!r}: row {stuck[0]} overflows an accumulator of {sum_bits} bits even without a "
                f"shift: its bias or its sum of weights is too large for outputs of {after.scale:.3g} a step"
            )
        shift = shift - too_wide
    integers = IntegerLayer(
        name=step.output,
        weights=weights,
        bias=bias,
        shift=shift,
        input_zero_point=scales[layer.inputs[0]].zero_point,
        output_zero_point=after.zero_point,
        activation=step.limits.quantized(after.scale, after.zero_point),
        input_shape=(len(zero_points), *shapes[inputs[0]][1:]),
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        groups=groups,
    )
    return LayerStep(inputs, step.output, integers)
