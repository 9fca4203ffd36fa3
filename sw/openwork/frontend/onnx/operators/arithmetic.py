"""Sums, products, functions of one value, and what goes over the values of an axis."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from openwork.frontend.node import Node
from openwork.frontend.onnx.reader import Made, Site, Translation, every
from openwork.operations.arguments import Unsupported


def _both(at: Site, operation: str) -> Node:
    return at.emit(operation, self_=at.input(0), other=at.input(1))


def _div(at: Site) -> Node:
    first, second = at.input(0), at.input(1)
    if first.results[0].dtype.is_floating_point:
        return at.emit("div", self_=first, other=second)
    return at.emit("div", self_=first, other=second, rounding_mode="trunc")  # as whole numbers are divided in C


def _pow(at: Site) -> Node:
    return at.emit("pow", self_=at.input(0), exponent=at.input(1))


def _one(at: Site, operation: str) -> Node:
    return at.emit(operation, self_=at.input())


def number(at: Site, index: int, what: str) -> float | None:
    """An input that is one number, and may be left out."""
    if not at.has(index):
        return None
    value = at.constant(index, what)
    if value.numel() != 1:
        raise Unsupported(f"with {what} of {value.numel()} numbers; one number is possible")
    return float(value) if value.dtype.is_floating_point else int(value)


def clip(at: Site) -> Node:
    """`Clip` of real numbers."""
    low, high = number(at, 1, "a limit"), number(at, 2, "a limit")
    if low is None and high is None:
        return at.input()
    return at.emit("clamp", self_=at.input(), min=low, max=high)


def _extreme(at: Site, side: str) -> Node:
    """The largest or smallest of several tensors; with a number, a limit."""
    first, *others = every(at.inputs)
    for other in others:
        one, two = (other, first) if first.is_constant and not other.is_constant else (first, other)
        if two.is_constant and isinstance(two.value, torch.Tensor) and two.value.numel() == 1 and not one.is_constant:
            first = at.emit("clamp", self_=one, **{side: float(two.value)})
        else:
            first = at.emit("maximum" if side == "min" else "minimum", self_=one, other=two)
    return first


def _sum(at: Site) -> Node:
    first, *others = every(at.inputs)
    for other in others:
        first = at.emit("add", self_=first, other=other)
    return first


def _leaky_relu(at: Site) -> Node:
    return at.emit("leaky_relu", self_=at.input(), negative_slope=at.attribute("alpha", 0.01))


def _prelu(at: Site) -> Node:
    source, slopes = at.input(0), at.constant(1, "slopes")
    shape = (1,) * (len(source.shape) - slopes.ndim) + tuple(slopes.shape)
    if slopes.numel() != 1 and (len(shape) < 2 or shape[1] != slopes.numel()):
        raise Unsupported(f"with slopes of {list(slopes.shape)}; one slope, or one slope per channel, is possible")
    return at.emit("prelu", self_=source, weight=at.emit("reshape", self_=at.input(1), shape=[-1]))


def _hard_sigmoid(at: Site) -> Node:
    alpha, beta = at.attribute("alpha", 0.2), at.attribute("beta", 0.5)
    scaled = at.emit("add", self_=at.emit("mul", self_=at.input(), other=alpha), other=beta)
    return at.emit("clamp", self_=scaled, min=0.0, max=1.0)


def _hard_swish(at: Site) -> Node:
    return at.emit("hardswish", self_=at.input())


def _elu(at: Site) -> Node:
    return at.emit("elu", self_=at.input(), alpha=at.attribute("alpha", 1.0))


def _gelu(at: Site) -> Node:
    return at.emit("gelu", self_=at.input(), approximate=at.attribute("approximate", "none"))


def _softmax(at: Site, operation: str) -> Node:
    source = at.input()
    rank = len(source.shape)
    axis = at.axis(at.attribute("axis", 1 if at.opset < 13 else -1), rank)
    if at.opset >= 13 or axis == rank - 1:
        return at.emit(operation, self_=source, dim=axis)
    # Before, all axes from this one on were taken as one.
    sizes = [int(size) for size in source.shape]
    flat = at.emit(operation, self_=at.emit("flatten", self_=source, start_dim=axis, end_dim=-1), dim=axis)
    return at.emit("reshape", self_=flat, shape=sizes)


def _place(at: Site, operation: str) -> Node:
    if at.attribute("select_last_index", 0):
        raise Unsupported("of the last of equal values")
    source, keep = at.input(), bool(at.attribute("keepdims", 1))
    return at.emit(operation, self_=source, dim=at.axis(at.attribute("axis", 0), len(source.shape)), keepdim=keep)


def _top(at: Site) -> Made:
    source, (count,) = at.input(0), at.integers(1, "a number of values")
    largest, ordered = bool(at.attribute("largest", 1)), bool(at.attribute("sorted", 1))
    axis = at.axis(at.attribute("axis", -1), len(source.shape))
    found = at.emit("topk", self_=source, k=count, dim=axis, largest=largest, sorted=ordered)
    return [at.emit("getitem", self_=found, index=index) for index in (0, 1)]


def _reduced(at: Site, operation: str, since: int) -> Node:
    source = at.input()
    axes, keep = at.axes(1, since), bool(at.attribute("keepdims", 1))
    if not axes:
        if at.attribute("noop_with_empty_axes", 0):
            return source
        axes = list(range(len(source.shape)))
    at.attribute("noop_with_empty_axes", 0)
    dim = [at.axis(axis, len(source.shape)) for axis in axes]
    return at.emit(operation, self_=source, dim=dim, keepdim=keep)


def _norm(at: Site, exponent: float) -> Node:
    source = at.input()
    axes, keep = at.axes(1, 18), bool(at.attribute("keepdims", 1))
    dim = [at.axis(axis, len(source.shape)) for axis in axes or range(len(source.shape))]
    return at.emit("linalg_vector_norm", self_=source, ord=exponent, dim=dim, keepdim=keep)


def _where(at: Site) -> Node:
    return at.emit("where", condition=at.input(0), self_=at.input(1), other=at.input(2))


ONE: Mapping[str, str] = {
    "Relu": "relu",
    "Neg": "neg",
    "Abs": "abs",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Exp": "exp",
    "Log": "log",
    "Sqrt": "sqrt",
    "Reciprocal": "reciprocal",
    "Erf": "erf",
    "Floor": "floor",
    "Ceil": "ceil",
    "Sign": "sign",
    "Not": "logical_not",
    "Softplus": "softplus",
    "Mish": "mish",
}
"""Functions of one value, and PyTorch's operators of the same meaning."""

TWO: Mapping[str, str] = {
    "Add": "add",
    "Sub": "sub",
    "Mul": "mul",
    "Equal": "eq",
    "Greater": "gt",
    "GreaterOrEqual": "ge",
    "Less": "lt",
    "LessOrEqual": "le",
    "And": "logical_and",
    "Or": "logical_or",
}
"""Functions of two values."""

REDUCTIONS: Mapping[str, tuple[str, int]] = {
    "ReduceMean": ("mean", 18),
    "ReduceSum": ("sum", 13),
    "ReduceMax": ("amax", 18),
    "ReduceMin": ("amin", 18),
}
"""What goes over the values of axes, and since which version of ONNX's operators the axes are an input."""


def _named(translation: Any, **names: Any) -> Translation:
    bound: Translation = partial(translation, **names)
    return bound


TRANSLATIONS: Mapping[str, Translation] = {
    **{kind: _named(_one, operation=operation) for kind, operation in ONE.items()},
    **{kind: _named(_both, operation=operation) for kind, operation in TWO.items()},
    **{kind: _named(_reduced, operation=name, since=since) for kind, (name, since) in REDUCTIONS.items()},
    "Div": _div,
    "Pow": _pow,
    "Max": _named(_extreme, side="min"),
    "Min": _named(_extreme, side="max"),
    "Sum": _sum,
    "LeakyRelu": _leaky_relu,
    "PRelu": _prelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Elu": _elu,
    "Gelu": _gelu,
    "Softmax": _named(_softmax, operation="softmax"),
    "LogSoftmax": _named(_softmax, operation="log_softmax"),
    "ArgMax": _named(_place, operation="argmax"),
    "ArgMin": _named(_place, operation="argmin"),
    "TopK": _top,
    "ReduceL1": _named(_norm, exponent=1.0),
    "ReduceL2": _named(_norm, exponent=2.0),
    "Where": _where,
}
