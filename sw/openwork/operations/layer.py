"""The layer: any linear operation (convolution, fully connected, average, sum, copy), with requantization."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from openwork.activation import Activation, Clip, Table
from openwork.layer import IntegerLayer, LayerError
from openwork.operations.entry import Arrays, Count, Int8, Padding, Pair, Size, StepEntry, pair_entry, pair_of
from openwork.operations.form import Form, check_one_pixel
from openwork.operations.layer_form import layer_form, vector_form
from openwork.operations.layer_storage import layer_arrays, layer_numbers, stored_names, table_name
from openwork.operations.operation import Step, window_operands
from openwork.tensors import NetworkError, Shape, Tensor, by
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN, requantize

if TYPE_CHECKING:
    import torch

FLOAT32_BITS = 22
"""Bits of sums and biases that float32 adds without rounding, halves included."""


class LayerEntry(StepEntry, frozen=True, tag="layer", omit_defaults=True):
    """A layer, whose numbers are tensors of the file.

    `table_zero_point` is there only if the layer has an activation table, which is a tensor, too: the int8 that stands for 0.0
    in the numbers that go into the table.
    """

    weights: tuple[Size, Size, Size, Size]
    stride: Pair
    padding: Padding
    dilation: Pair
    groups: Count
    pad_value: Int8
    low: Int8
    high: Int8
    table_zero_point: Int8 | None = None

    @property
    def unpacked_bytes(self) -> int:
        """As `StepEntry.unpacked_bytes`."""
        return prod(self.weights)

    def stored(self, found: Collection[str]) -> set[str]:
        """As `StepEntry.stored`."""
        tables = set() if self.table_zero_point is None else {table_name(self.output)}
        return stored_names(self.output, found) | tables

    def step(self, tensors: Mapping[str, Tensor], arrays: Arrays) -> "LayerStep":
        """As `StepEntry.step`."""
        numbers = layer_numbers(self.output, self.weights, arrays)
        read = [tensors[name].shape for name in self.inputs]
        zero_point, limits = tensors[self.output].zero_point, Clip(self.low, self.high)
        activation: Activation = limits
        if self.table_zero_point is not None:
            zero_point, activation = self.table_zero_point, self._table(limits, arrays)
        layer = IntegerLayer(
            name=self.output,
            weights=numbers["weights"],
            bias=numbers["bias"].astype(np.int64),
            shift=numbers["shift"].astype(np.int64),
            input_zero_point=self.pad_value,
            output_zero_point=zero_point,
            activation=activation,
            input_shape=(sum(shape[0] for shape in read), *read[0][1:]),
            stride=pair_of(self.stride),
            padding=self.padding,
            dilation=pair_of(self.dilation),
            groups=self.groups,
        )
        return LayerStep(self.inputs, self.output, layer)

    def _table(self, limits: Clip, arrays: Arrays) -> Table:
        stored, name = arrays[table_name(self.output)], table_name(self.output)
        if stored.dtype != np.int8 or stored.ndim != 1:
            raise NetworkError(f"{name} holds {stored.dtype} {list(stored.shape)}, not one row of int8")
        if limits != Clip():
            raise NetworkError(
                f"step {self.output!r} has limits and an activation table: a table holds the limits, too"
            )
        return Table(tuple(stored.tolist()))


@dataclass(frozen=True, eq=False)
class LayerStep(Step):
    """Everything linear: `layer`, over its inputs concatenated along channels."""

    layer: IntegerLayer

    kind: ClassVar[str] = "layer"
    Entry: ClassVar[type[StepEntry]] = LayerEntry

    def output_shape(self, shape: Shape) -> Shape:
        """As `Step.output_shape`."""
        if shape != self.layer.input_shape:
            raise NetworkError(f"step {self.output!r}: its layer takes {by(self.layer.input_shape)}, not {by(shape)}")
        return self.layer.output_shape

    def check(self, read: Sequence[Tensor], made: Tensor) -> None:
        """As `Step.check`: names, zero points, and what padding stands for."""
        what, layer = f"step {self.output!r}", self.layer
        own_zero = made.zero_point if layer.activation.table is not None else layer.output_zero_point
        if layer.name != self.output or own_zero != made.zero_point:
            raise NetworkError(
                f"{what}: its layer is called {layer.name!r} and has the output zero point {layer.output_zero_point}, "
                f"and its tensor is called {made.name!r} and has {made.zero_point}"
            )
        for tensor in self._read_outside(read):
            if tensor.zero_point != layer.input_zero_point:
                raise NetworkError(
                    f"{what}: its padding is {layer.input_zero_point}, and must be the zero point of what it reads, "
                    f"which is {tensor.zero_point} of {tensor.name!r}"
                )

    def _read_outside(self, read: Sequence[Tensor]) -> Iterator[Tensor]:
        """Each input that a weight reads outside its map for some pixel."""
        layer = self.layer
        outside = layer.outside_taps()
        if not outside.any():
            return
        nonzero: NDArray[np.bool_] = np.any(layer.weights[:, :, outside], axis=(0, 2))
        first = 0
        for tensor in read:
            channels = tensor.shape[0]
            if (nonzero if layer.groups > 1 else nonzero[first : first + channels]).any():
                yield tensor
            first += channels

    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """As `Step.run`."""
        return run_layer(self.layer, inputs)

    def run_fast(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """As `Step.run_fast`: in float32 where the sums fit, and float64 elsewhere."""
        import torch
        from torch.nn import functional

        layer = self.layer
        small = layer.sum_bits.max() <= FLOAT32_BITS and np.abs(layer.bias).max() < 1 << FLOAT32_BITS
        dtype = torch.float32 if small else torch.float64
        top, left, bottom, right = layer.padding
        padded = functional.pad(inputs.to(dtype), (left, right, top, bottom), value=float(layer.input_zero_point))
        weights, bias = torch.tensor(layer.weights).to(dtype), torch.tensor(layer.bias).to(dtype)
        sums = functional.conv2d(padded, weights, bias, layer.stride, 0, layer.dilation, layer.groups)
        shifted = torch.floor(sums * torch.tensor(np.exp2(-layer.shift)).to(dtype)[:, None, None] + 0.5)
        return layer.activation.apply((shifted + layer.output_zero_point).clamp(ACTIVATION_MIN, ACTIVATION_MAX)).float()

    def form(self, channels: Sequence[int], *, vector: bool) -> Form:
        """As `Step.form`: the rows are the layer's own."""
        if vector:
            check_one_pixel(self.output, self.layer.output_shape[1:])
            return vector_form(self.layer, channels)
        return layer_form(self.layer, channels)

    @property
    def pad(self) -> int | None:
        """As `Step.pad`."""
        return self.layer.input_zero_point if any(self.layer.padding) else None

    @property
    def layers(self) -> tuple[IntegerLayer, ...]:
        """As `Step.layers`."""
        return (self.layer,)

    def operands(self, source: Shape, result: Shape) -> int:
        """As `Step.operands`."""
        return window_operands(source, result, self.layer.kernel, self.layer.padding)

    def products(self, source: Shape, result: Shape) -> int:
        """As `Step.products`."""
        return self.layer.dense_macs

    def entry(self) -> LayerEntry:
        """As `Step.entry`."""
        layer, (low, high) = self.layer, self.layer.activation.limits
        rows, channels, kernel_h, kernel_w = layer.weights.shape
        return LayerEntry(
            self.inputs,
            self.output,
            weights=(rows, channels, kernel_h, kernel_w),
            stride=pair_entry(layer.stride),
            padding=layer.padding,
            dilation=pair_entry(layer.dilation),
            groups=layer.groups,
            pad_value=layer.input_zero_point,
            low=low,
            high=high,
            table_zero_point=None if layer.activation.table is None else layer.output_zero_point,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As `Step.arrays`."""
        return layer_arrays(self.layer)

    @property
    def description(self) -> str:
        """As `Step.description`."""
        return "layer"

    @property
    def figures(self) -> tuple[str, str, str]:
        """As `Step.figures`."""
        return by(self.layer.weights.shape), f"{self.layer.density:.3f}", f"8 in {self.layer.sum_bits.max()}"


def partial_sums(layer: IntegerLayer, inputs: NDArray[np.int8]) -> NDArray[np.int64]:
    """The sums that go into requantization, over the raw activations; bias not added.

    Args:
        layer: what to compute.
        inputs: int8 [channels, height, width] or [batch, channels, height, width].

    Returns:
        int64 [rows, height, width] of the output map, with the batch in front if there was one.

    Raises:
        LayerError: the inputs are not int8 of the layer's shape.
    """
    import torch
    from torch.nn import functional

    if inputs.dtype != np.int8 or inputs.ndim not in (3, 4) or inputs.shape[-3:] != layer.input_shape:
        raise LayerError(
            f"layer {layer.name!r} takes int8 {list(layer.input_shape)}, or a batch of it, "
            f"not {inputs.dtype} {list(inputs.shape)}"
        )
    top, left, bottom, right = layer.padding
    kernel_h, kernel_w = layer.kernel
    padded = functional.pad(
        torch.tensor(inputs.reshape(-1, *layer.input_shape), dtype=torch.int64),
        (left, right, top, bottom),
        value=layer.input_zero_point,
    )
    (down, across), (far_down, far_across) = layer.stride, layer.dilation
    windows = padded.unfold(2, far_down * (kernel_h - 1) + 1, down)
    windows = windows.unfold(3, far_across * (kernel_w - 1) + 1, across)
    windows = windows[..., ::far_down, ::far_across]  # [batch, channel, y, x, ky, kx]
    grouped = torch.unflatten(windows, 1, (layer.groups, layer.channels // layer.groups))
    weights = torch.tensor(layer.weights, dtype=torch.int64)
    weights = torch.unflatten(weights, 0, (layer.groups, layer.rows // layer.groups))
    sums = torch.einsum("ngcyxhw,grchw->ngryx", grouped, weights)
    return sums.reshape(*inputs.shape[:-3], *layer.output_shape).numpy()


def run_layer(layer: IntegerLayer, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """The layer's int8 outputs [rows, height, width], with the batch in front if `inputs` has one."""
    outputs = requantize(
        partial_sums(layer, inputs),
        layer.bias[:, None, None],
        layer.shift[:, None, None],
        layer.output_zero_point,
        ACTIVATION_MIN,
        ACTIVATION_MAX,
    )
    return layer.activation.apply(outputs.astype(np.int8))
