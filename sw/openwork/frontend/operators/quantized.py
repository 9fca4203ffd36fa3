"""Activations whose range the model itself says, because the model is quantized already."""

from collections.abc import Callable, Mapping
from typing import Any

from openwork.frontend.builder import Builder, Parts
from openwork.frontend.limits import Limits
from openwork.frontend.node import Node


def _quantized(
    build: Builder,
    node: Node,
    self_: Any,
    scale: float,  # with the zero point, it says the limits
    zero_point: int,
    low: float,
    high: float,
    clipped: bool,
) -> Parts:
    limits = Limits(low, high)
    parts = build.limit(node, build.parts(self_), limits) if clipped else build.parts(self_)
    for name in parts:
        build.given.setdefault(name, limits)  # further limits, as of 7 of 8 bits, change no scale
    return parts


OPERATORS: Mapping[str, Callable[..., Parts]] = {"quantized": _quantized}
"""Operations that only readers of quantized models make."""
