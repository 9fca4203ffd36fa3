"""Convolutions, matrix products, batch norm and pooling."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from openwork.frontend.node import Node
from openwork.frontend.onnx.reader import Site, Translation
from openwork.operations.arguments import Unsupported

AUTO_PADS = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")

Sides = tuple[list[int], list[int]]
"""What is added before and after the pixels of each axis."""


def windows(at: Site, pixels: Sequence[Any], kernel: list[int]) -> tuple[list[int], list[int], Sides]:
    """Strides, dilations and sides of an operator with windows over `pixels` of some axes."""
    rank = len(kernel)
    strides, dilations = (at.attribute(name, None) or [1] * rank for name in ("strides", "dilations"))
    pads = at.attribute("pads", None) or [0] * 2 * rank
    auto = at.attribute("auto_pad", "NOTSET")
    if rank not in (1, 2) or len(pixels) != rank:
        raise Unsupported(f"over {rank} axes of {len(pixels)}; one and two axes are possible")
    if not (len(strides) == len(dilations) == rank and len(pads) == 2 * rank) or auto not in AUTO_PADS:
        raise Unsupported("with numbers for another number of axes")
    if min(*strides, *dilations, *kernel) < 1 or min(pads) < 0:
        raise Unsupported(f"with strides {strides}, dilations {dilations}, windows {kernel} and pads {pads}")
    if not auto.startswith("SAME"):
        sides = pads if auto == "NOTSET" else [0] * 2 * rank
        return strides, dilations, (sides[:rank], sides[rank:])
    total = [
        max(0, (-(-pixels[axis] // strides[axis]) - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1 - pixels[axis])
        for axis in range(rank)
    ]  # fmt: skip
    small, large = [one // 2 for one in total], [one - one // 2 for one in total]
    return strides, dilations, ((small, large) if auto == "SAME_UPPER" else (large, small))


def padded(at: Site, source: Node, sides: Sides, value: float = 0.0) -> Node:
    """A map with pixels of one value around it."""
    flat = [side for axis in reversed(range(len(sides[0]))) for side in (sides[0][axis], sides[1][axis])]
    return at.emit("pad", self_=source, pad=flat, mode="constant", value=value) if any(flat) else source


def _kernel(at: Site, weights: Node) -> list[int]:
    found = [int(size) for size in weights.shape[2:]]
    said = at.attribute("kernel_shape", None)
    if said not in (None, found):
        raise Unsupported(f"whose weights are of {found}, and not of {said}")
    return found


def _conv(at: Site) -> Node:
    source, weights, groups = at.input(0), at.input(1), at.attribute("group", 1)
    kernel = _kernel(at, weights)
    strides, dilations, sides = windows(at, source.shape[2:], kernel)
    padding = [0] * len(kernel)
    if sides[0] == sides[1]:
        padding = sides[0]
    else:
        source = padded(at, source, sides)
    return at.emit(
        f"conv{len(kernel)}d",
        self_=source, weight=weights, bias=at.optional(2), stride=strides, padding=padding, dilation=dilations, groups=groups,
    )  # fmt: skip


def _conv_transpose(at: Site) -> Node:
    source, weights, groups = at.input(0), at.input(1), at.attribute("group", 1)
    kernel = _kernel(at, weights)
    rank = len(kernel)
    more = at.attribute("output_padding", None) or [0] * rank
    wanted = at.attribute("output_shape", None)
    auto = at.node.attributes.get("auto_pad", "NOTSET")
    strides, dilations, sides = windows(at, source.shape[2:], kernel)
    pixels = [int(size) for size in source.shape[2:]]
    whole = [strides[axis] * (pixels[axis] - 1) + dilations[axis] * (kernel[axis] - 1) + 1 for axis in range(rank)]
    if wanted is not None or auto in ("SAME_UPPER", "SAME_LOWER"):
        goal = [pixels[axis] * strides[axis] for axis in range(rank)] if wanted is None else wanted[-rank:]
        total = [whole[axis] + more[axis] - goal[axis] for axis in range(rank)]
        if min(total) < 0 or len(goal) != rank or len(more) != rank:
            raise Unsupported(f"to {goal}, which is larger than what the weights reach")
        small, large = [one // 2 for one in total], [one - one // 2 for one in total]
        sides = (small, large) if auto == "SAME_UPPER" else (large, small)
    if len(more) != rank:
        raise Unsupported("with numbers for another number of axes")
    even = sides[0] == sides[1]
    made = at.emit(
        f"conv_transpose{rank}d",
        self_=source, weight=weights, bias=at.optional(2), stride=strides, padding=sides[0] if even else [0] * rank,
        output_padding=more, groups=groups, dilation=dilations,
    )  # fmt: skip
    for axis in range(rank if not even else 0):
        size = int(made.shape[2 + axis])
        made = at.emit("slice", self_=made, dim=2 + axis, start=sides[0][axis], end=size - sides[1][axis], step=1)
    return made


def _gemm(at: Site) -> Node:
    first, second = at.input(0), at.input(1)
    alpha, beta = at.attribute("alpha", 1.0), at.attribute("beta", 1.0)
    if at.attribute("transA", 0):
        first = at.emit("t", self_=first)
    weights = second if at.attribute("transB", 0) else at.emit("t", self_=second)
    if alpha != 1:
        weights = at.emit("mul", self_=weights, other=alpha)
    bias = at.optional(2)
    if bias is not None and beta != 1:
        bias = at.emit("mul", self_=bias, other=beta)
    if bias is None or (bias.is_constant and len(bias.shape) < 2 and bias.shape == weights.shape[:1]):
        return at.emit("linear", self_=first, weight=weights, bias=bias)
    product = at.emit("linear", self_=first, weight=weights, bias=None)
    return at.emit("add", self_=product, other=bias)


def _matmul(at: Site) -> Node:
    first, second = at.input(0), at.input(1)
    if second.is_constant and len(second.shape) == 2 and not first.is_constant:
        return at.emit("linear", self_=first, weight=at.emit("t", self_=second), bias=None)
    return at.emit("matmul", self_=first, other=second)


def _batch_norm(at: Site) -> Node:
    at.attribute("momentum", 0.9)
    at.attribute("spatial", 1)
    if at.attribute("training_mode", 0):
        raise Unsupported("in training mode: export the model for inference")
    return at.emit(
        "batch_norm",
        self_=at.input(0), weight=at.input(1), bias=at.input(2), running_mean=at.input(3), running_var=at.input(4),
        training=False, momentum=0.0, eps=at.attribute("epsilon", 1e-5), cudnn_enabled=False,
    )  # fmt: skip


def _results(pixels: int, kernel: int, stride: int, dilation: int, sides: int, ceil: int) -> int:
    """Windows of a pooling along an axis."""
    free = pixels + sides - dilation * (kernel - 1) - 1
    return (-(-free // stride) if ceil else free // stride) + 1


def _pool(at: Site, operation: str, around: float | None, **more: Any) -> Node:
    """A pooling. Windows begin where the first sides say, and PyTorch's round up or down to end where ONNX's end.

    Args:
        operation: without its number of axes.
        around: what pixels outside count as; None where they do not count.
    """
    source, kernel = at.input(), at.attribute("kernel_shape", None) or []
    strides, dilations, sides = windows(at, source.shape[2:], kernel)
    ceil = at.attribute("ceil_mode", 0)
    pixels = [int(size) for size in source.shape[2:]]
    count = [
        _results(pixels[axis], kernel[axis], strides[axis], dilations[axis], sides[0][axis] + sides[1][axis], ceil)
        for axis in range(len(kernel))
    ]
    if operation == "avg_pool":
        if max(dilations) > 1:
            raise Unsupported(f"with dilations {dilations}")
    else:
        more["dilation"] = dilations
    if around is not None and sides[0] != sides[1]:
        source, sides = padded(at, source, sides, around), ([0] * len(kernel), [0] * len(kernel))
    arguments = {"self_": source, "kernel_size": kernel, "stride": strides, "padding": sides[0], **more}
    for rounding in (bool(ceil), not ceil):
        made = at.emit(f"{operation}{len(kernel)}d", ceil_mode=rounding, **arguments)
        if list(made.shape[2:]) == count:
            return made
    raise Unsupported(
        f"with pads {sides[0]} before and {sides[1]} after the pixels; as much before as after is possible"
    )


def _max_pool(at: Site) -> Node:
    if at.attribute("storage_order", 0):
        raise Unsupported("with storage_order 1")
    return _pool(at, "max_pool", None)


def _average_pool(at: Site) -> Node:
    counted = bool(at.attribute("count_include_pad", 0))
    two = {} if len(at.input().shape) == 3 else {"divisor_override": None}
    return _pool(at, "avg_pool", 0.0 if counted else None, count_include_pad=counted, **two)


def _global_average(at: Site) -> Node:
    source = at.input()
    return at.emit("mean", self_=source, dim=list(range(2, len(source.shape))), keepdim=True)


def _global_max(at: Site) -> Node:
    source = at.input()
    pixels = [int(size) for size in source.shape[2:]]
    if len(pixels) not in (1, 2):
        raise Unsupported(f"of {prod(pixels)} pixels along {len(pixels)} axes")
    return at.emit(
        f"max_pool{len(pixels)}d",
        self_=source, kernel_size=pixels, stride=[1] * len(pixels), padding=[0] * len(pixels),
        dilation=[1] * len(pixels), ceil_mode=False,
    )  # fmt: skip


TRANSLATIONS: Mapping[str, Translation] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": _global_max,
}
