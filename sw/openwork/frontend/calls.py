"""Runs nodes with PyTorch's operators of their names: for the shapes of a model, for its constants, and for what the host does."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import nn

from openwork.frontend.node import Node


def _quantized(
    self_: torch.Tensor, scale: float, zero_point: int, low: float, high: float, clipped: bool
) -> torch.Tensor:
    """Values within what the integers of a quantization stand for. They are not rounded: Openwork's quantization does that."""
    return self_.clamp(low, high) if clipped else self_.clone()


OWN: Mapping[str, Callable[..., Any]] = {
    "getitem": lambda self_, index: self_[index],
    "quantized": _quantized,
}
"""Operations that PyTorch has no operator for."""


def call(operation: str, arguments: Mapping[str, Any]) -> Any:
    """What an operation makes of its arguments, by name; tensors stand in the place of nodes."""
    if operation in OWN:
        return OWN[operation](**arguments)
    operator = getattr(torch.ops.aten, operation)
    return operator(**{_first(operation) if name == "self_" else name: value for name, value in arguments.items()})


@cache
def _first(operation: str) -> str:
    """What PyTorch calls the first tensor of an operator."""
    packet = getattr(torch.ops.aten, operation)
    overload = getattr(packet, packet.overloads()[0])
    return "input" if overload._schema.arguments[0].name == "input" else "self"


def with_values(arguments: Mapping[str, Any], value_of: Callable[[Node], Any]) -> dict[str, Any]:
    """The arguments of a node, in which values took the places of the nodes."""

    def of(value: Any) -> Any:
        if isinstance(value, Node):
            return value_of(value)
        return type(value)(map(of, value)) if isinstance(value, list | tuple) else value

    return {name: of(value) for name, value in arguments.items()}


class End(nn.Module):
    """The nodes of a graph from some values on, as a module. Constants are its buffers."""

    def __init__(self, nodes: Iterable[Node], cuts: Iterable[Node], outputs: Iterable[Node]) -> None:
        super().__init__()
        self.cuts, self.outputs = tuple(cuts), tuple(outputs)
        needed, waiting = set(self.cuts), [*self.outputs]
        while waiting:
            node = waiting.pop()
            if node not in needed:
                needed.add(node)
                waiting.extend(node.inputs)
        self.nodes = tuple(node for node in nodes if node in needed and node not in self.cuts)
        self.names: dict[Node, str] = {}
        for node in sorted((one for one in needed if one.is_constant), key=lambda one: one.name):
            if isinstance(node.value, torch.Tensor):
                self.names[node] = f"constant_{len(self.names)}"
                self.register_buffer(self.names[node], node.value.clone())

    def forward(self, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The results for the values at which the graph was cut."""
        known: dict[Node, Any] = dict(zip(self.cuts, values, strict=True))

        def value_of(node: Node) -> Any:
            if node.is_constant:
                return getattr(self, self.names[node]) if node in self.names else node.value
            return known[node]

        for node in self.nodes:
            known[node] = call(node.operation, with_values(node.arguments, value_of))
        return tuple(value_of(node) for node in self.outputs)
