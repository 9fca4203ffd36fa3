"""Builds the float network step by step. A later node may change a step that no other node reads."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from openwork.frontend.float_steps import FloatFunction, FloatLayer, FloatStep
from openwork.frontend.functions import Function
from openwork.frontend.large_kernels import with_fewer_taps
from openwork.frontend.limits import NO_LIMITS, Limits
from openwork.frontend.node import Graph, Node, Result
from openwork.layer import window_places
from openwork.network import MAX_TAPS
from openwork.operations import Picking
from openwork.operations.arguments import Unsupported
from openwork.tensors import Shape
from openwork_hw.arch.nonzeros import ColumnLayout

Parts = tuple[str, ...]
"""The tensors that a value of the graph stands for, concatenated along channels."""


def fits(taps: int, channels: int) -> bool:
    """Whether a layer can have this number of taps and channels."""
    try:
        ColumnLayout(taps, channels)
    except ValueError:
        return False
    return taps <= MAX_TAPS


def is_constant(value: Any) -> bool:
    """Whether an argument is a node that does not depend on the input."""
    return isinstance(value, Node) and value.is_constant


class Builder:
    """The network so far.

    Attributes:
        graph: the graph that is lowered.
        batch: size of the first dimension of every tensor, as text, because it may be a symbol.
        values: the tensors that each node stands for, for nodes that depend on the input.
        steps, shapes: steps and shapes of the network, by name of the tensor.
        padded: for a tensor that is another tensor with zeros around it: that tensor, and the zeros at each side.
        several: for a node that makes a list of tensors: what each of these tensors stands for.
        chosen: for a tensor that copies channels of other tensors: for each channel, that tensor and its channel.
        flattened: for a vector that holds the pixels of maps: these maps.
        given: for a tensor that the model quantizes itself: the values that its integers go from and to.
        notes: notes of the network, for the user.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.batch = str(graph.input.shape[0])
        self.steps: dict[str, FloatStep] = {}
        self.shapes: dict[str, Shape] = {"input": self.shape(graph.input)}
        self.values: dict[Node, Parts] = {graph.input: ("input",)}
        self.padded: dict[str, tuple[Parts, tuple[int, int, int, int]]] = {}
        self.several: dict[Node, tuple[Parts, ...]] = {}
        self.chosen: dict[str, Sequence[tuple[str, int]]] = {}
        self.flattened: dict[str, Parts] = {}
        self.given: dict[str, Limits] = {}
        self.notes: list[str] = []

    def shape(self, node: Node) -> Shape:
        """The shape of a node's map; for a list of maps, of the first map."""
        return self.shape_of(node.results[0])

    def shape_of(self, result: Result) -> Shape:
        """The shape of the map that a tensor holds."""
        shape = result.shape
        if not shape or str(shape[0]) != self.batch or len(shape) not in (2, 4):
            raise Unsupported(f"a tensor of {list(map(str, shape))} is no batch of maps, sequences or vectors")
        sizes = [int(size) for size in shape[1:]]
        return (sizes[0], 1, 1) if len(sizes) == 1 else (sizes[0], sizes[1], sizes[2])

    def parts(self, node: Any) -> Parts:
        """The tensors that a node stands for."""
        if not isinstance(node, Node) or node not in self.values:
            raise Unsupported("a constant or number in the place of a tensor that depends on the input")
        return self.values[node]

    def constant(self, node: Any) -> torch.Tensor:
        """The numbers of a constant, float64."""
        if not is_constant(node):
            raise Unsupported("weights that depend on the input")
        if not isinstance(node.value, torch.Tensor):  # a number that was read out of a tensor
            return torch.tensor(node.value, dtype=torch.float64)
        return node.value.to(torch.float64, copy=True)

    def emit(self, node: Node, step: FloatStep, shape: Shape) -> Parts:
        """Add a step whose output has no name yet. The name comes from the module that holds its weights, or that is the step."""
        module, is_module = node.module, node.is_module
        constants = (source.name for source in node.inputs if source.is_constant)
        if weights := next((name for name in constants if name.endswith(".weight")), ""):
            module, is_module = weights.removesuffix(".weight"), True
        name = base = module if module and is_module else f"{module}.{node.operation}".lstrip(".")
        number = 2
        while name in self.shapes:
            name, number = f"{base}_{number}", number + 1
        self.steps[name], self.shapes[name] = replace(step, output=name), shape
        return (name,)

    def emit_map(self, node: Node, step: Picking, source: Parts) -> Parts:
        channels = sum(self.shapes[name][0] for name in source)
        return self.emit(node, step, step.output_shape((channels, *self.shapes[source[0]][1:])))

    def emit_layer(self, node: Node, layer: FloatLayer) -> Parts:
        """Add a layer. Where it would read copies of some channels, it reads the original channels."""
        layer = self._over_all_channels(layer)
        _, height, width = self.shapes[layer.inputs[0]]
        rows, _, kernel_h, kernel_w = layer.weights.shape
        kernel = kernel_h, kernel_w
        covers_map = kernel == (height, width) and not any(layer.padding) and layer.dilation == (1, 1)
        taps = int((layer.weights != 0).any(dim=0).any(dim=0).sum())
        if taps > MAX_TAPS and not covers_map:
            copies, layer = with_fewer_taps(layer, (self.channels(layer.inputs), height, width))
            parts = self.emit_layer(replace(node, operation="pixels", is_module=False, arguments={}), copies)
            return self.emit_layer(node, replace(layer, inputs=parts))
        try:
            if not covers_map:
                ColumnLayout(taps=max(taps, 1), channels=layer.weights.shape[1] * layer.groups)
        except ValueError as error:
            raise Unsupported(str(error)) from None
        places = window_places(self.shapes[layer.inputs[0]], kernel, layer.stride, layer.padding, layer.dilation)
        return self.emit(node, layer, (rows, *places))

    def read_only_by(self, name: str, reader: Node) -> bool:
        """Whether no node but this reads a tensor, under any name of the tensor."""
        holders = {node for node, parts in self.values.items() if name in parts}
        if not holders.isdisjoint(self.graph.outputs):
            return False
        return {one for node in holders for one in self.graph.readers(node)} - holders <= {reader}

    def layer_to_change(self, parts: Parts, reader: Node) -> FloatLayer | None:
        """The layer that makes a tensor, if the layer has no limits and only `reader` reads the tensor."""
        step = self.steps.get(parts[0]) if len(parts) == 1 else None
        if not isinstance(step, FloatLayer) or not self.read_only_by(parts[0], reader):
            return None
        if not step.limits.are_none or parts[0] in self.padded:
            return None
        self.chosen.pop(parts[0], None)  # it will be more than a copy
        return step

    def channels(self, parts: Parts) -> int:
        return sum(self.shapes[name][0] for name in parts)

    def low(self, parts: Parts) -> float:
        """A lower limit of all values of a map."""
        lows = []
        for name in parts:
            step = self.steps.get(name)
            lows.append(step.lowest([self.low((one,)) for one in step.inputs]) if step else -math.inf)
        return min(lows)

    def select(self, node: Node, source: Parts, rows: Sequence[int | None], stride: tuple[int, int] = (1, 1)) -> Parts:
        """A layer whose rows each copy one channel, or are zero."""
        weights = torch.zeros(len(rows), self.channels(source), 1, 1, dtype=torch.float64)
        for row, channel in enumerate(rows):
            if channel is not None:
                weights[row, channel] = 1.0
        bias = torch.zeros(len(rows), dtype=torch.float64)
        return self.emit_layer(node, FloatLayer(source, "", weights, bias, stride))

    def take(self, node: Node, source: Parts, channels: Sequence[int]) -> Parts:
        """Some channels of a map, in their order. Whole tensors stay; other channels are copied, unless only layers read them."""
        first = 0
        parts: Parts = ()
        for name in source:
            own = [channel - first for channel in channels if first <= channel < first + self.shapes[name][0]]
            first += self.shapes[name][0]
            if own == list(range(self.shapes[name][0])):
                parts += (name,)
            elif own:
                parts += self._chosen_of(node, [(name, channel) for channel in own])
        return parts

    def choose(self, node: Node, source: Parts, channels: Sequence[int]) -> Parts:
        """Channels of a map in any order, each any number of times. Whole tensors stay, and others are copied as in `take`."""
        own = [(name, channel) for name in source for channel in range(self.shapes[name][0])]
        rows = [own[channel] for channel in channels]
        parts: Parts = ()
        waiting: list[tuple[str, int]] = []
        number = 0
        while number < len(rows):
            name, channel = rows[number]
            count = self.shapes[name][0]
            whole = channel == 0 and rows[number : number + count] == [(name, one) for one in range(count)]
            if whole and name not in parts:
                if waiting:
                    parts += self._chosen_of(node, waiting)
                    waiting = []
                parts += (name,)
                number += count
            else:
                waiting.append(rows[number])
                number += 1
        return parts + self._chosen_of(node, waiting) if waiting else parts

    def _chosen_of(self, node: Node, rows: Sequence[tuple[str, int]]) -> Parts:
        """A copy of channels of several tensors, of the originals of what is a copy itself."""
        rows = [self.chosen[name][channel] if name in self.chosen else (name, channel) for name, channel in rows]
        firsts: dict[str, int] = {}
        for name, _ in rows:
            firsts.setdefault(name, sum(self.shapes[one][0] for one in firsts))
        copy = self.select(node, tuple(firsts), [firsts[name] + channel for name, channel in rows])
        self.chosen[copy[0]] = rows
        return copy

    def _over_all_channels(self, layer: FloatLayer) -> FloatLayer:
        """A layer whose weights reach the channels that its inputs are copies of, if it can have so many."""
        if layer.groups > 1 or not any(name in self.chosen for name in layer.inputs):
            return layer
        firsts: dict[str, int] = {}
        columns: list[int] = []
        for name in layer.inputs:
            for whole, channel in self.chosen.get(name, [(name, one) for one in range(self.shapes[name][0])]):
                first = firsts.setdefault(whole, sum(self.shapes[one][0] for one in firsts))
                columns.append(first + channel)
        rows, _, *kernel = layer.weights.shape
        weights = torch.zeros(rows, sum(self.shapes[one][0] for one in firsts), *kernel, dtype=torch.float64)
        weights.index_add_(1, torch.tensor(columns), layer.weights)
        reaching = replace(layer, inputs=tuple(firsts), weights=weights)
        return reaching if fits(layer.taps, weights.shape[1]) else layer

    def copy(self, node: Node, source: Parts, bias: torch.Tensor | None = None, **changes: Any) -> Parts:
        """A layer that copies every channel, and adds a `bias` if there is one."""
        channels = self.channels(source)
        weights = torch.ones(channels, 1, 1, 1, dtype=torch.float64)
        bias = torch.zeros(channels, dtype=torch.float64) if bias is None else bias
        return self.emit_layer(node, FloatLayer(source, "", weights, bias, groups=channels, **changes))

    def blocks(self, node: Node, source: Parts, factor: tuple[int, int]) -> Parts:
        """A map whose channels are the pixels of blocks: ``(c * down + a) * across + b`` is pixel (a, b) of channel c's blocks."""
        channels, each = self.channels(source), factor[0] * factor[1]
        kernel = torch.eye(each, dtype=torch.float64).reshape(each, 1, *factor)
        weights = kernel.repeat(channels, 1, 1, 1)
        bias = torch.zeros(len(weights), dtype=torch.float64)
        return self.emit_layer(node, FloatLayer(source, "", weights, bias, factor, groups=channels))

    def affine(self, node: Node, source: Parts, factor: torch.Tensor, offset: torch.Tensor) -> Parts:
        """``factor * source + offset``, both float64 [channels]. It is folded into the layer before, or becomes a layer.

        A map of one channel becomes as many channels as there are numbers.
        """
        if self.channels(source) < len(factor):
            return self.emit_layer(node, FloatLayer(source, "", factor[:, None, None, None], offset))
        if (
            self._is_uniform(factor)
            and self._is_uniform(offset)
            and all(self._function_of(one, node) for one in source)
        ):
            scale, shift = float(factor[0]), float(offset[0])
            return self.function(node, source, Function(node.operation, lambda values: scale * values + shift))
        if layer := self.layer_to_change(source, node):
            weights, bias = layer.weights * factor[:, None, None, None], layer.bias * factor + offset
            self.steps[layer.output] = replace(layer, weights=weights, bias=bias)
            return source
        layer = FloatLayer(source, "", factor[:, None, None, None], offset, groups=len(factor))
        return self.emit_layer(node, layer)

    def function(self, node: Node, source: Parts, function: Function) -> Parts:
        """A function of each value of a map: one step per tensor of the map, which can join the layer that makes the tensor.

        A function of a function that no other node reads is one function.
        """
        parts: Parts = ()
        for part in source:
            if step := self._function_of(part, node):
                self.steps[part] = replace(step, function=function.after(step.function, step.limits), limits=NO_LIMITS)
                parts += (part,)
            else:
                parts += self.emit(node, FloatFunction((part,), "", function), self.shapes[part])
        return parts

    def _function_of(self, name: str, reader: Node) -> FloatFunction | None:
        """The function that makes a tensor, if only `reader` reads the tensor."""
        step = self.steps.get(name)
        if not isinstance(step, FloatFunction) or name in self.padded or not self.read_only_by(name, reader):
            return None
        return step

    @staticmethod
    def _is_uniform(numbers: torch.Tensor) -> bool:
        return bool((numbers == numbers[0]).all())

    def limit(self, node: Node, source: Parts, limits: Limits) -> Parts:
        """Limit a map: in the steps that make it, if no other node reads it, or in a layer that copies it."""
        if all(self._can_limit(name, node) for name in source):
            for name in source:
                self._limit_tensor(name, limits)
            return source
        return self.copy(node, source, limits=limits)

    def _can_limit(self, name: str, reader: Node) -> bool:
        step = self.steps.get(name)
        if step is None or name in self.padded or not self.read_only_by(name, reader):
            return False
        if step.limited(NO_LIMITS) is not None:
            return True
        holder = next(node for node, parts in self.values.items() if name in parts)
        return all(self._can_limit(before, holder) for before in step.inputs)

    def _limit_tensor(self, name: str, limits: Limits) -> None:
        step = self.steps[name]
        self.chosen.pop(name, None)  # it is more than a copy now
        limited = step.limited(limits)
        if limited is not None:
            self.steps[name] = limited
        else:  # picking pixels and limiting them may change places
            for before in step.inputs:
                self._limit_tensor(before, limits)

    def per_channel(self, node: Node, value: Any, other: Any) -> torch.Tensor | None:
        """A constant of an operator with two operands as float64 [channels of the result]; None if it is no constant.

        Args:
            node: the operator.
            value: its operand that may be a constant.
            other: its other operand; a map of one channel may become one of several.
        """
        if not isinstance(value, int | float) and not is_constant(value):
            return None
        result, source = self.shape(node), self.channels(self.parts(other))
        constant = self.constant(value) if isinstance(value, Node) else torch.tensor(value, dtype=torch.float64)
        shape = (1,) * (len(node.shape) - constant.ndim) + tuple(constant.shape)
        possible = constant.numel() == 1 or (constant.numel() == result[0] == shape[1] and source in (1, result[0]))
        if not possible or other.shape[2:] != node.shape[2:] or self.shape(other)[1:] != result[1:]:
            raise Unsupported(
                f"a constant of {list(constant.shape)} with a map of {other.texts}; one number for "
                "each channel is possible"
            )
        return constant.reshape(-1).expand(result[0]).clone()

    def unpadded(self, source: Parts) -> tuple[Parts, tuple[int, int, int, int]]:
        """The tensor that was padded with zeros, and the padding; for other tensors, the tensor itself without padding."""
        return self.padded.get(source[0], (source, (0, 0, 0, 0))) if len(source) == 1 else (source, (0, 0, 0, 0))
