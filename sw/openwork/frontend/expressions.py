"""Finds expressions of one value, such as ``x * sigmoid(x)``: they are functions like any other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from inspect import signature
from typing import Any

import torch
from torch.nn import functional

from openwork.frontend.functions import FUNCTIONS, Function
from openwork.frontend.node import Graph, Node

PRODUCTS = ("mul", "div")
"""Operators that no array has for two tensors, unless both are functions of one tensor."""

ELEMENTWISE: Mapping[str, Callable[..., torch.Tensor]] = {
    "mul": lambda self_, other: self_ * other,
    "div": lambda self_, other: self_ / other,
    "add": lambda self_, other, alpha=1: self_ + alpha * other,
    "sub": lambda self_, other, alpha=1: self_ - alpha * other,
    "rsub": lambda self_, other, alpha=1: other - alpha * self_,
    "neg": lambda self_: -self_,
    "abs": lambda self_: self_.abs(),
    "relu": lambda self_: functional.relu(self_),
    "relu6": lambda self_: functional.relu6(self_),
    "hardtanh": lambda self_, min_val=-1, max_val=1: functional.hardtanh(self_, min_val, max_val),
    "clamp": lambda self_, min=None, max=None: self_.clamp(min, max),
    "clamp_min": lambda self_, min: self_.clamp(min=min),
    "clamp_max": lambda self_, max: self_.clamp(max=max),
    "hardsigmoid": lambda self_: functional.hardsigmoid(self_),
    "leaky_relu": lambda self_, negative_slope=0.01: functional.leaky_relu(self_, negative_slope),
    "function": lambda self_, function: function.compute(self_),
}
"""Operators of each value by itself, besides `FUNCTIONS`, with the names of their arguments."""


def expressions_as_functions(graph: Graph) -> Graph:
    """The graph in which a product or quotient of two functions of one tensor is a single node ``function`` of this tensor."""
    sources: dict[Node, Node] = {}  # of a node that is a function of one other node, value by value: that node

    def rule(node: Node) -> Node:
        if not _is_elementwise(node):
            return node
        read = [one for one in node.inputs if not one.is_constant]
        if len(set(read)) == 1 and not (node.operation in PRODUCTS and len(read) == 2):
            sources[node] = read[0]
            return node
        second = set(_ancestors(read[1], sources)) if len(read) == 2 else set()
        base = next((one for one in _ancestors(read[0], sources) if one in second), None) if second else None
        if base is None:
            return node
        if node.operation not in PRODUCTS:  # an array adds tensors; a product of this sum may be a function
            sources[node] = base
            return node
        function = Function(_name(node, base), lambda values: _value(node, base, values))
        made = replace(
            node, operation="function", arguments={"self_": base, "function": function}, at_default=frozenset()
        )
        sources[made] = base
        return made

    return graph.rewritten(rule)


def _ancestors(node: Node, sources: Mapping[Node, Node]) -> Iterator[Node]:
    """The node, what it is a function of, and so on."""
    yield node
    while node in sources:
        node = sources[node]
        yield node


def _is_elementwise(node: Node) -> bool:
    """Whether each value of the node's tensor is made of the value at the same place of its sources, and of numbers."""
    if len(node.results) != 1 or (node.operation not in ELEMENTWISE and node.operation not in FUNCTIONS):
        return False
    if node.operation in ELEMENTWISE:
        known = signature(ELEMENTWISE[node.operation]).parameters
        if any(name not in known and name not in node.at_default for name in node.arguments):
            return False
    for one in node.inputs:
        if one.is_constant:
            if isinstance(one.value, torch.Tensor) and one.value.numel() != 1:
                return False
        elif one.shape != node.shape:
            return False
    return True


def _value(node: Node, base: Node, values: torch.Tensor) -> torch.Tensor:
    """What a node makes of the values of its ancestor `base`."""

    def of(argument: Any) -> Any:
        if argument is base:
            return values
        if not isinstance(argument, Node):
            return argument
        if argument.is_constant:
            return float(argument.value)
        return _value(argument, base, values)

    compute = ELEMENTWISE.get(node.operation)
    if compute is None:
        others = {name: of(value) for name, value in node.arguments.items() if name != "self_"}
        return FUNCTIONS[node.operation](
            of(node.arguments["self_"]), **{name: others[name] for name in others if name not in node.at_default}
        )
    known = signature(compute).parameters
    return compute(**{name: of(value) for name, value in node.arguments.items() if name in known})


def _name(node: Node, base: Node) -> str:
    """The operators of an expression, as ``mul of sigmoid``."""
    found: dict[str, None] = {}
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one is not base and not one.is_constant:
            found[one.arguments["function"].name if one.operation == "function" else one.operation] = None
            waiting.extend(one.inputs)
    return " of ".join(found)
