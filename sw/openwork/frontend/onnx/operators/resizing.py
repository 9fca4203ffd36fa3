"""Resizing: ONNX's formulas say which pixels a pixel is made of, and PyTorch's operators are taken where they say the same."""

from collections.abc import Mapping
from math import ceil, floor
from typing import Any

import torch

from openwork.frontend.node import Node
from openwork.frontend.onnx.operators.moves import sizes_of
from openwork.frontend.onnx.reader import Site, Translation
from openwork.operations.arguments import Unsupported

ROUNDINGS = {
    "round_prefer_floor": lambda place: ceil(place - 0.5),
    "round_prefer_ceil": lambda place: floor(place + 0.5),
    "floor": floor,
    "ceil": ceil,
}

MAX_PIXELS = 1 << 20
"""Of an axis that is enlarged."""


def _numbers(at: Site, number: int, what: str) -> list[float]:
    """The numbers of an input; empty if it is left out."""
    if not at.has(number):
        return []
    return [float(one) for one in at.constant(number, what).reshape(-1)]


def _scales(
    at: Site, sizes: list[int], scales: list[float], wanted: list[int], axes: list[int]
) -> tuple[list[int], list[float]]:
    """The size after, and the factor, of every axis."""
    after, factors = [*sizes], [1.0] * len(sizes)
    given = scales or wanted
    if len(given) != len(axes) or len({*axes}) < len(axes):
        raise Unsupported("with factors for another number of axes")
    for index, axis in enumerate(axes):
        if scales:
            factors[axis] = scales[index]
            after[axis] = floor(sizes[axis] * scales[index])
        else:
            after[axis], factors[axis] = wanted[index], wanted[index] / sizes[axis]
    if not all(0 < size <= MAX_PIXELS for size in after):
        raise Unsupported(f"from {sizes} to {after}")
    return after, factors


def place(mode: str, row: int, before: int, after: int, factor: float) -> float:
    """Where the middle of a pixel lies on the axis before resizing, in pixels."""
    if mode == "asymmetric":
        return row / factor
    if mode == "align_corners":
        return row * (before - 1) / (after - 1) if after > 1 else 0.0
    if mode == "pytorch_half_pixel" and after == 1:
        return 0.0
    if mode in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"):
        return (row + 0.5) / factor - 0.5
    raise Unsupported(f"with coordinates of mode {mode}")


def _nearest(at: Site, source: Node, after: list[int], factors: list[float], mode: str, rounding: str) -> Node:
    """Each axis as a choice of pixels; whole factors as PyTorch's own operator."""
    if rounding not in ROUNDINGS:
        raise Unsupported(f"with the rounding {rounding}")
    before = sizes_of(source)
    chosen: dict[int, list[int]] = {}
    for axis in range(2, len(before)):
        rows = [
            min(max(int(ROUNDINGS[rounding](place(mode, row, before[axis], after[axis], factors[axis]))), 0), before[axis] - 1)
            for row in range(after[axis])
        ]  # fmt: skip
        chosen[axis] = rows
    repeated = all(
        not after[axis] % before[axis] and rows == [row // (after[axis] // before[axis]) for row in range(after[axis])]
        for axis, rows in chosen.items()
    )
    if repeated and len(before) in (3, 4):
        return at.emit(f"upsample_nearest{len(before) - 2}d", self_=source, output_size=after[2:])
    for axis, rows in chosen.items():
        if rows != list(range(before[axis])):
            index = at.constant_of(torch.tensor(rows, dtype=torch.int64), f"{at.node.outputs[0]}/rows")
            source = at.emit("index_select", self_=source, dim=axis, index=index)
    return source


def _resized(
    at: Site, source: Node, after: list[int], factors: list[float], scaled: bool, kind: str, mode: str, rounding: str
) -> Node:
    before = sizes_of(source)
    if after[:2] != before[:2]:
        raise Unsupported(f"from {before} to {after}; pixels are possible, and no channels")
    if after == before and all(factor == 1 for factor in factors):
        return source
    whole = all(abs(before[axis] * factors[axis] - after[axis]) < 1e-3 for axis in range(len(before)))
    if mode == "half_pixel_symmetric" and not whole:
        raise Unsupported("with half_pixel_symmetric coordinates and factors that are not whole")
    if kind == "nearest":
        return _nearest(at, source, after, factors, mode, rounding)
    operators = {
        ("linear", 3): "upsample_linear1d",
        ("linear", 4): "upsample_bilinear2d",
        ("cubic", 4): "upsample_bicubic2d",
    }
    operator = operators.get((kind, len(before)))
    if operator is None or mode not in ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "align_corners"):
        raise Unsupported(f"of mode {kind} with {mode} coordinates of {len(before) - 2} axes")
    if mode == "half_pixel" and any(size == 1 < before[2 + axis] for axis, size in enumerate(after[2:])):
        raise Unsupported("to one pixel with half_pixel coordinates")
    arguments: dict[str, Any] = {"output_size": after[2:], "align_corners": mode == "align_corners"}
    if scaled and not whole and mode != "align_corners":  # PyTorch steps by the factors, too, if it is given them
        names = ("scales_h", "scales_w") if len(before) == 4 else ("scales",)
        arguments |= dict(zip(names, factors[2:], strict=True))
    return at.emit(operator, self_=source, **arguments)


def _resize(at: Site) -> Node:
    source = at.input()
    sizes = sizes_of(source)
    kind, mode = at.attribute("mode", "nearest"), at.attribute("coordinate_transformation_mode", "half_pixel")
    rounding = at.attribute("nearest_mode", "round_prefer_floor")
    coefficient, policy = at.attribute("cubic_coeff_a", -0.75), at.attribute("keep_aspect_ratio_policy", "stretch")
    at.attribute("extrapolation_value", 0.0)
    if (
        at.attribute("exclude_outside", 0)
        or at.attribute("antialias", 0)
        or coefficient != -0.75
        or policy != "stretch"
    ):
        raise Unsupported("with exclude_outside, antialias, other coefficients, or a policy of aspect ratios")
    axes = at.attribute("axes", None)
    axes = list(range(len(sizes))) if axes is None else [at.axis(axis, len(sizes)) for axis in axes]
    scales = _numbers(at, 2, "factors")
    wanted = at.integers(3, "sizes") if at.has(3) else []
    if not scales and not wanted:
        raise Unsupported("without factors and sizes")
    if any(not 0 < scale <= MAX_PIXELS for scale in scales):
        raise Unsupported(f"by {scales}")
    after, factors = _scales(at, sizes, scales, wanted, axes)
    return _resized(at, source, after, factors, bool(scales), kind, mode, rounding)


def _upsample(at: Site) -> Node:
    source, scales, kind = at.input(), _numbers(at, 1, "factors"), at.attribute("mode", "nearest")
    if kind != "nearest" or any(not 0 < scale <= MAX_PIXELS for scale in scales):
        raise Unsupported(f"of mode {kind} by {scales}; Resize says where the pixels are")
    sizes = sizes_of(source)
    after, factors = _scales(at, sizes, scales, [], list(range(len(sizes))))
    return _resized(at, source, after, factors, True, kind, "asymmetric", "floor")


TRANSLATIONS: Mapping[str, Translation] = {"Resize": _resize, "Upsample": _upsample}
