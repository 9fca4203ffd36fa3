"""Sums, products with constants, limits."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from openwork.frontend.builder import Builder, Parts
from openwork.frontend.float_steps import FloatAdd, FloatLayer
from openwork.frontend.limits import Limits
from openwork.frontend.node import Node
from openwork.operations.arguments import Unsupported


def _add(build: Builder, node: Node, self_: Any, other: Any, alpha: Any = 1, sign: int = 1) -> Parts:
    if alpha != 1:
        raise Unsupported(f"with alpha {alpha}")
    for value, constant, signs in ((self_, other, (1, sign)), (other, self_, (sign, 1))):
        number = build.per_channel(node, constant, value)
        if number is not None:
            factor = torch.full_like(number, signs[0])
            return build.affine(node, build.parts(value), factor, signs[1] * number)
    first, second = build.parts(self_), build.parts(other)
    shapes = [value.texts for value in (self_, other)]
    if shapes[0] != shapes[1]:
        raise Unsupported(f"of shapes {shapes[0]} and {shapes[1]}; both must be equal")
    if first == second:
        channels = build.channels(first)
        double = torch.full((channels,), 1.0 + sign, dtype=torch.float64)
        layer = FloatLayer(first, "", double[:, None, None, None], double * 0, groups=channels)
        return build.emit_layer(node, layer)
    return build.emit(node, FloatAdd((*first, *second), "", len(first), (1, sign)), build.shape(node))


def _sub(build: Builder, node: Node, self_: Any, other: Any, alpha: Any = 1) -> Parts:
    return _add(build, node, self_, other, alpha, sign=-1)


def _rsub(build: Builder, node: Node, self_: Any, other: Any, alpha: Any = 1) -> Parts:
    return _add(build, node, other, self_, alpha, sign=-1)


def _mul(build: Builder, node: Node, self_: Any, other: Any) -> Parts:
    for value, constant in ((self_, other), (other, self_)):
        number = build.per_channel(node, constant, value)
        if number is not None:
            return build.affine(node, build.parts(value), number, torch.zeros_like(number))
    raise Unsupported("of two tensors that depend on the input")


def _div(build: Builder, node: Node, self_: Any, other: Any, rounding_mode: str | None = None) -> Parts:
    if rounding_mode is not None:
        raise Unsupported(f"with rounding_mode {rounding_mode}")
    number = build.per_channel(node, other, self_)
    if number is None:
        raise Unsupported("by a tensor that depends on the input")
    return build.affine(node, build.parts(self_), 1 / number, torch.zeros_like(number))


def _relu(build: Builder, node: Node, self_: Any) -> Parts:
    return build.limit(node, build.parts(self_), Limits(0.0))


def _relu6(build: Builder, node: Node, self_: Any) -> Parts:
    return build.limit(node, build.parts(self_), Limits(0.0, 6.0))


def _hardtanh(build: Builder, node: Node, self_: Any, min_val: Any = -1, max_val: Any = 1) -> Parts:
    return _clamp(build, node, self_, min_val, max_val)


def _clamp(build: Builder, node: Node, self_: Any, min: Any = None, max: Any = None) -> Parts:
    limits = [default if value is None else value for value, default in ((min, -math.inf), (max, math.inf))]
    if not all(isinstance(limit, int | float) for limit in limits):
        raise Unsupported("with limits that are tensors")
    if any(map(math.isnan, limits)):
        raise Unsupported("with a limit that is NaN")
    return build.limit(node, build.parts(self_), Limits(float(limits[0]), float(limits[1])))


def _neg(build: Builder, node: Node, self_: Any) -> Parts:
    return _scaled(build, node, build.parts(self_), -1.0, 0.0)


def _hardsigmoid(build: Builder, node: Node, self_: Any) -> Parts:
    return build.limit(node, _scaled(build, node, build.parts(self_), 1 / 6, 0.5), Limits(0.0, 1.0))


def _scaled(build: Builder, node: Node, source: Parts, factor: float, offset: float) -> Parts:
    ones = torch.ones(build.channels(source), dtype=torch.float64)
    return build.affine(node, source, factor * ones, offset * ones)


OPERATORS: Mapping[str, Callable[..., Parts]] = {
    "neg": _neg,
    "hardsigmoid": _hardsigmoid,
    "add": _add,
    "sub": _sub,
    "rsub": _rsub,
    "mul": _mul,
    "div": _div,
    "relu": _relu,
    "relu6": _relu6,
    "hardtanh": _hardtanh,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": _clamp,
}
