"""`QuantizeLinear` and `DequantizeLinear`: integers of a file become real numbers, and quantized activations keep their range.

Openwork rounds weights anew, to the scales of its own rows. An activation between the two operators stays a real number here. The
range of the operators' integers limits the activation, and becomes the range of Openwork's own integers: for 8 bits, that is
the same scale and the same zero point.
"""

from collections.abc import Mapping

import torch

from openwork.frontend.node import Node
from openwork.frontend.onnx.operators.arithmetic import clip, number
from openwork.frontend.onnx.reader import Site, Translation
from openwork.frontend.picks import MOVES
from openwork.operations.arguments import Unsupported

LIMITS = {
    torch.int8: (-128, 127),
    torch.uint8: (0, 255),
    torch.int16: (-(1 << 15), (1 << 15) - 1),
    torch.uint16: (0, (1 << 16) - 1),
}
"""The least and the largest integer of each type that activations are quantized to."""

PICKING = (*MOVES, "max_pool1d", "max_pool2d", "quantized")
"""Operations that leave integers as they are, whatever the integers stand for."""


def _parameters(at: Site) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and zero point, in shapes that go with the operator's input."""
    scale = at.constant(1, "a scale")
    zero_point = at.constant(2, "a zero point") if at.has(2) else torch.zeros(scale.shape, dtype=torch.uint8)
    axis = at.attribute("axis", 1)
    if at.attribute("block_size", 0):
        raise Unsupported("in blocks; one scale, or one scale per channel, is possible")
    if zero_point.numel() != scale.numel() or not bool((scale > 0).all() and scale.isfinite().all()):
        raise Unsupported("with scales that are no positive numbers, or not as many as zero points")
    if scale.numel() == 1:
        return scale.reshape(()), zero_point.reshape(())
    rank = len(at.input().shape)
    axis = at.axis(axis, rank)
    if scale.ndim != 1 or scale.numel() != at.input().shape[axis]:
        raise Unsupported(f"with {scale.numel()} scales along axis {axis}")
    shape = [-1 if one == axis else 1 for one in range(rank)]
    return scale.reshape(shape), zero_point.reshape(shape)


def _range(at: Site) -> tuple[float, int, float, float]:
    """Of an activation: its scale and zero point, and the real numbers that the integers go from and to."""
    scale, zero_point = _parameters(at)
    if scale.ndim or zero_point.dtype not in LIMITS:
        raise Unsupported("of an activation with several scales, or to another type than integers of 8 and 16 bits")
    low, high = LIMITS[zero_point.dtype]
    one, zero = float(scale), int(zero_point)
    return one, zero, one * (low - zero), one * (high - zero)


def _quantize(at: Site) -> Node:
    source = at.input()
    at.attribute("saturate", 1)
    at.attribute("output_dtype", 0)
    at.attribute("precision", 0)
    if not source.is_constant:
        scale, zero_point, low, high = _range(at)
        # What is beyond the range of the input saturates when the input is quantized.
        clipped = source is not at.reader.source
        at.reader.replaced[at.node.outputs[0]] = (low, high) if clipped else None
        return at.emit(
            "quantized", self_=source, scale=scale, zero_point=zero_point, low=low, high=high, clipped=clipped
        )
    scales, zeros = _parameters(at)
    if zeros.dtype not in LIMITS:
        raise Unsupported(f"of weights to {zeros.dtype}; integers of 8 and 16 bits are possible")
    real: torch.Tensor = source.value
    whole = (torch.round(real / scales.to(real.dtype)) + zeros.to(real.dtype)).clamp(*LIMITS[zeros.dtype])
    return _replaced(at, whole.to(zeros.dtype))


def _replaced(at: Site, value: torch.Tensor) -> Node:
    """A constant under the name of the tensor that it was made of. ONNX's reference has the operators of new versions only."""
    at.reader.replaced[at.node.outputs[0]] = value.numpy()
    return at.constant_of(value, at.input().name)


def _dequantize(at: Site) -> Node:
    source = at.input()
    at.attribute("output_dtype", 0)
    scales, zeros = _parameters(at)
    if source.is_constant:
        whole: torch.Tensor = source.value
        if whole.dtype.is_floating_point:
            raise Unsupported("of numbers that are no integers")
        return _replaced(at, (whole.to(scales.dtype) - zeros.to(scales.dtype)) * scales)
    before = source
    while before.operation in PICKING and before.operation != "quantized" and before.inputs:
        before = before.inputs[0]
    if before.operation != "quantized":
        raise Unsupported("of integers that the model computes with, or takes as its input")
    scale, zero_point, _, _ = _range(at)
    if (scale, zero_point) != (before.arguments["scale"], before.arguments["zero_point"]):
        raise Unsupported("with another scale or zero point than the values were quantized with")
    at.reader.replaced[at.node.outputs[0]] = None
    return source


def _clip(at: Site) -> Node:
    """Limits of integers, as of 7 bits, between the two operators; any others are limits of real numbers."""
    source = at.input()
    if source.operation != "quantized" or at.constant(1, "a limit").dtype.is_floating_point:
        return clip(at)
    said = source.arguments
    reals = [
        None if limit is None else said["scale"] * (limit - said["zero_point"])
        for limit in (number(at, index, "a limit") for index in (1, 2))
    ]
    low = said["low"] if reals[0] is None else max(reals[0], said["low"])
    high = said["high"] if reals[1] is None else min(reals[1], said["high"])
    at.reader.replaced[at.node.outputs[0]] = (low, high)
    return at.emit("quantized", **{**said, "self_": source, "low": low, "high": high, "clipped": True})


TRANSLATIONS: Mapping[str, Translation] = {"QuantizeLinear": _quantize, "DequantizeLinear": _dequantize, "Clip": _clip}
