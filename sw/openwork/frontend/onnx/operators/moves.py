"""What moves values, and what makes constants."""

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import torch

from openwork.frontend.node import Node
from openwork.frontend.onnx.operators.arithmetic import number
from openwork.frontend.onnx.reader import MAX_CONSTANTS, Made, Site, Translation, every, torch_dtype
from openwork.frontend.onnx.tensors import KINDS
from openwork.operations.arguments import Unsupported

MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}
"""ONNX's modes of padding, and PyTorch's."""


def sizes_of(node: Node) -> list[int]:
    """The shape of a value, in which all sizes are known."""
    return [int(size) for size in node.shape]


def _concat(at: Site) -> Node:
    parts = every(at.inputs)
    return at.emit("cat", tensors=parts, dim=at.axis(at.attribute("axis", 0), len(parts[0].shape)))


def _split(at: Site) -> Made:
    source = at.input()
    axis = at.axis(at.attribute("axis", 0), len(source.shape))
    size, parts = sizes_of(source)[axis], len(at.node.outputs)
    if at.opset >= 13:
        sizes = at.integers(1, "sizes") if at.has(1) else None
    else:
        sizes = at.attribute("split", None)
    if at.attribute("num_outputs", parts) != parts:
        raise Unsupported(f"into {parts} parts, which are not as many as it says")
    if sizes is None:
        each = -(-size // parts)
        sizes = [each] * (parts - 1) + [size - each * (parts - 1)]
    if len(sizes) != parts or sum(sizes) != size or min(sizes) < 1:
        raise Unsupported(f"into {sizes} of {size}")
    if source.is_constant:
        ends = np.cumsum(sizes).tolist()
        return [
            at.emit("slice", self_=source, dim=axis, start=end - one, end=end, step=1) for end, one in zip(ends, sizes, strict=True)
        ]  # fmt: skip
    found = at.emit("split_with_sizes", self_=source, split_sizes=sizes, dim=axis)
    return [at.emit("getitem", self_=found, index=index) for index in range(parts)]


def _slice(at: Site) -> Node:
    made, rank = at.input(), len(at.input().shape)
    starts, ends = at.integers(1, "limits"), at.integers(2, "limits")
    axes = at.integers(3, "axes") if at.has(3) else list(range(len(starts)))
    steps = at.integers(4, "steps") if at.has(4) else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise Unsupported(f"from {starts} to {ends} along {axes} in steps of {steps}")
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        dim = at.axis(axis, rank)
        size = sizes_of(made)[dim]
        if step < 0:  # the same places of the tensor the other way around
            made = at.emit("flip", self_=made, dims=[dim])
            places = range(size)[start : max(end, -size - 1) if end < 0 else end : step]
            start, end, step = size - 1 - places.start, size - 1 - places.stop, -step
        places = range(size)[start:end:step]
        if not places:
            raise Unsupported(f"to nothing along axis {dim}")
        if len(places) < size:
            made = at.emit("slice", self_=made, dim=dim, start=places.start, end=places.stop, step=step)
    return made


def _reshaped(at: Site, source: Node, sizes: list[int]) -> Node:
    return at.emit("reshape", self_=source, shape=sizes)


def _reshape(at: Site) -> Node:
    source, wanted = at.input(), at.integers(1, "a shape")
    if not at.attribute("allowzero", 0):
        if any(size == 0 and index >= len(source.shape) for index, size in enumerate(wanted)):
            raise Unsupported(f"to {wanted}")
        wanted = [size or sizes_of(source)[index] for index, size in enumerate(wanted)]
    return _reshaped(at, source, wanted)


def _flatten(at: Site) -> Node:
    source = at.input()
    axis, rank, sizes = at.attribute("axis", 1), len(source.shape), sizes_of(source)
    if axis == 1 and rank > 1:
        return at.emit("flatten", self_=source, start_dim=1, end_dim=-1)
    if not -rank <= axis <= rank:
        raise Unsupported(f"along axis {axis} of {rank}")
    axis += rank if axis < 0 else 0
    return _reshaped(at, source, [prod(sizes[:axis]), prod(sizes[axis:])])


def _squeeze(at: Site) -> Node:
    source = at.input()
    axes, sizes = at.axes(1, 13), sizes_of(source)
    gone = {at.axis(axis, len(sizes)) for axis in axes} if axes else {at for at, size in enumerate(sizes) if size == 1}
    if any(sizes[axis] != 1 for axis in gone):
        raise Unsupported(f"of {sizes} along {sorted(gone)}")
    return _reshaped(at, source, [size for axis, size in enumerate(sizes) if axis not in gone])


def _unsqueeze(at: Site) -> Node:
    source = at.input()
    axes = at.axes(1, 13) or []
    sizes, rank = sizes_of(source), len(source.shape) + len(axes)
    new = sorted(at.axis(axis, rank) for axis in axes)
    if len({*new}) < len(new) or rank > 16:
        raise Unsupported(f"along {axes}")
    for axis in new:
        sizes.insert(axis, 1)
    return _reshaped(at, source, sizes)


def _transpose(at: Site) -> Node:
    source = at.input()
    order = at.attribute("perm", None) or list(reversed(range(len(source.shape))))
    if sorted(order) != list(range(len(source.shape))):
        raise Unsupported(f"to the order {order} of {len(source.shape)} axes")
    return at.emit("permute", self_=source, dims=order)


def _pad(at: Site) -> Node:
    source, sides, mode = at.input(), at.integers(1, "pads"), at.attribute("mode", "constant")
    rank = len(source.shape)
    axes = at.integers(3, "axes") if at.has(3) else list(range(rank))
    value = number(at, 2, "a value")
    if mode not in MODES or len(sides) != 2 * len(axes):
        raise Unsupported(f"in mode {mode} of {len(sides)} sides")
    both = dict.fromkeys(range(rank), (0, 0))
    for index, axis in enumerate(axes):
        both[at.axis(axis, rank)] = (sides[index], sides[index + len(axes)])
    last = next((axis for axis in range(rank) if any(both[axis])), None)
    if last is None:
        return source
    if mode != "constant":  # PyTorch wants the sides of all pixels' axes
        last = max(rank - 2, 1) if last >= max(rank - 2, 1) else last
    flat = [side for axis in reversed(range(last, rank)) for side in both[axis]]
    return at.emit(
        "pad", self_=source, pad=flat, mode=MODES[mode], value=(value or 0.0) if mode == "constant" else None
    )


def _gather(at: Site) -> Node:
    source, index = at.input(0), at.constant(1, "places")
    sizes = sizes_of(source)
    axis = at.axis(at.attribute("axis", 0), len(sizes))
    if index.dtype.is_floating_point or index.numel() > MAX_CONSTANTS:
        raise Unsupported("at places that are no whole numbers")
    places = torch.where(index < 0, index + sizes[axis], index).to(torch.int64)
    if places.numel() and not 0 <= int(places.min()) <= int(places.max()) < sizes[axis]:
        raise Unsupported(f"at places beyond the {sizes[axis]} of axis {axis}")
    if not places.ndim:
        return at.emit("select", self_=source, dim=axis, index=int(places))
    name = at.node.inputs[1]
    made = at.emit("index_select", self_=source, dim=axis, index=at.constant_of(places.reshape(-1), name))
    return made if places.ndim == 1 else _reshaped(at, made, [*sizes[:axis], *places.shape, *sizes[axis + 1 :]])


def _expand(at: Site) -> Node:
    source, wanted = at.input(), at.integers(1, "a shape")
    sizes = sizes_of(source)
    rank = max(len(sizes), len(wanted))
    before, after = ([1] * (rank - len(one)) + one for one in (sizes, wanted))
    goal = [max(pair) if 0 not in pair else 0 for pair in zip(before, after, strict=True)]
    return source if goal == sizes else at.emit("expand", self_=source, size=goal)


def _tile(at: Site) -> Node:
    return at.emit("repeat", self_=at.input(), repeats=at.integers(1, "repetitions"))


def _depth_to_space(at: Site) -> Node:
    source, factor, mode = at.input(), at.attribute("blocksize", 0), at.attribute("mode", "DCR")
    sizes = sizes_of(source)
    if len(sizes) != 4 or factor < 1 or sizes[1] % (factor * factor):
        raise Unsupported(f"of {sizes} in blocks of {factor}")
    if mode == "CRD":
        return at.emit("pixel_shuffle", self_=source, upscale_factor=factor)
    batch, channels, height, width = sizes
    apart = _reshaped(at, source, [batch, factor, factor, channels // (factor * factor), height, width])
    moved = at.emit("permute", self_=apart, dims=[0, 3, 4, 1, 5, 2])
    return _reshaped(at, moved, [batch, channels // (factor * factor), height * factor, width * factor])


def _space_to_depth(at: Site) -> Node:
    source, factor = at.input(), at.attribute("blocksize", 0)
    sizes = sizes_of(source)
    if len(sizes) != 4 or factor < 1 or sizes[2] % factor or sizes[3] % factor:
        raise Unsupported(f"of {sizes} in blocks of {factor}")
    batch, channels, height, width = sizes
    apart = _reshaped(at, source, [batch, channels, height // factor, factor, width // factor, factor])
    moved = at.emit("permute", self_=apart, dims=[0, 3, 5, 1, 2, 4])
    return _reshaped(at, moved, [batch, channels * factor * factor, height // factor, width // factor])


def _same(at: Site) -> Made:
    return at.input()


def _dropout(at: Site) -> Made:
    at.attribute("ratio", 0.5)
    at.attribute("seed", 0)
    if at.has(2) and bool(at.constant(2, "a mode").any()):
        raise Unsupported("in training mode: export the model for inference")
    return at.input()


def _cast(at: Site) -> Node:
    source, kind = at.input(), at.attribute("to", 0)
    at.attribute("saturate", 1)
    if kind not in KINDS:
        raise Unsupported("to a type that is not read")
    dtype = torch_dtype(np.dtype(KINDS[kind].dtype))
    return source if source.results[0].dtype is dtype else at.emit("to", self_=source, dtype=dtype)


def _constant(at: Site) -> Node:
    given = {name: value for name, value in at.node.attributes.items() if name.startswith("value")}
    if len(given) != 1 or at.inputs:
        raise Unsupported("of several values, or of none")
    ((name, value),) = given.items()
    at.read.add(name)
    if isinstance(value, str) or (isinstance(value, list) and any(isinstance(one, str) for one in value)):
        raise Unsupported("of text")
    if isinstance(value, np.ndarray):
        return at.constant_of(torch.from_numpy(value.copy()))
    whole = name in ("value_int", "value_ints")
    return at.constant_of(torch.tensor(value, dtype=torch.int64 if whole else torch.float32))


def _constant_of_shape(at: Site) -> Node:
    shape, value = at.integers(0, "a shape"), at.node.attributes.get("value", np.zeros(1, np.float32))
    at.read.add("value")
    if not isinstance(value, np.ndarray) or value.size != 1 or min(shape, default=0) < 0 or prod(shape) > MAX_CONSTANTS:
        raise Unsupported(f"of {shape}")
    return at.constant_of(torch.full(shape, value.reshape(-1)[0].item(), dtype=torch_dtype(value.dtype)))


def _shape(at: Site) -> Node:
    sizes = sizes_of(at.input())
    start, end = at.attribute("start", 0), at.attribute("end", len(sizes))
    return at.constant_of(torch.tensor(sizes[start:end], dtype=torch.int64))


def _size(at: Site) -> Node:
    return at.constant_of(torch.tensor(prod(sizes_of(at.input())), dtype=torch.int64))


def _range(at: Site) -> Node:
    limits: list[Any] = [number(at, index, "a limit") for index in range(3)]
    if None in limits or not limits[2] or abs((limits[1] - limits[0]) / limits[2]) > MAX_CONSTANTS:
        raise Unsupported(f"of {limits}")
    return at.constant_of(torch.arange(*limits, dtype=at.input().results[0].dtype))


TRANSLATIONS: Mapping[str, Translation] = {
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Pad": _pad,
    "Gather": _gather,
    "Expand": _expand,
    "Tile": _tile,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "Identity": _same,
    "Dropout": _dropout,
    "Cast": _cast,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Shape": _shape,
    "Size": _size,
    "Range": _range,
}
