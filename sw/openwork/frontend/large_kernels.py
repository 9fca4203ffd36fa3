"""Layers with more taps than a row may have: their kernels are cut into blocks of taps, whose pixels become channels."""

from dataclasses import replace
from itertools import product
from math import prod

import torch
from torch.nn import functional

from openwork.frontend.float_steps import FloatLayer
from openwork.layer import window_places
from openwork.network import MAX_TAPS
from openwork.tensors import Shape

Pair = tuple[int, int]


def with_fewer_taps(layer: FloatLayer, shape: Shape) -> tuple[FloatLayer, FloatLayer]:
    """A layer as two, which compute the same sums: the first one copies pixels into channels, and the second one has fewer taps.

    A kernel of 16 x 16 with a stride of 16 becomes a kernel of 8 x 8 over blocks of 2 x 2 pixels. If the stride does not divide
    into blocks, every pixel gets the pixels after it as channels, and the second kernel is dilated.

    Args:
        layer: with too many taps.
        shape: of its input.

    Returns:
        Both layers. The output of the first one is the input of the second one, and neither has a name yet.
    """
    kernel = layer.weights.shape[2], layer.weights.shape[3]
    blocks = _blocks(layer, kernel)
    counts = [-(-kernel[axis] // blocks[axis]) for axis in (0, 1)]
    places = window_places(shape, kernel, layer.stride, layer.padding, layer.dilation)
    copied: list[Pair] = []  # of each axis: the stride of the copies, and what they add after the map
    strides, dilations = [], []
    for axis in (0, 1):
        block, stride, dilation = blocks[axis], layer.stride[axis], layer.dilation[axis]
        own = block if _divides(layer, axis, block) else 1
        strides.append(stride // own)
        dilations.append(dilation * block // own)
        needed = (places[axis] - 1) * strides[axis] + dilations[axis] * (counts[axis] - 1)
        end = needed * own + dilation * (block - 1) + 1
        copied.append((own, max(0, end - shape[1 + axis] - layer.padding[axis])))
    one = torch.eye(prod(blocks), dtype=torch.float64).reshape(-1, 1, *blocks).repeat(shape[0], 1, 1, 1)
    copies = FloatLayer(
        layer.inputs,
        "",
        one,
        torch.zeros(len(one), dtype=torch.float64),
        (copied[0][0], copied[1][0]),
        (layer.padding[0], layer.padding[1], copied[0][1], copied[1][1]),
        layer.dilation,
        shape[0],
    )
    rows, channels = layer.weights.shape[:2]
    missing = [counts[axis] * blocks[axis] - kernel[axis] for axis in (0, 1)]
    weights = functional.pad(layer.weights, (0, missing[1], 0, missing[0]))
    weights = weights.reshape(rows, channels, counts[0], blocks[0], counts[1], blocks[1]).permute(0, 1, 3, 5, 2, 4)
    return copies, replace(
        layer,
        inputs=(),
        weights=weights.reshape(rows, channels * prod(blocks), *counts),
        stride=(strides[0], strides[1]),
        padding=(0, 0, 0, 0),
        dilation=(dilations[0], dilations[1]),
    )


def _blocks(layer: FloatLayer, kernel: Pair) -> Pair:
    """The smallest blocks of taps that leave few enough of them; those that divide the stride first."""
    possible = [
        blocks
        for blocks in product(range(1, kernel[0] + 1), range(1, kernel[1] + 1))
        if prod(-(-kernel[axis] // blocks[axis]) for axis in (0, 1)) <= MAX_TAPS
    ]
    return min(
        possible, key=lambda blocks: (prod(blocks), -sum(_divides(layer, axis, blocks[axis]) for axis in (0, 1)))
    )


def _divides(layer: FloatLayer, axis: int, block: int) -> bool:
    return layer.stride[axis] % block == 0 and layer.dilation[axis] == 1
