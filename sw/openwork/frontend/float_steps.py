"""The steps of a float network that compute values. Quantization turns each of them into a layer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch.nn import functional

from openwork.frontend.functions import Function
from openwork.frontend.limits import NO_LIMITS, Limits
from openwork.operations import Picking
from openwork.operations.operation import Step
from openwork.scales import LARGEST, WEIGHT_MAX, adding_scale, scaling_scale
from openwork.tensors import Shape, by

Scale = Callable[[str], float]
"""Gives the scale of a tensor that a step reads."""

Convolve = Callable[["FloatLayer", torch.Tensor], torch.Tensor]
"""Gives the sums of a layer for its inputs, without its limits."""


@dataclass(frozen=True, eq=False)
class Computing(ABC):
    """A step that computes and limits values. `operations.Picking` has the same methods for steps that only pick values.

    Attributes:
        inputs: names of the tensors that the step reads, concatenated along channels.
        output: name of the result.
    """

    inputs: tuple[str, ...]
    output: str

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """The limits of the output."""

    @abstractmethod
    def run_real(self, inputs: torch.Tensor) -> torch.Tensor:
        """The outputs for float inputs [batch, channels, height, width], in the precision of the inputs."""

    @abstractmethod
    def run_traceable(self, parts: list[torch.Tensor], convolve: Convolve, *, never_negative: bool) -> torch.Tensor:
        """`run_real`, written in operators that the front end can import.

        Args:
            parts: the tensor of each of `inputs`.
            convolve: computes the sums of a layer, with any weights.
            never_negative: whether no value that the step reads is below 0.
        """

    @abstractmethod
    def sharing(self) -> tuple[tuple[str, ...], ...]:
        """Groups of tensors of the step; the tensors of a group must share a scale."""

    @abstractmethod
    def least_scale(self, scale: Scale) -> float:
        """The finest scale of the output with which no row has a negative shift."""

    @abstractmethod
    def exact_scale(self, base: float, scale: Scale) -> float | None:
        """A scale of the output, at least `base`, that makes the step exact; None if there is no such scale."""

    @abstractmethod
    def as_layer(self, shapes: Mapping[str, Shape]) -> "FloatLayer | FloatJoin | FloatFunction":
        """The step as the layer, or the function, that is quantized. `shapes` are the shapes of the network's tensors."""

    def quantized(
        self, shapes: Mapping[str, Shape], make: "Callable[[FloatLayer | FloatJoin | FloatFunction], Step]"
    ) -> Step:
        """The step in integers. `make` quantizes a layer."""
        return make(self.as_layer(shapes))

    @property
    def added(self) -> tuple[str, ...]:
        """One tensor of each of the two maps that the step adds; empty if the step adds no maps."""
        return ()

    @property
    def weighted(self) -> "tuple[FloatLayer, ...]":
        """The layers with weights that the step is or contains; empty if there are none."""
        return ()

    @property
    def uniform_size(self) -> float | None:
        """The absolute value of all weights that are not 0, if they share one; None for a step without weights of its own."""
        return None

    def renewed(self, tensors: "Callable[[FloatLayer | FloatJoin], tuple[torch.Tensor, torch.Tensor]]") -> "FloatStep":
        """The step with the weights and the bias that `tensors` gives for it."""
        return self  # type: ignore[return-value]  # each class below is one of those

    def limited(self, limits: Limits) -> "FloatStep":
        """The step with further limits."""
        return replace(self, limits=self.limits.then(limits))  # type: ignore[return-value, call-arg]  # as above

    def lowest(self, _lows: list[float]) -> float:
        """A lower limit of the output's values, given the lower limits of the inputs."""
        return self.limits.low

    @property
    @abstractmethod
    def description(self) -> str:
        """The step in a few words."""


@dataclass(frozen=True, eq=False)
class FloatLayer(Computing):
    """A convolution with limits. Every operation that is linear in one map becomes a FloatLayer.

    Attributes:
        weights: float64 [rows, channels / groups, kernel_h, kernel_w].
        bias: float64 [rows].
        stride, padding, dilation, groups: as in `IntegerLayer`.
        limits: of the output.
    """

    weights: torch.Tensor
    bias: torch.Tensor
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    limits: Limits = NO_LIMITS

    own_sign, sign, tap = 1, 1, (0, 0)
    """As in `FloatJoin`."""

    @property
    def skip(self) -> tuple[str, ...]:
        """It reads no other map; see `FloatJoin`."""
        return ()

    @property
    def layer(self) -> "FloatLayer":
        """Itself; see `FloatJoin`."""
        return self

    @property
    def taps(self) -> int:
        """Number of taps of the kernel."""
        return self.weights.shape[2] * self.weights.shape[3]

    def sums(self, inputs: torch.Tensor) -> torch.Tensor:
        """The outputs before the limits, for float inputs."""
        top, left, bottom, right = self.padding
        padded = functional.pad(inputs, (left, right, top, bottom)) if any(self.padding) else inputs
        weights, bias = self.weights.to(inputs.dtype), self.bias.to(inputs.dtype)
        return functional.conv2d(padded, weights, bias, self.stride, 0, self.dilation, self.groups)

    def run_real(self, inputs: torch.Tensor) -> torch.Tensor:
        """As `Computing.run_real`."""
        return self.limits.apply(self.sums(inputs))

    def run_traceable(self, parts: list[torch.Tensor], convolve: Convolve, *, never_negative: bool) -> torch.Tensor:
        """As `Computing.run_traceable`."""
        return self.limits.apply_traceable(convolve(self, concatenated(parts)))

    def sharing(self) -> tuple[tuple[str, ...], ...]:
        """As `Computing.sharing`."""
        return (self.inputs,)

    def least_scale(self, scale: Scale) -> float:
        """As `Computing.least_scale`."""
        return scale(self.inputs[0]) * float(self.weights.abs().max()) / WEIGHT_MAX

    def exact_scale(self, base: float, scale: Scale) -> float | None:
        """As `Computing.exact_scale`: for averages and copies."""
        size = self.uniform_size
        return None if size is None else scaling_scale(size * scale(self.inputs[0]), base)

    def as_layer(self, _shapes: Mapping[str, Shape]) -> "FloatLayer":
        """As `Computing.as_layer`."""
        return self

    @property
    def weighted(self) -> "tuple[FloatLayer, ...]":
        """As `Computing.weighted`."""
        return (self,)

    @cached_property
    def uniform_size(self) -> float | None:
        """As `Computing.uniform_size`."""
        sizes = self.weights[self.weights != 0].abs()
        return float(sizes[0]) if sizes.numel() and bool((sizes == sizes[0]).all()) else None

    def renewed(self, tensors: "Callable[[FloatLayer | FloatJoin], tuple[torch.Tensor, torch.Tensor]]") -> "FloatLayer":
        """As `Computing.renewed`."""
        weights, bias = tensors(self)
        return replace(self, weights=weights, bias=bias)

    @property
    def description(self) -> str:
        """As `Computing.description`."""
        return by(self.weights.shape)


@dataclass(frozen=True)
class FloatAdd(Computing):
    """The sum of two maps of one shape, with limits. Each map is a concatenation of tensors.

    Attributes:
        inputs: tensors of both maps, those of the first map first.
        parts: how many of `inputs` belong to the first map.
        signs: what the maps are multiplied by, 1 or -1.
        limits: of the output.
    """

    parts: int = 1
    signs: tuple[int, int] = (1, 1)
    limits: Limits = NO_LIMITS

    def run_real(self, inputs: torch.Tensor) -> torch.Tensor:
        """As `Computing.run_real`: both maps, concatenated along channels."""
        first, second = inputs.chunk(2, dim=1)
        return self.limits.apply(self.signs[0] * first + self.signs[1] * second)

    def run_traceable(self, parts: list[torch.Tensor], convolve: Convolve, *, never_negative: bool) -> torch.Tensor:
        """As `Computing.run_traceable`."""
        first, second = concatenated(parts[: self.parts]), concatenated(parts[self.parts :])
        total = {(1, 1): first + second, (1, -1): first - second, (-1, 1): second - first}.get(self.signs)
        return self.limits.apply_traceable(-first - second if total is None else total)

    def sharing(self) -> tuple[tuple[str, ...], ...]:
        """As `Computing.sharing`: each map has a scale of its own."""
        return self.inputs[: self.parts], self.inputs[self.parts :]

    def least_scale(self, scale: Scale) -> float:
        """As `Computing.least_scale`."""
        return max(map(scale, self.inputs)) / LARGEST

    def exact_scale(self, base: float, scale: Scale) -> float:
        """As `Computing.exact_scale`, or near to it."""
        return adding_scale(scale(self.inputs[0]), scale(self.inputs[-1]), base)

    def as_layer(self, shapes: Mapping[str, Shape]) -> FloatLayer:
        """As `Computing.as_layer`: each row has one weight for either map."""
        channels = shapes[self.output][0]
        one = torch.eye(channels, dtype=torch.float64)[:, :, None, None]
        weights = torch.cat([self.signs[0] * one, self.signs[1] * one], dim=1)
        bias = torch.zeros(channels, dtype=torch.float64)
        return FloatLayer(self.inputs, self.output, weights, bias, limits=self.limits)

    @property
    def added(self) -> tuple[str, str]:
        """As `Computing.added`."""
        return self.inputs[0], self.inputs[-1]

    @property
    def description(self) -> str:
        """As `Computing.description`."""
        return "sum" if self.signs == (1, 1) else "difference"


@dataclass(frozen=True, eq=False)
class FloatJoin(Computing):
    """A layer with another map added to its sums: a `FloatAdd` that joined the layer before it.

    Attributes:
        inputs: tensors of the layer, then those of the other map, the *skip*.
        layer: has no limits, and its output is no tensor of the network.
        own_sign: what the sum multiplied the layer's outputs by, 1 or -1; the layer's weights hold it already.
        sign: what the other map is multiplied by, 1 or -1.
        tap: row and column of the kernel's tap that reads, for each pixel of the output, the same pixel.
        limits: of the output.
    """

    layer: FloatLayer
    own_sign: int
    sign: int
    tap: tuple[int, int]
    limits: Limits = NO_LIMITS

    @property
    def skip(self) -> tuple[str, ...]:
        """Tensors of the other map, which has as many channels as `layer` has rows, and as many pixels as its inputs."""
        return self.inputs[len(self.layer.inputs) :]

    def run_real(self, inputs: torch.Tensor) -> torch.Tensor:
        """As `Computing.run_real`: the layer's and the other map, concatenated along channels."""
        rows = len(self.layer.weights)
        return self.limits.apply(self.layer.sums(inputs[:, :-rows]) + self.sign * inputs[:, -rows:])

    def run_traceable(self, parts: list[torch.Tensor], convolve: Convolve, *, never_negative: bool) -> torch.Tensor:
        """As `Computing.run_traceable`."""
        own = len(self.layer.inputs)
        sums = convolve(self.layer, concatenated(parts[:own])) + self.sign * concatenated(parts[own:])
        return self.limits.apply_traceable(sums)

    def sharing(self) -> tuple[tuple[str, ...], ...]:
        """As `Computing.sharing`."""
        return self.layer.inputs, self.skip

    def least_scale(self, scale: Scale) -> float:
        """As `Computing.least_scale`."""
        return max(self.layer.least_scale(scale), scale(self.skip[0]) / LARGEST)

    def exact_scale(self, base: float, scale: Scale) -> float:
        """As `Computing.exact_scale`: of what is added."""
        return scaling_scale(scale(self.skip[0]), base)

    def as_layer(self, _shapes: Mapping[str, Shape]) -> "FloatJoin":
        """As `Computing.as_layer`."""
        return self

    @property
    def weighted(self) -> tuple[FloatLayer, ...]:
        """As `Computing.weighted`."""
        return (self.layer,)

    def renewed(self, tensors: "Callable[[FloatLayer | FloatJoin], tuple[torch.Tensor, torch.Tensor]]") -> "FloatJoin":
        """As `Computing.renewed`."""
        weights, bias = tensors(self)
        return replace(self, layer=replace(self.layer, weights=weights, bias=bias))

    @property
    def description(self) -> str:
        """As `Computing.description`."""
        return f"{self.layer.description} + {' + '.join(self.skip)}"


@dataclass(frozen=True, eq=False)
class FloatFunction(Computing):
    """A function of each value of a tensor, with limits. Quantization makes a table of it.

    Attributes:
        function: the function.
        limits: of the output.
    """

    function: Function
    limits: Limits = NO_LIMITS

    def run_real(self, inputs: torch.Tensor) -> torch.Tensor:
        """As `Computing.run_real`."""
        return self.limits.apply(self.function.compute(inputs))

    def run_traceable(self, parts: list[torch.Tensor], convolve: Convolve, *, never_negative: bool) -> torch.Tensor:
        """As `Computing.run_traceable`."""
        return self.limits.apply_traceable(self.function.compute(concatenated(parts)))

    def sharing(self) -> tuple[tuple[str, ...], ...]:
        """As `Computing.sharing`: input and output have scales of their own."""
        return (self.inputs,)

    def least_scale(self, _scale: Scale) -> float:
        """As `Computing.least_scale`: a table has no shift."""
        return 0.0

    def exact_scale(self, _base: float, _scale: Scale) -> float | None:
        """As `Computing.exact_scale`: there is none."""
        return None

    def as_layer(self, _shapes: Mapping[str, Shape]) -> "FloatFunction":
        """As `Computing.as_layer`."""
        return self

    def lowest(self, _lows: list[float]) -> float:
        """As `Computing.lowest`."""
        return max(self.limits.low, min(self.function.least, self.limits.high))

    @property
    def description(self) -> str:
        """As `Computing.description`."""
        return self.function.name


FloatStep = FloatLayer | FloatAdd | FloatJoin | FloatFunction | Picking


def concatenated(parts: list[torch.Tensor]) -> torch.Tensor:
    """Maps [batch, channels, height, width] as one, along channels."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
