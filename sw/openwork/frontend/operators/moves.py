"""Lowers picks (`frontend.picks`): a choice of channels, taps that choose pixels, copies of pixels, or a whole new order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from openwork.frontend.builder import Builder, Parts, fits
from openwork.frontend.float_steps import FloatLayer
from openwork.frontend.node import Node
from openwork.frontend.operators import shapes
from openwork.operations import Reshape, Upsample
from openwork.operations.arguments import Unsupported
from openwork.tensors import by

MOST_ORDERED = 1 << 22
"""Values of a map before and after it is put into a new order, multiplied: weights of the layer that does it."""


def lower_pick(build: Builder, node: Node, sources: Sequence[Node], index: torch.Tensor, operator: str) -> Parts:
    """The steps that pick the values of a tensor.

    Args:
        build: the network so far.
        node: the pick.
        sources: the tensors from which it picks; their values stand one after the other.
        index: int64 [values of the result], the number of a value of the sources.
        operator: the last operator of those that the pick stands for.
    """
    node = replace(node, operation=operator)
    parts: Parts = tuple(name for source in sources for name in build.parts(source))
    sizes = {build.shapes[name][1:] for name in parts}
    if len(sizes) > 1:
        raise Unsupported(f"of maps of different sizes, {', '.join(by(size) for size in sorted(sizes))}")
    shape, (height, width) = build.shape(node), sizes.pop()
    pixels = torch.arange(height * width)
    if len(index) % len(pixels) == 0:
        rows = index.reshape(-1, len(pixels))
        channels = rows[:, 0] // len(pixels)
        if torch.equal(rows, channels[:, None] * len(pixels) + pixels):
            chosen = build.choose(node, parts, channels.tolist())
            return chosen if shape[1:] == (height, width) else _reshaped(build, node, chosen, shape)
    for way in (_enlarged, _window):
        made = way(build, node, parts, index.reshape(shape), (height, width))
        if made is not None:
            return made
    return _ordered(build, node, parts, index, shape)


def _reshaped(build: Builder, node: Node, source: Parts, shape: tuple[int, int, int]) -> Parts:
    made = build.emit_map(node, Reshape(source, "", shape), source)
    if shape[1:] == (1, 1):
        build.flattened[made[0]] = source
    return made


def _enlarged(build: Builder, node: Node, parts: Parts, index: torch.Tensor, size: tuple[int, int]) -> Parts | None:
    """Every pixel several times."""
    factor = index.shape[1] // size[0], index.shape[2] // size[1]
    if max(factor) < 2 or tuple(index.shape[1:]) != (factor[0] * size[0], factor[1] * size[1]):
        return None
    channels = index[:, 0, 0] // (size[0] * size[1])
    pixels = torch.arange(size[0] * size[1]).reshape(size)
    whole = channels[:, None, None] * pixels.numel() + pixels
    if not torch.equal(index, whole.repeat_interleave(factor[0], 1).repeat_interleave(factor[1], 2)):
        return None
    chosen = build.choose(node, parts, channels.tolist())
    return build.emit_map(node, Upsample(chosen, "", factor), chosen)


def _window(build: Builder, node: Node, parts: Parts, index: torch.Tensor, size: tuple[int, int]) -> Parts | None:
    """A crop, every n-th pixel, or several of these as channels: a layer of which each row has one tap."""
    pixels = size[0] * size[1]
    channels, down, across = index // pixels, index % pixels // size[1], index % size[1]
    rows, height, width = index.shape
    stride = (
        int(down[0, 1, 0] - down[0, 0, 0]) if height > 1 else 1,
        int(across[0, 0, 1] - across[0, 0, 0]) if width > 1 else 1,
    )
    if min(stride) < 1:
        return None
    top, left, own = down[:, 0, 0], across[:, 0, 0], channels[:, 0, 0]
    pixel_down, pixel_across = stride[0] * torch.arange(height)[:, None], stride[1] * torch.arange(width)
    whole = (own * pixels)[:, None, None] + (top[:, None, None] + pixel_down) * size[1]
    if not torch.equal(index, whole + left[:, None, None] + pixel_across):
        return None
    if bool((top == top[0]).all() and (left == left[0]).all()):
        chosen = build.choose(node, parts, own.tolist())
        return shapes.pixels(build, node, chosen, (int(top[0]), int(left[0])), stride)
    kernel = (
        max(int(top.max()) + 1, size[0] - stride[0] * height + 1),
        max(int(left.max()) + 1, size[1] - stride[1] * width + 1),
    )
    if not fits(kernel[0] * kernel[1], build.channels(parts)):
        return None
    weights = torch.zeros(rows, build.channels(parts), *kernel, dtype=torch.float64)
    weights[torch.arange(rows), own, top, left] = 1.0
    return build.emit_layer(node, FloatLayer(parts, "", weights, torch.zeros(rows, dtype=torch.float64), stride))


def _ordered(build: Builder, node: Node, parts: Parts, index: torch.Tensor, shape: tuple[int, int, int]) -> Parts:
    """Any order, of a map that is small: it becomes a vector, of which a layer with one nonzero per row makes another."""
    channels, (height, width) = build.channels(parts), build.shapes[parts[0]][1:]
    count = channels * height * width
    if count * len(index) > MOST_ORDERED or not (fits(1, count) and fits(1, len(index))):
        raise Unsupported(
            f"from {by((channels, height, width))} to {by(shape)} in an order that no layer reads; choices of channels and "
            f"pixels are possible, and any order where both maps have {int(MOST_ORDERED**0.5):,} values"
        )
    if (height, width) != (1, 1):
        parts = build.emit_map(node, Reshape(parts, "", (count, 1, 1)), parts)
    made = build.select(node, parts, index.tolist())
    return made if shape[1:] == (1, 1) else build.emit_map(node, Reshape(made, "", shape), made)


OPERATORS: dict[str, Any] = {"pick": lower_pick}
