"""Pixels and channels that are added around a map, or cut off."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import torch
from torch.nn import functional

from openwork.frontend.axes import choice
from openwork.frontend.builder import Builder, Parts
from openwork.frontend.node import Node
from openwork.frontend.resampling import resampled
from openwork.operations.arguments import Unsupported, integers

MODES = ("reflect", "replicate", "circular")
"""The modes of padding that repeat pixels."""


def _pad(build: Builder, node: Node, self_: Any, pad: Any, mode: str = "constant", value: Any = 0) -> Parts:
    pad = integers(pad, "sides")
    if len(node.shape) == 2:
        pad = [0, 0, 0, 0, *pad]
    sides = [(pad[index], pad[index + 1]) for index in range(0, len(pad), 2)]
    across, down, channels, images = [*sides, (0, 0), (0, 0), (0, 0)][:4]
    if any(images):
        raise Unsupported("of the batch")
    source = build.parts(self_)
    if mode != "constant":
        if any(channels):
            raise Unsupported(f"of channels in mode {mode}; padding them with zeros is possible")
        return _repeated(build, node, source, mode, down, across)
    value = value or 0
    if not isinstance(value, int | float) or not isfinite(value):
        raise Unsupported(f"with {value}; a finite number is possible")
    if any(channels):
        if value:
            raise Unsupported(f"of channels with {value}; padding them with zeros is possible")
        source = _pad_channels(build, node, source, *channels)
    source = _cut(build, node, source, down, across)
    padding = max(down[0], 0), max(across[0], 0), max(down[1], 0), max(across[1], 0)
    if not any(padding):
        return source
    if value:  # zeros are added around what is left of the map without the value, and the value then to all of it
        ones = torch.ones(build.channels(source), dtype=torch.float64)
        less = build.affine(node, source, ones, -value * ones)
        return build.copy(node, less, bias=value * ones, padding=padding)
    inner, zeros = build.unpadded(source)
    total = (zeros[0] + padding[0], zeros[1] + padding[1], zeros[2] + padding[2], zeros[3] + padding[3])
    source = build.copy(node, inner, padding=total)
    build.padded[source[0]] = inner, total
    return source


def _repeated(
    build: Builder, node: Node, source: Parts, mode: str, down: Sequence[int], across: Sequence[int]
) -> Parts:
    """Pixels of the map itself around it."""
    if mode not in MODES:
        raise Unsupported(f"of mode {mode}")
    matrices = []
    for sides, size in zip((down, across), build.shapes[source[0]][1:], strict=True):
        places = torch.arange(size, dtype=torch.float64)[None, None]
        padded = functional.pad(places, list(sides), mode=mode)[0, 0] if any(sides) else places[0, 0]
        matrices.append(choice([int(place) for place in padded], size))
    return resampled(build, node, source, *matrices)


def _cut(build: Builder, node: Node, source: Parts, down: Sequence[int], across: Sequence[int]) -> Parts:
    """The map without the pixels of negative sides."""
    if min(*down, *across) >= 0:
        return source
    matrices = [
        choice([*range(max(-before, 0), size - max(-after, 0))], size)
        for (before, after), size in zip((down, across), build.shapes[source[0]][1:], strict=True)
    ]
    if not all(len(matrix) for matrix in matrices):
        raise Unsupported("to a map without pixels")
    return resampled(build, node, source, *matrices)


def _pad_channels(build: Builder, node: Node, source: Parts, before: int, after: int) -> Parts:
    if min(before, after) < 0:
        source = build.take(node, source, range(max(-before, 0), build.channels(source) - max(-after, 0)))
        before, after = max(before, 0), max(after, 0)
    if not before and not after:
        return source
    layer = build.layer_to_change(source, node)
    if layer is None or layer.groups > 1:
        return build.select(node, source, [*[None] * before, *range(build.channels(source)), *[None] * after])
    sides = (before, after)
    weights = functional.pad(layer.weights, (0, 0, 0, 0, 0, 0, *sides))
    build.steps[layer.output] = replace(layer, weights=weights, bias=functional.pad(layer.bias, sides))
    build.shapes[layer.output] = (len(weights), *build.shapes[layer.output][1:])
    return source


def _padding_of(mode: str) -> Callable[..., Parts]:
    def lower(build: Builder, node: Node, self_: Any, padding: Any) -> Parts:
        return _pad(build, node, self_, padding, mode)

    return lower


OPERATORS: Mapping[str, Callable[..., Parts]] = {
    "pad": _pad,
    "constant_pad_nd": _pad,
    "reflection_pad2d": _padding_of("reflect"),
    "replication_pad2d": _padding_of("replicate"),
}
