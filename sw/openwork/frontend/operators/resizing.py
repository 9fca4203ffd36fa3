"""Resizing: nearest, bilinear, bicubic and area, by any factors. PyTorch itself says which pixels a pixel is made of."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from openwork.frontend.axes import zeros
from openwork.frontend.builder import Builder, Parts
from openwork.frontend.node import Node
from openwork.frontend.resampling import resampled
from openwork.operations import Upsample
from openwork.operations.arguments import Unsupported

Scales = tuple[Any, Any]
"""The factors that PyTorch was given, down and across: it steps by them, and not by the sizes. None where sizes say it."""


def _matrix(operator: str, corners: tuple[bool, ...], before: int, after: int, scale: Any) -> torch.Tensor:
    """What resizing makes of an axis, float64 [pixels after, pixels before]."""
    if scale is not None and not isinstance(scale, float):
        raise Unsupported("by a factor that depends on the size of the input")
    zeros(max(before, after), before)  # or it is refused
    one = torch.eye(before, dtype=torch.float64)[None, :, :, None]
    resized = getattr(torch.ops.aten, operator).default(one, [after, 1], *corners, scale, None)
    found: torch.Tensor = resized[0, :, :, 0].t()
    return found


def _resized(build: Builder, node: Node, self_: Any, operator: str, corners: tuple[bool, ...], scales: Scales) -> Parts:
    source, before, after = build.parts(self_), build.shape(self_)[1:], build.shape(node)[1:]
    matrices = [_matrix(operator, corners, before[axis], after[axis], scales[axis]) for axis in (0, 1)]
    factors = [after[axis] // before[axis] for axis in (0, 1)]
    copied = [
        torch.eye(before[axis], dtype=torch.float64).repeat_interleave(max(factors[axis], 1), 0) for axis in (0, 1)
    ]
    if all(torch.equal(*pair) for pair in zip(matrices, copied, strict=True)):
        return build.emit_map(node, Upsample(source, "", (factors[0], factors[1])), source)
    return resampled(build, node, source, *matrices)


def _nearest(operator: str) -> Callable[..., Parts]:
    def lower(
        build: Builder,
        node: Node,
        self_: Any,
        output_size: Any,  # the shape of the result says it
        scale_factors: Any = None,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Parts:
        return _resized(build, node, self_, operator, (), scale_factors or (scales_h, scales_w))

    return lower


def _interpolated(operator: str) -> Callable[..., Parts]:
    def lower(
        build: Builder,
        node: Node,
        self_: Any,
        output_size: Any,  # the shape of the result says it
        align_corners: bool,
        scale_factors: Any = None,
        scales_h: float | None = None,
        scales_w: float | None = None,
    ) -> Parts:
        return _resized(build, node, self_, operator, (align_corners,), scale_factors or (scales_h, scales_w))

    return lower


OPERATORS: Mapping[str, Callable[..., Parts]] = {
    "upsample_nearest2d": _nearest("upsample_nearest2d"),
    "upsample_nearest_exact2d": _nearest("_upsample_nearest_exact2d"),
    "upsample_bilinear2d": _interpolated("upsample_bilinear2d"),
    "upsample_bicubic2d": _interpolated("upsample_bicubic2d"),
}
