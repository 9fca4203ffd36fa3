"""The float network: what the front end makes of a model and quantization makes integers of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional

from openwork.frontend.limits import NO_LIMITS, Limits
from openwork.graph import walk
from openwork.operations import Picking
from openwork.tensors import Shape, by


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """A convolution and the limits of what follows it; whatever is linear in one map becomes one.

    Attributes:
        inputs: tensors, concatenated along channels.
        output: name of the result.
        weights: float64 [rows, channels / groups, kernel_h, kernel_w].
        bias: float64 [rows].
        stride, padding, dilation, groups: as in `IntegerLayer`.
        limits: of the output.
    """

    inputs: tuple[str, ...]
    output: str
    weights: torch.Tensor
    bias: torch.Tensor
    stride: int = 1
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: int = 1
    groups: int = 1
    limits: Limits = NO_LIMITS

    @property
    def taps(self) -> int:
        """Taps of the kernel."""
        return self.weights.shape[2] * self.weights.shape[3]

    def run_real(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs for float inputs [batch, channels, height, width], in their precision."""
        top, left, bottom, right = self.padding
        padded = functional.pad(inputs, (left, right, top, bottom)) if any(self.padding) else inputs
        weights, bias = self.weights.to(inputs.dtype), self.bias.to(inputs.dtype)
        sums = functional.conv2d(padded, weights, bias, self.stride, 0, self.dilation, self.groups)
        return self.limits.apply(sums)


@dataclass(frozen=True)
class FloatAdd:
    """The sum of two maps of one shape, each a concatenation, and the limits of what follows it.

    Attributes:
        inputs: tensors of both, those of the first map in front.
        output: name of the result.
        parts: how many of `inputs` are the first map.
        signs: what the maps are multiplied by, 1 or -1.
        limits: of the output.
    """

    inputs: tuple[str, ...]
    output: str
    parts: int = 1
    signs: tuple[int, int] = (1, 1)
    limits: Limits = NO_LIMITS

    def run_real(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs for float inputs: both maps, concatenated along channels."""
        first, second = inputs.chunk(2, dim=1)
        return self.limits.apply(self.signs[0] * first + self.signs[1] * second)


@dataclass(frozen=True, eq=False)
class FloatJoin:
    """A layer with another map added to its sums: a `FloatAdd` that joined the layer before it.

    Attributes:
        layer: has no limits, and its output is no tensor of the network.
        skip: tensors of the other map, which has as many channels as `layer` has rows, and as many pixels as its inputs.
        sign: what the other map is multiplied by, 1 or -1.
        tap: row and column of the kernel's tap that reads, for each pixel of the output, the same pixel.
        output: name of the result.
        limits: of the output.
    """

    layer: FloatLayer
    skip: tuple[str, ...]
    sign: int
    tap: tuple[int, int]
    output: str
    limits: Limits = NO_LIMITS

    @property
    def inputs(self) -> tuple[str, ...]:
        """Tensors of the layer, then those of the other map."""
        return self.layer.inputs + self.skip

    def run_real(self, inputs: torch.Tensor) -> torch.Tensor:
        """Outputs for float inputs: the layer's and the other map, concatenated along channels."""
        rows = len(self.layer.weights)
        return self.limits.apply(self.layer.run_real(inputs[:, :-rows]) + self.sign * inputs[:, -rows:])


FloatStep = FloatLayer | FloatAdd | FloatJoin | Picking


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """A graph of steps in the order in which they run, of one input; several tensors stand for their concatenation.

    Attributes:
        shapes: of every tensor, the input's first.
        steps: each reads only tensors that are made before it.
        outputs: the tensors that are the result.
        notes: what the host has to do, a sentence each.
    """

    shapes: Mapping[str, Shape]
    steps: tuple[FloatStep, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def input(self) -> str:
        """The tensor that the user fills."""
        return next(iter(self.shapes))

    @property
    def layers(self) -> tuple[FloatLayer, ...]:
        """Of all steps that have weights."""
        layers = (step.layer if isinstance(step, FloatJoin) else step for step in self.steps)
        return tuple(layer for layer in layers if isinstance(layer, FloatLayer))

    def tensors(self, inputs: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor when it is made, [batch, *shape]; it is dropped after its last reader.

        Args:
            inputs: float [batch, channels, height, width], or [batch, features] for a network of one-pixel maps.
        """
        value = inputs.reshape(len(inputs), *self.shapes[self.input])
        return walk(self.input, value, self.steps, _run_on_parts)

    def run(self, inputs: torch.Tensor) -> torch.Tensor:
        """The network's outputs [batch, channels, height, width]; `inputs` as for `tensors`."""
        with torch.no_grad():
            wanted = {name: value for name, value in self.tensors(inputs) if name in self.outputs}
        return torch.cat([wanted[name] for name in self.outputs], dim=1)

    def __str__(self) -> str:
        lines = [f"{self.input:24} {by(self.shapes[self.input]):>16}  input"]
        for step in self.steps:
            layer = step.layer if isinstance(step, FloatJoin) else step
            what = by(layer.weights.shape) if isinstance(layer, FloatLayer) else type(step).__name__
            what += f" + {' + '.join(step.skip)}" if isinstance(step, FloatJoin) else ""
            lines.append(f"{step.output:24} {by(self.shapes[step.output]):>16}  {what}")
        return "\n".join([*lines, *self.notes])


def _run_on_parts(step: FloatStep, parts: list[torch.Tensor]) -> torch.Tensor:
    return run_step(step, parts[0] if len(parts) == 1 else torch.cat(parts, dim=1))


def run_step(step: FloatStep, inputs: torch.Tensor) -> torch.Tensor:
    """What a step makes of float inputs [batch, channels, height, width]."""
    return step.run_real(inputs)
