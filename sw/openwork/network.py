"""The quantized network: named int8 tensors, and the steps that make them, in the order in which they run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwork.arrays import ArrayError, user_array
from openwork.layer import IntegerLayer
from openwork.limits import MAX_MAPS, MAX_OPERANDS, MAX_PRODUCTS, MAX_STEPS, MAX_WEIGHTS, check_limit
from openwork_hw.arch import config
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.refusal import Refusal

MAX_TAPS = config.MAX_TAPS
"""Taps of a row: of a kernel that the front end makes, where longer sums are cut in two, and of ranges that the compiler cuts."""

Shape = tuple[int, int, int]
"""Channels, height, width. A vector is a map of one pixel."""


class NetworkError(Refusal):
    """A network that means nothing, or inputs that it does not take; the message names the step, the rule and the value."""


class NetworkSizeError(NetworkError):
    """A network beyond the limits of `openwork.limits`; the message names the step, the need and the limit."""


@dataclass(frozen=True)
class Tensor:
    """An int8 map, and what its integers stand for: ``real = scale * (integer - zero_point)``."""

    name: str
    shape: Shape
    scale: float
    zero_point: int


@dataclass(frozen=True, eq=False)
class LayerStep:
    """Everything linear: `layer`, over its inputs concatenated along channels."""

    inputs: tuple[str, ...]
    output: str
    layer: IntegerLayer

    def output_shape(self, shape: Shape) -> Shape:
        """Of the result, from the shape of all inputs."""
        if shape != self.layer.input_shape:
            raise NetworkError(f"step {self.output!r}: its layer takes {by(self.layer.input_shape)}, not {by(shape)}")
        return self.layer.output_shape


@dataclass(frozen=True)
class MaxPool:
    """The largest value under each place of a window; places outside the map never are it.

    Attributes:
        inputs: concatenated along channels.
        output: name of the result.
        kernel: height and width of the window.
        stride: the same in both directions.
        padding: pixels at top, left, bottom, right, each less than the window.
    """

    inputs: tuple[str, ...]
    output: str
    kernel: tuple[int, int]
    stride: int = 1
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def output_shape(self, shape: Shape) -> Shape:
        """Of the result, from the shape of all inputs."""
        channels, height, width = shape
        top, left, bottom, right = self.padding
        kernel_h, kernel_w = self.kernel
        if min(self.kernel) < 1 or self.stride < 1 or min(self.padding) < 0:
            raise NetworkError(f"step {self.output!r}: kernel and stride are 1 or more, padding 0 or more")
        if max(top, bottom) >= kernel_h or max(left, right) >= kernel_w:
            raise NetworkError(f"step {self.output!r}: padding {self.padding} would leave a window without a pixel")
        rows = (height + top + bottom - kernel_h) // self.stride + 1
        columns = (width + left + right - kernel_w) // self.stride + 1
        if rows < 1 or columns < 1:
            raise NetworkError(f"step {self.output!r}: the window {by(self.kernel)} is larger than {by(shape)}, padded")
        return channels, rows, columns


@dataclass(frozen=True)
class Upsample:
    """Each pixel becomes `factor` x `factor` equal ones."""

    inputs: tuple[str, ...]
    output: str
    factor: int

    def output_shape(self, shape: Shape) -> Shape:
        """Of the result, from the shape of all inputs."""
        if self.factor < 1:
            raise NetworkError(f"step {self.output!r}: factor is 1 or more, not {self.factor}")
        return shape[0], shape[1] * self.factor, shape[2] * self.factor


@dataclass(frozen=True)
class Reshape:
    """The same integers in the order channel, row, column, divided anew into `shape`."""

    inputs: tuple[str, ...]
    output: str
    shape: Shape

    def output_shape(self, shape: Shape) -> Shape:
        """Of the result, from the shape of all inputs."""
        if prod(shape) != prod(self.shape) or min(self.shape) < 1:
            raise NetworkError(f"step {self.output!r}: {by(shape)} cannot become {by(self.shape)}")
        return self.shape


Step = LayerStep | MaxPool | Upsample | Reshape


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """A quantized network of one input: a graph of exact integer steps.

    Several tensors in the place of one (as inputs of a step, or as the result) stand for their concatenation along
    channels; they have the same height and width. Unless a layer reads them, they also have one scale and one zero point;
    a layer reads outside its map only of inputs that have its own input zero point. A layer may name a tensor more than
    once: the same map at several channel ranges.

    Attributes:
        tensors: the input, then what each step makes, in the order of the steps.
        steps: each reads only tensors that are made before it.
        outputs: the tensors that are the result.

    Raises:
        NetworkError: a name, shape, scale or zero point is wrong; or there is no step.
        NetworkSizeError: it is beyond the limits.
    """

    tensors: tuple[Tensor, ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        check_limit(NetworkSizeError, "the network", len(self.steps), MAX_STEPS, "steps")
        names = [tensor.name for tensor in self.tensors]
        if not self.steps or names[1:] != [step.output for step in self.steps] or len(set(names)) < len(names):
            raise NetworkError(
                "a network has an input and at least one step, and a tensor for each in that order, all of different "
                f"names, not tensors {names} for steps {[step.output for step in self.steps]}"
            )
        for tensor in self.tensors:
            _check_tensor(tensor)
        made = {self.input.name}
        needs = _Needs(self.input)
        for step in self.steps:
            missing = [name for name in step.inputs if name not in made]
            if missing or not step.inputs:
                raise NetworkError(f"step {step.output!r} reads {missing or 'nothing'}, and there are {sorted(made)}")
            self._check_step(step)
            needs.add(step, self.concatenated_shape(step.inputs), self.tensor(step.output).shape)
            made.add(step.output)
        if not self.outputs or not set(self.outputs) <= made:
            raise NetworkError(f"the outputs {list(self.outputs)} are not all tensors of the network")
        self._check_agreement("the outputs", self.outputs)
        self.concatenated_shape(self.outputs)

    def _check_step(self, step: Step) -> None:
        what = f"step {step.output!r}"
        shape, result = step.output_shape(self.concatenated_shape(step.inputs)), self.tensor(step.output)
        if shape != result.shape:
            raise NetworkError(f"{what} makes {by(shape)}, and its tensor is {by(result.shape)}")
        if not isinstance(step, LayerStep):
            self._check_agreement(what, (*step.inputs, step.output))
            return
        if step.layer.name != step.output or step.layer.output_zero_point != result.zero_point:
            raise NetworkError(
                f"{what}: its layer is called {step.layer.name!r} and has the output zero point "
                f"{step.layer.output_zero_point}, and its tensor is called {result.name!r} and has {result.zero_point}"
            )
        for name in self._read_outside(step):
            if self.tensor(name).zero_point != step.layer.input_zero_point:
                raise NetworkError(
                    f"{what}: its padding is {step.layer.input_zero_point}, and must be the zero point of what it reads, "
                    f"which is {self.tensor(name).zero_point} of {name!r}"
                )

    def _read_outside(self, step: LayerStep) -> Iterator[str]:
        """Each input of a layer that a weight reads outside its map for some pixel."""
        layer = step.layer
        outside = layer.outside_taps()
        if not outside.any():
            return
        nonzero: NDArray[np.bool_] = np.any(layer.weights[:, :, outside], axis=(0, 2))
        first = 0
        for name in step.inputs:
            channels = self.tensor(name).shape[0]
            if (nonzero if layer.groups > 1 else nonzero[first : first + channels]).any():
                yield name
            first += channels

    def _check_agreement(self, what: str, names: Sequence[str]) -> None:
        tensors = [self.tensor(name) for name in names]
        if len({(tensor.scale, tensor.zero_point) for tensor in tensors}) > 1:
            found = ", ".join(f"{tensor.name!r} {tensor.scale:.6g} and {tensor.zero_point}" for tensor in tensors)
            raise NetworkError(f"{what} must have one scale and zero point, not {found}")

    @property
    def input(self) -> Tensor:
        """The tensor that the user fills."""
        return self.tensors[0]

    @property
    def layers(self) -> tuple[IntegerLayer, ...]:
        """The layers of all steps that have one, in order."""
        return tuple(step.layer for step in self.steps if isinstance(step, LayerStep))

    @property
    def largest_operands(self) -> int:
        """Of the step that reads the most values for one input."""
        return max(
            operands_of(step, self.concatenated_shape(step.inputs), self.tensor(step.output).shape)
            for step in self.steps
        )

    @property
    def density(self) -> float:
        """Nonzeros / weights, over all layers."""
        return sum(layer.nonzeros for layer in self.layers) / max(1, sum(layer.weights.size for layer in self.layers))

    @property
    def output_shape(self) -> Shape:
        """Of the result."""
        return self.concatenated_shape(self.outputs)

    def tensor(self, name: str) -> Tensor:
        """The tensor of this name."""
        if name not in self._by_name:
            raise NetworkError(f"the network has no tensor {name!r}")
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Tensor]:
        return {tensor.name: tensor for tensor in self.tensors}

    def concatenated_shape(self, names: Sequence[str]) -> Shape:
        """The shape of several tensors, concatenated along channels."""
        shapes = [self.tensor(name).shape for name in names]
        if len({shape[1:] for shape in shapes}) != 1:
            found = ", ".join(f"{name!r} {by(shape)}" for name, shape in zip(names, shapes, strict=True))
            raise NetworkError(f"only maps of one height and width can be concatenated, not {found}")
        return sum(shape[0] for shape in shapes), *shapes[0][1:]

    def quantize_inputs(self, inputs: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.int8]:
        """Real inputs [batch, channels, height, width] or [batch, features] as int8 maps, clipped to what int8 can say.

        Raises:
            NetworkError: the shape is another one, or a value is NaN.
        """
        maps = self._maps(inputs)
        if np.isnan(maps).any():
            raise NetworkError("the inputs hold NaN")
        integers = np.floor(maps.astype(np.float64) / self.input.scale + 0.5) + self.input.zero_point
        clipped: NDArray[np.int8] = np.clip(integers, ACTIVATION_MIN, ACTIVATION_MAX).astype(np.int8)
        return clipped

    def integer_inputs(self, inputs: Any) -> NDArray[np.int8]:
        """Inputs of a user as int8 maps: int8 as it is, real numbers through `quantize_inputs`.

        Args:
            inputs: an array, or what NumPy makes one of: lists, a tensor of any device.

        Raises:
            NetworkError: they are no array, have another dtype or shape, are none, or hold NaN.
        """
        try:
            inputs = user_array(inputs)
        except ArrayError as error:
            raise NetworkError(f"the inputs {error}") from None
        if not inputs.size:
            raise NetworkError("there are no inputs")
        if inputs.dtype == np.int8:
            return np.ascontiguousarray(self._maps(inputs))
        if inputs.dtype not in (np.float32, np.float64):
            raise NetworkError(f"the inputs must be float32, float64 or int8, not {inputs.dtype}")
        return self.quantize_inputs(inputs)

    def _maps(self, inputs: NDArray[Any]) -> NDArray[Any]:
        maps = inputs.reshape(*inputs.shape, 1, 1) if inputs.ndim == 2 else inputs
        if maps.ndim != 4 or maps.shape[1:] != self.input.shape:
            raise NetworkError(f"the network takes inputs {_batch_of(self.input.shape)}, not {list(inputs.shape)}")
        return maps

    def dequantize_outputs(self, outputs: NDArray[np.int8]) -> NDArray[np.float64]:
        """What int8 outputs of the network stand for."""
        result = self.tensor(self.outputs[0])
        real: NDArray[np.float64] = result.scale * (outputs.astype(np.float64) - result.zero_point)
        return real

    def __str__(self) -> str:
        head = ("step", "shape", "weights", "density", "bits", "scale")
        widths = [max(len(row[column]) for row in (head, *self.rows())) for column in range(len(head))]
        lines = []
        for row in (head, *self.rows()):
            cells = [text.ljust(width) if column < 2 else text.rjust(width) for column, (text, width) in
                     enumerate(zip(row, widths, strict=True))]  # fmt: skip
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """For a table: step, shape of what it makes, weights, density, bits of the weights and accumulator, scale."""
        tensor = self.input
        rows = [(tensor.name, by(tensor.shape), "input", "", "", f"{tensor.scale:.4g}")]
        for step in self.steps:
            tensor = self.tensor(step.output)
            scale = f"{tensor.scale:.4g}"
            if isinstance(step, LayerStep):
                layer = step.layer
                bits = f"8 in {layer.sum_bits.max()}"
                rows.append(
                    (tensor.name, by(tensor.shape), by(layer.weights.shape), f"{layer.density:.3f}", bits, scale)
                )
            else:
                rows.append((tensor.name, by(tensor.shape), describe(step), "", "", scale))
        return rows


def operands_of(step: Step, source: Shape, result: Shape) -> int:
    """Values that a step from a map of a shape to one of another reads for one input, see `limits.MAX_OPERANDS`."""
    if not isinstance(step, LayerStep | MaxPool):
        return prod(result)
    kernel, (top, left, bottom, right) = (
        (step.layer.kernel, step.layer.padding) if isinstance(step, LayerStep) else (step.kernel, step.padding)
    )
    padded = (source[1] + top + bottom) * (source[2] + left + right)
    return source[0] * max(padded, prod(kernel) * prod(result[1:]))


class _Needs:
    """What a network needs so far, step by step, for one input."""

    def __init__(self, tensor: Tensor) -> None:
        self._maps, self._products, self._weights = prod(tensor.shape), 0, 0
        check_limit(NetworkSizeError, f"the input {tensor.name!r}", self._maps, MAX_MAPS, "bytes")

    def add(self, step: Step, source: Shape, result: Shape) -> None:
        """One more step, from a map of a shape to one of another.

        Raises:
            NetworkSizeError: the step, or the network up to it, is beyond a limit.
        """
        what = f"step {step.output!r}"
        operands = operands_of(step, source, result)
        products = step.layer.dense_macs if isinstance(step, LayerStep) else operands
        self._weights += step.layer.weights.size if isinstance(step, LayerStep) else 0
        self._maps += prod(result)
        self._products += products
        check_limit(NetworkSizeError, what, operands, MAX_OPERANDS, "operands for one input")
        for need, limit, unit in (
            (self._weights, MAX_WEIGHTS, "bytes of weights"),
            (self._maps, MAX_MAPS, "bytes of maps for one input"),
            (self._products, MAX_PRODUCTS, "products for one input"),
        ):
            check_limit(NetworkSizeError, f"with {what} the network", need, limit, unit)


def describe(step: MaxPool | Upsample | Reshape) -> str:
    """A step without weights in a few words."""
    if isinstance(step, MaxPool):
        return f"max {by(step.kernel)}, stride {step.stride}"
    return f"upsample {step.factor}" if isinstance(step, Upsample) else "reshape"


def by(shape: Sequence[int]) -> str:
    """A shape as people write it."""
    return " x ".join(map(str, shape))


def _batch_of(shape: Shape) -> str:
    features = f" or [batch, {shape[0]}]" if shape[1:] == (1, 1) else ""
    return f"[batch, {', '.join(map(str, shape))}]{features}"


def _check_tensor(tensor: Tensor) -> None:
    if len(tensor.shape) != 3 or not all(isinstance(size, int) and 1 <= size <= 1 << 24 for size in tensor.shape):
        raise NetworkError(f"tensor {tensor.name!r}: a shape is channels, height, width, not {tensor.shape}")
    if not (isfinite(tensor.scale) and tensor.scale > 0):
        raise NetworkError(f"tensor {tensor.name!r}: a scale is a positive number, not {tensor.scale}")
    if not ACTIVATION_MIN <= tensor.zero_point <= ACTIVATION_MAX:
        raise NetworkError(f"tensor {tensor.name!r}: a zero point is an int8, not {tensor.zero_point}")


def one_layer_network(layer: IntegerLayer) -> IntegerNetwork:
    """The network whose one step is this layer; its tensors have scale 1."""
    tensors = (
        Tensor("input", layer.input_shape, 1.0, layer.input_zero_point),
        Tensor(layer.name, layer.output_shape, 1.0, layer.output_zero_point),
    )
    return IntegerNetwork(tensors, (LayerStep(("input",), layer.name, layer),), (layer.name,))
