"""The quantized network: named int8 tensors, and the steps that make them, in the order in which they run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from openwork.arrays import ArrayError, user_array
from openwork.layer import IntegerLayer
from openwork.limits import MAX_MAPS, MAX_OPERANDS, MAX_PRODUCTS, MAX_STEPS, MAX_WEIGHTS, check_limit
from openwork.operations import LayerStep, MaxPool, PixelShuffle, Reshape, Step, Upsample
from openwork.outputs import Output, Tail, joined
from openwork.tensors import NetworkError, NetworkSizeError, Shape, Tensor, by, check_agreement
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.config import MAX_TAPS

__all__ = [
    "MAX_TAPS",
    "IntegerNetwork",
    "LayerStep",
    "MaxPool",
    "NetworkError",
    "NetworkSizeError",
    "Output",
    "PixelShuffle",
    "Reshape",
    "Shape",
    "Step",
    "Tail",
    "Tensor",
    "Upsample",
    "by",
]


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
        outputs: the tensors that are the results.
        named: the results by name; empty if all outputs are one result, concatenated along channels.
        tail: the end of the model, which the host computes from the results.

    Raises:
        NetworkError: a name, shape, scale or zero point is wrong; or there is no step.
        NetworkSizeError: it is beyond the limits.
    """

    tensors: tuple[Tensor, ...]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    named: tuple[Output, ...] = ()
    tail: Tail | None = None

    def __post_init__(self) -> None:
        check_limit(NetworkSizeError, "the network", len(self.steps), MAX_STEPS, "steps")
        names = [tensor.name for tensor in self.tensors]
        if not self.steps or names[1:] != [step.output for step in self.steps] or len(set(names)) < len(names):
            raise NetworkError(
                "a network has an input and at least one step, and a tensor for each in that order, all of different "
                f"names, not tensors {names} for steps {[step.output for step in self.steps]}"
            )
        for tensor in self.tensors:
            tensor.check()
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
        self._check_results()

    def _check_results(self) -> None:
        said = [name for one in self.named for name in one.tensors]
        if self.named and set(said) != set(self.outputs):
            raise NetworkError(f"the results are made of {sorted(set(said))}, and the outputs are {list(self.outputs)}")
        names = [one.name for one in self.named]
        if len(set(names)) < len(names):
            raise NetworkError(f"two results have one name: {names}")
        for one in self.results:
            what = "the outputs" if len(self.results) == 1 else f"the tensors of the result {one.name!r}"
            check_agreement(what, [self.tensor(name) for name in one.tensors])
            shape = self.concatenated_shape(one.tensors)
            if min(one.shape, default=1) < 1 or prod(one.shape) != prod(shape):
                raise NetworkError(f"the result {one.name!r} is {by(shape)}, which cannot become {list(one.shape)}")
        if self.tail is not None and not self.named:
            raise NetworkError("a tail needs the names of the results that it reads")

    def _check_step(self, step: Step) -> None:
        shape, made = step.output_shape(self.concatenated_shape(step.inputs)), self.tensor(step.output)
        if shape != made.shape:
            raise NetworkError(f"step {step.output!r} makes {by(shape)}, and its tensor is {by(made.shape)}")
        step.check([self.tensor(name) for name in step.inputs], made)

    @property
    def input(self) -> Tensor:
        """The tensor that the user fills."""
        return self.tensors[0]

    @property
    def layers(self) -> tuple[IntegerLayer, ...]:
        """The layers of all steps that have one, in order."""
        return tuple(layer for step in self.steps for layer in step.layers)

    @property
    def largest_operands(self) -> int:
        """Of the step that reads the most values for one input."""
        return max(
            step.operands(self.concatenated_shape(step.inputs), self.tensor(step.output).shape) for step in self.steps
        )

    @property
    def density(self) -> float:
        """Nonzeros / weights, over all layers."""
        return sum(layer.nonzeros for layer in self.layers) / max(1, sum(layer.weights.size for layer in self.layers))

    @property
    def results(self) -> tuple[Output, ...]:
        """What the network gives; the tail, if there is one, makes the results of the model of it."""
        if self.named:
            return self.named
        shape = self.concatenated_shape(self.outputs)
        return (Output("output", self.outputs, shape[:1] if shape[1:] == (1, 1) else shape),)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Of the one result, channels, height and width; of several results, the number of all their values."""
        shapes = [self.concatenated_shape(one.tensors) for one in self.results]
        return shapes[0] if len(shapes) == 1 else (sum(map(prod, shapes)),)

    @property
    def output_text(self) -> str:
        """The shapes of the results, for a report."""
        return ", ".join(by(self.concatenated_shape(one.tensors)) for one in self.results)

    def joined(self, tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """All results in one array, of the tensors by name; see `outputs.joined`."""
        return joined(self.results, tensors)

    def split(self, outputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Each result by name, [batch, channels, height, width], of what `joined` made for a batch."""
        flat, first, found = outputs.reshape(len(outputs), -1), 0, {}
        for one in self.results:
            shape = self.concatenated_shape(one.tensors)
            found[one.name] = flat[:, first : first + prod(shape)].reshape(-1, *shape)
            first += prod(shape)
        return found

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
        """Real inputs as int8 maps, clipped to what int8 can say.

        Args:
            inputs: [batch, channels, height, width], [batch, channels, time] or [batch, features].

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
        if inputs.ndim == 3 and self.input.shape[1] == 1:
            maps = inputs[:, :, None, :]
        if maps.ndim != 4 or maps.shape[1:] != self.input.shape:
            raise NetworkError(f"the network takes inputs {_batch_of(self.input.shape)}, not {list(inputs.shape)}")
        return maps

    def dequantize_outputs(self, outputs: NDArray[np.int8]) -> NDArray[np.float64]:
        """What int8 outputs of the network stand for; of several results, as `joined` puts them into one array."""
        real = outputs.astype(np.float64)
        first = 0
        for one in self.results:
            tensor, count = self.tensor(one.tensors[0]), prod(self.concatenated_shape(one.tensors))
            part = real if len(self.results) == 1 else real[..., first : first + count]
            part[...] = tensor.scale * (part - tensor.zero_point)
            first += count
        return real

    def real_results(self, outputs: NDArray[np.int8]) -> dict[str, NDArray[np.float32]]:
        """What int8 outputs of a batch stand for: each result by name, [batch, *its shape in the model]."""
        reals = self.split(self.dequantize_outputs(outputs))
        return {one.name: reals[one.name].reshape(-1, *one.shape).astype(np.float32) for one in self.results}

    def __str__(self) -> str:
        head = ("step", "shape", "weights", "density", "bits", "scale")
        widths = [max(len(row[column]) for row in (head, *self.rows())) for column in range(len(head))]
        lines = []
        for row in (head, *self.rows()):
            cells = [text.ljust(width) if column < 2 else text.rjust(width) for column, (text, width) in
                     enumerate(zip(row, widths, strict=True))]  # fmt: skip
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def values(self) -> list[dict[str, Any]]:
        """The tensors and the weights that make them, as JSON values."""
        made = {step.output: step.layers for step in self.steps}
        return [
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "weights": sum(layer.weights.size for layer in made.get(tensor.name, ())),
                "nonzeros": sum(layer.nonzeros for layer in made.get(tensor.name, ())),
                "scale": tensor.scale,
                "zero_point": tensor.zero_point,
            }
            for tensor in self.tensors
        ]

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """For a table: step, shape of what it makes, weights, density, bits of the weights and accumulator, scale."""
        tensor = self.input
        rows = [(tensor.name, by(tensor.shape), "input", "", "", f"{tensor.scale:.4g}")]
        for step in self.steps:
            tensor = self.tensor(step.output)
            rows.append((tensor.name, by(tensor.shape), *step.figures, f"{tensor.scale:.4g}"))
        return rows


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
        operands = step.operands(source, result)
        self._weights += sum(layer.weights.size for layer in step.layers)
        self._maps += prod(result)
        self._products += step.products(source, result)
        check_limit(NetworkSizeError, what, operands, MAX_OPERANDS, "operands for one input")
        for need, limit, unit in (
            (self._weights, MAX_WEIGHTS, "bytes of weights"),
            (self._maps, MAX_MAPS, "bytes of maps for one input"),
            (self._products, MAX_PRODUCTS, "products for one input"),
        ):
            check_limit(NetworkSizeError, f"with {what} the network", need, limit, unit)


def _batch_of(shape: Shape) -> str:
    short = f" or [batch, {shape[0]}]" if shape[1:] == (1, 1) else ""
    if shape[1] == 1 < shape[2]:
        short = f" or [batch, {shape[0]}, {shape[2]}]"
    return f"[batch, {', '.join(map(str, shape))}]{short}"


def one_layer_network(layer: IntegerLayer) -> IntegerNetwork:
    """The network whose one step is this layer; its tensors have scale 1."""
    tensors = (
        Tensor("input", layer.input_shape, 1.0, layer.input_zero_point),
        Tensor(layer.name, layer.output_shape, 1.0, layer.output_zero_point),
    )
    return IntegerNetwork(tensors, (LayerStep(("input",), layer.name, layer),), (layer.name,))
