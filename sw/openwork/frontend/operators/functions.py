"""Functions of one value, such as SiLU and GELU: the array has a table for each."""

from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from typing import Any

from openwork.frontend.builder import Builder, Parts
from openwork.frontend.functions import FUNCTIONS, LEAST, Function
from openwork.frontend.node import Node
from openwork.operations.arguments import Unsupported


def _function(build: Builder, node: Node, source: Any, name: str, **arguments: Any) -> Parts:
    for argument, value in arguments.items():
        if not isinstance(value, int | float | str):
            raise Unsupported(f"with {argument} that is no number")
    compute = partial(FUNCTIONS[name], **arguments)
    return build.function(node, build.parts(source), Function(name, compute, LEAST.get(name, -inf)))


def _expression(build: Builder, node: Node, self_: Any, function: Any) -> Parts:
    """Of what `expressions.expressions_as_functions` made."""
    return build.function(node, build.parts(self_), function)


def _silu(build: Builder, node: Node, self_: Any) -> Parts:
    return _function(build, node, self_, "silu")


def _hardswish(build: Builder, node: Node, self_: Any) -> Parts:
    return _function(build, node, self_, "hardswish")


def _sigmoid(build: Builder, node: Node, self_: Any) -> Parts:
    return _function(build, node, self_, "sigmoid")


def _tanh(build: Builder, node: Node, self_: Any) -> Parts:
    return _function(build, node, self_, "tanh")


def _mish(build: Builder, node: Node, self_: Any) -> Parts:
    return _function(build, node, self_, "mish")


def _selu(build: Builder, node: Node, self_: Any) -> Parts:
    return _function(build, node, self_, "selu")


def _exp(build: Builder, node: Node, self_: Any) -> Parts:
    return _function(build, node, self_, "exp")


def _gelu(build: Builder, node: Node, self_: Any, approximate: Any = "none") -> Parts:
    return _function(build, node, self_, "gelu", approximate=approximate)


def _elu(build: Builder, node: Node, self_: Any, alpha: Any = 1, scale: Any = 1, input_scale: Any = 1) -> Parts:
    return _function(build, node, self_, "elu", alpha=alpha, scale=scale, input_scale=input_scale)


def _celu(build: Builder, node: Node, self_: Any, alpha: Any = 1.0) -> Parts:
    return _function(build, node, self_, "celu", alpha=alpha)


def _softplus(build: Builder, node: Node, self_: Any, beta: Any = 1, threshold: Any = 20) -> Parts:
    return _function(build, node, self_, "softplus", beta=beta, threshold=threshold)


def _softshrink(build: Builder, node: Node, self_: Any, lambd: Any = 0.5) -> Parts:
    return _function(build, node, self_, "softshrink", lambd=lambd)


OPERATORS: Mapping[str, Callable[..., Parts]] = {
    "silu": _silu,
    "hardswish": _hardswish,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "gelu": _gelu,
    "elu": _elu,
    "celu": _celu,
    "selu": _selu,
    "mish": _mish,
    "softplus": _softplus,
    "softshrink": _softshrink,
    "exp": _exp,
}

EXPRESSIONS: Mapping[str, Callable[..., Parts]] = {"function": _expression}
"""Nodes that no model has: those that rewrites make."""
