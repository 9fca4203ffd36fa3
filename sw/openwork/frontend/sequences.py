"""Sequences [batch, channels, time] as maps of one row: the rest of the front end knows maps and vectors alone."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from openwork.frontend.node import Graph, Node, Result

Arguments = dict[str, Any]


def sequences_as_maps(graph: Graph) -> Graph:
    """The same graph, in which every sequence is a map [batch, channels, 1, time] and its operators are those of maps."""
    batch = graph.input.results[0].shape[:1]

    def is_sequence(result: Result) -> bool:
        return len(result.shape) == 3 and result.shape[:1] == batch

    def widened(result: Result) -> Result:
        return result._replace(shape=(*result.shape[:2], 1, *result.shape[2:])) if is_sequence(result) else result

    if not any(is_sequence(result) for node in (graph.input, *graph.nodes) for result in node.results):
        return graph
    new: dict[Node, Node] = {graph.input: replace(graph.input, results=tuple(map(widened, graph.input.results)))}

    def of(value: Any) -> Any:
        if isinstance(value, Node):
            return new.get(value, value)
        return type(value)(map(of, value)) if isinstance(value, list | tuple) else value

    for node in graph.nodes:
        arguments = {name: of(value) for name, value in node.arguments.items()}
        operation = node.operation
        if any(is_sequence(result) for source in node.inputs if not source.is_constant for result in source.results):
            operation, change = _CHANGES.get(operation, (operation, _dimensions))
            change(arguments)
        results = tuple(map(widened, node.results))
        new[node] = replace(node, operation=operation, arguments=arguments, results=results)
    outputs = tuple(of(node) for node in graph.outputs)
    return Graph(new[graph.input], tuple(new[node] for node in graph.nodes), outputs, graph.names)


def _both(value: Any, down: int | None = None) -> Any:
    """The number of an argument for time as numbers for height and width; the same for both unless `down` is given."""
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    return [numbers[0] if down is None else down, numbers[0]] if len(numbers) == 1 else value


def _convolution(arguments: Arguments) -> None:
    weight = arguments.get("weight")
    if isinstance(weight, Node) and weight.is_constant and isinstance(weight.value, torch.Tensor):
        arguments["weight"] = replace(weight, value=weight.value.unsqueeze(2))
    if not isinstance(arguments.get("padding"), str):
        arguments["padding"] = _both(arguments.get("padding", 0), 0)
    arguments["stride"] = _both(arguments.get("stride", 1), 1)
    arguments["dilation"] = _both(arguments.get("dilation", 1), 1)


def _transposed(arguments: Arguments) -> None:
    _convolution(arguments)
    arguments["output_padding"] = _both(arguments.get("output_padding", 0), 0)


def _resizing(arguments: Arguments) -> None:
    factors = arguments.get("scale_factors")
    arguments["scale_factors"] = [None, *factors] if factors else None
    if "scales" in arguments:
        arguments["scales_w"] = arguments.pop("scales")


def _sides(arguments: Arguments) -> None:
    arguments["padding"] = [*arguments["padding"], 0, 0]


def _pooling(arguments: Arguments) -> None:
    for name, down in (("kernel_size", 1), ("stride", 1), ("padding", 0), ("output_size", 1)):
        if arguments.get(name):
            arguments[name] = _both(arguments[name], down)
    if "dilation" in arguments:
        arguments["dilation"] = _both(arguments["dilation"], 1)


def _average_pooling(arguments: Arguments) -> None:
    _pooling(arguments)
    arguments["divisor_override"] = None


def _padding(arguments: Arguments) -> None:
    sides = list(arguments["pad"])
    arguments["pad"] = [*sides[:2], 0, 0, *sides[2:]] if len(sides) > 2 else sides


def _dimensions(arguments: Arguments) -> None:
    """Of every other operator: the dimension of time is the last of four; constants are as wide as the tensors that they meet."""
    for name, value in arguments.items():
        if name == "dim" and isinstance(value, int):
            arguments[name] = _dimension(value)
        elif name == "dim" and isinstance(value, list | tuple):
            arguments[name] = [_dimension(one) for one in value]
        elif isinstance(value, Node) and value.is_constant and isinstance(value.value, torch.Tensor):
            if value.value.ndim in (2, 3):
                arguments[name] = replace(value, value=value.value.unsqueeze(-2))


def _dimension(value: int) -> int:
    return (0, 1, 3)[value % 3]


def _nothing(arguments: Arguments) -> None:
    """Of operators whose numbers lie along the last dimension: what they mean there is refused later, as it was said."""


_CHANGES: Mapping[str, tuple[str, Callable[[Arguments], None]]] = {
    "conv1d": ("conv2d", _convolution),
    "convolution": ("convolution", _convolution),
    "conv_transpose1d": ("conv_transpose2d", _transposed),
    "upsample_nearest1d": ("upsample_nearest2d", _resizing),
    "upsample_nearest_exact1d": ("upsample_nearest_exact2d", _resizing),
    "upsample_linear1d": ("upsample_bilinear2d", _resizing),
    "reflection_pad1d": ("reflection_pad2d", _sides),
    "replication_pad1d": ("replication_pad2d", _sides),
    "max_pool1d": ("max_pool2d", _pooling),
    "avg_pool1d": ("avg_pool2d", _average_pooling),
    "adaptive_avg_pool1d": ("adaptive_avg_pool2d", _pooling),
    "adaptive_max_pool1d": ("adaptive_max_pool2d", _pooling),
    "pad": ("pad", _padding),
    "constant_pad_nd": ("constant_pad_nd", _padding),
    "linear": ("linear", _nothing),
    "matmul": ("matmul", _nothing),
}
"""The operators of sequences whose arguments are numbers along time: those of maps, and how their arguments change."""
