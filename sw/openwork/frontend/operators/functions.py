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


def _plain(name: str, build: Builder, node: Node, self_: Any) -> Parts:
    """A function without arguments of its own."""
    return _function(build, node, self_, name)


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
    **{name: partial(_plain, name) for name in ("silu", "hardswish", "sigmoid", "tanh", "mish", "selu", "exp")},
    "gelu": _gelu,
    "elu": _elu,
    "celu": _celu,
    "softplus": _softplus,
    "softshrink": _softshrink,
}

EXPRESSIONS: Mapping[str, Callable[..., Parts]] = {"function": _expression}
"""Nodes that no model has: those that rewrites make."""
