"""Layers that compute each axis of a map with a matrix; see `frontend.axes`."""

from dataclasses import replace
from math import prod

import torch
from torch.nn import functional

from openwork.frontend.axes import Windows, as_windows
from openwork.frontend.builder import Builder, Parts, fits
from openwork.frontend.float_steps import FloatLayer
from openwork.frontend.node import Node
from openwork.operations import PixelShuffle, Upsample
from openwork.operations.arguments import Unsupported
from openwork.operations.pixel_shuffle import shuffled
from openwork_hw.arch.nonzeros import MAX_ROWS


def resampled(
    build: Builder, node: Node, source: Parts, down: torch.Tensor | None, across: torch.Tensor | None
) -> Parts:
    """A map whose columns are multiplied by `down`, and its rows by `across`; None leaves an axis as it is.

    Both axes become one layer where no border needs a correction, and two layers otherwise.

    Args:
        build: the network so far.
        node: the operator.
        source: the map.
        down, across: float64 [pixels after, pixels before].
    """
    source, (top, left, _, _) = build.unpadded(source)
    height, width = build.shapes[source[0]][1:]
    # Zeros around a map add nothing.
    down = _unchanged(height) if down is None else down[:, top : top + height]
    across = _unchanged(width) if across is None else across[:, left : left + width]
    source, down, across = _repeated(build, node, source, down, across)
    if torch.equal(down, _unchanged(len(down))) and torch.equal(across, _unchanged(len(across))):
        return source
    windows = as_windows(down), as_windows(across)
    if all(len(one.parts) == 1 for one in windows) and _is_one_layer(build, source, windows):
        return _computed(build, node, source, windows)
    for axis, matrix in ((0, down), (1, across)):
        if not torch.equal(matrix, _unchanged(len(matrix))):
            as_it_is = [as_windows(_unchanged(pixels)) for pixels in build.shapes[source[0]][1:]]
            as_it_is[axis] = windows[axis]
            source = _computed(build, node, source, (as_it_is[0], as_it_is[1]))
    return source


def _unchanged(pixels: int) -> torch.Tensor:
    return torch.eye(pixels, dtype=torch.float64)


def _repeated(
    build: Builder, node: Node, source: Parts, down: torch.Tensor, across: torch.Tensor
) -> tuple[Parts, torch.Tensor, torch.Tensor]:
    """A map whose only row or column was repeated, if the matrices ask for nothing else; and the matrices that are left."""
    matrices = [down, across]
    factors = [len(one) if one.shape[1] == 1 and bool((one == 1).all()) else 1 for one in matrices]
    if factors == [1, 1]:
        return source, down, across
    down, across = (_unchanged(len(one)) if factor > 1 else one for one, factor in zip(matrices, factors, strict=True))
    return build.emit_map(node, Upsample(source, "", (factors[0], factors[1])), source), down, across


def _is_one_layer(build: Builder, source: Parts, windows: tuple[Windows, Windows]) -> bool:
    channels = build.channels(source)
    whole = all(one.groups == 1 for one in windows)
    rows = channels * prod(one.phases for one in windows)
    return rows <= MAX_ROWS and (whole or fits(prod(one.window for one in windows), channels))


def _computed(build: Builder, node: Node, source: Parts, windows: tuple[Windows, Windows]) -> Parts:
    """The layer of windows that have several parts along one axis at most, and the pixels that its rows are."""
    padding, sizes = [0, 0, 0, 0], build.shapes[source[0]][1:]
    kernels: list[dict[int, torch.Tensor]] = []
    for axis, (one, size) in enumerate(zip(windows, sizes, strict=True)):
        # The layer's first window begins outside the map or at its first pixel, and its last one leaves less than a step.
        before = max(-one.start, 0)
        end = one.start + one.advance * (one.groups - 1) + one.window - size
        after = -end if end <= -one.advance else 0
        padding[axis], padding[2 + axis] = before, max(end, 0)
        kernels.append({seen: functional.pad(part, (max(one.start, 0), after)) for seen, part in one.parts.items()})
    channels, phases = build.channels(source), (windows[0].phases, windows[1].phases)
    if channels * prod(phases) > MAX_ROWS:
        raise Unsupported(f"which takes {channels * prod(phases)} rows; a layer has at most {MAX_ROWS}")
    inputs: Parts = ()
    weights = []
    for rows, down in kernels[0].items():
        for columns, across in kernels[1].items():
            inputs += _first_pixels(build, node, source, (rows, columns))
            kernel = torch.einsum("ay,bx->abyx", down, across).flatten(0, 1)
            weights.append(kernel.repeat(channels, 1, 1)[:, None])
    layer = FloatLayer(
        inputs,
        "",
        weights[0],
        torch.zeros(len(weights[0]), dtype=torch.float64),
        (windows[0].advance, windows[1].advance),
        (padding[0], padding[1], padding[2], padding[3]),
        groups=channels,
    )
    if len(weights) > 1:  # each row reads its own channel in every copy of the map
        own = _unchanged(channels).repeat_interleave(prod(phases), 0)[:, :, None, None]
        layer = replace(layer, weights=torch.cat([own * one for one in weights], dim=1), groups=1)
    return shuffled(build, node, build.emit_layer(node, layer), phases, (windows[0].rows, windows[1].rows))


def _first_pixels(build: Builder, node: Node, source: Parts, size: tuple[int, int]) -> Parts:
    """A map in which all but the first rows and columns are 0."""
    height, width = build.shapes[source[0]][1:]
    if size == (height, width):
        return source
    cut = build.emit_map(node, PixelShuffle(source, "", (1, 1), size), source)
    return build.copy(node, cut, padding=(0, 0, height - size[0], width - size[1]))
