"""What quantization makes and everything after it reads: an integer layer."""

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from openwork.activation import Activation
from openwork.tensors import by, by_if_unequal
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN, fold_offset
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import MAX_ROWS
from openwork_hw.arch.refusal import Refusal

MAX_SHIFT = ArrayConfig(pes=1, lanes=1, sum_bits=32).max_shift
"""Largest requantization shift of any array; the compiler checks the shift again for the array it compiles for."""


def row_sum_bits(
    weights: NDArray[np.int8], bias: NDArray[np.int64], shift: NDArray[np.int64], output_zero_point: int
) -> NDArray[np.int64]:
    """For each row, the smallest accumulator that no input can overflow.

    >>> row_sum_bits(np.array([[1, -1]], np.int8), np.array([-2]), np.array([1]), 0)  # 2 * 128 + |-2 + 1| < 2 ** 9
    array([10])

    Args:
        weights: int8 [rows, ...].
        bias, shift: int64 [rows].
        output_zero_point: as in `IntegerLayer`.

    Returns:
        int64 [rows], the least bits with ``sum(|weights|) * 128 + |offset| < 2 ** (bits - 1)``.
    """
    magnitudes = np.abs(weights.astype(np.int16)).reshape(len(weights), -1).sum(axis=1, dtype=np.int64)
    largest = magnitudes * -ACTIVATION_MIN + np.abs(fold_offset(bias, shift, output_zero_point))
    return np.array([int(value).bit_length() + 1 for value in largest], dtype=np.int64)


def window_places(
    shape: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int, int]:
    """How many places a window has in a padded map, down and across; 0 or less if it is larger than the map.

    >>> window_places((3, 9, 8), (3, 3), (2, 1), (1, 1, 1, 1))
    (5, 8)

    Args:
        shape: channels, height and width of the map.
        kernel, stride, dilation: of the window, down and across.
        padding: pixels at top, left, bottom, right.
    """
    down, across = (
        (shape[1 + axis] + padding[axis] + padding[2 + axis] - dilation[axis] * (kernel[axis] - 1) - 1) // stride[axis]
        + 1
        for axis in (0, 1)
    )
    return down, across


class LayerError(Refusal):
    """A layer or model that means nothing; the message names the layer, the rule and the value."""


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """A convolution in exact integers; a linear layer is one whose kernel covers its whole map.

    With ``sum`` over the raw int8 activations, taps outside the map reading `input_zero_point`::

        output = activation(clip(((sum + bias + half) >> shift) + output_zero_point))     (arch.arithmetic.requantize)

    Attributes:
        name: for messages and tables.
        weights: int8 [rows, channels / groups, kernel_h, kernel_w].
        bias: int64 [rows], 32 bits signed; already holds what the zero points of the inputs add to the sum, negated.
        shift: int64 [rows], 0 to MAX_SHIFT.
        input_zero_point, output_zero_point: the int8 that stands for 0.0; of the input, what taps outside the map read. If the
            activation is a table, output_zero_point is that of the numbers that go into the table.
        activation: what the requantized sums go through.
        input_shape: channels, height, width.
        stride, dilation: down and across, each 1 or more.
        padding: pixels added at top, left, bottom, right.
        groups: parts that rows and channels are divided into; a row sees only the channels of its own part.

    The arrays are copied and made read-only.

    Raises:
        LayerError: a dtype, shape or range is wrong.
    """

    name: str
    weights: NDArray[np.int8]
    bias: NDArray[np.int64]
    shift: NDArray[np.int64]
    input_zero_point: int
    output_zero_point: int
    activation: Activation
    input_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        self._check_arrays()
        for name in ("input_zero_point", "output_zero_point"):
            self._check_integer(name, getattr(self, name), ACTIVATION_MIN, ACTIVATION_MAX)
        fault = self.activation.fault()
        self._require(fault is None, fault or "")
        self._check_integer("groups", self.groups, 1, MAX_ROWS)
        for name in ("stride", "dilation"):
            numbers = getattr(self, name)
            self._require(
                isinstance(numbers, tuple) and len(numbers) == 2,
                f"{name} is two numbers, down and across, not {numbers!r}",
            )
            for number in numbers:
                self._check_integer(name, number, 1, MAX_ROWS)
        self._require(len(self.input_shape) == 3, f"input_shape is channels, height, width, not {self.input_shape}")
        for name, size in zip(("channels", "height", "width"), self.input_shape, strict=True):
            self._check_integer(f"input {name}", size, 1, 1 << 16)
        self._require(len(self.padding) == 4, f"padding is top, left, bottom, right, not {self.padding}")
        for side, size in zip(("top", "left", "bottom", "right"), self.padding, strict=True):
            self._check_integer(f"{side} padding", size, 0, 1 << 16)
        self._require(
            self.rows % self.groups == 0 and self.weights.shape[1] * self.groups == self.channels,
            f"{self.groups} groups x {self.weights.shape[1]} channels of the weights must be the {self.channels} "
            f"channels of the input, and divide the {self.rows} rows",
        )
        _, height, width = self.output_shape
        self._require(
            height > 0 and width > 0,
            f"the kernel {by(self.kernel)} with dilation {by(self.dilation)} is larger than the padded map",
        )

    def _check_arrays(self) -> None:
        for name, dtype in (("weights", np.int8), ("bias", np.int64), ("shift", np.int64)):
            array = getattr(self, name)
            found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            self._require(found == dtype, f"{name} must be a NumPy array of {np.dtype(dtype)}, not {found}")
            copy = array.copy()
            copy.flags.writeable = False
            object.__setattr__(self, name, copy)
        self._require(
            self.weights.ndim == 4 and self.weights.size > 0,
            f"weights must be [rows, channels / groups, kernel_h, kernel_w], not empty, not {list(self.weights.shape)}",
        )
        self._require(self.rows <= MAX_ROWS, f"a layer has at most {MAX_ROWS} rows, not {self.rows}")
        for name, low, high in (("bias", -(1 << 31), (1 << 31) - 1), ("shift", 0, MAX_SHIFT)):
            array = getattr(self, name)
            self._require(
                array.shape == (self.rows,),
                f"{name} must hold one number for each of the {self.rows} rows, not {list(array.shape)}",
            )
            outside = array[(array < low) | (array > high)]
            self._require(not outside.size, f"{name} must be from {low} to {high}, not {outside[:1]}")

    def _check_integer(self, name: str, value: object, low: int, high: int) -> None:
        good = isinstance(value, int | np.integer) and not isinstance(value, bool) and low <= value <= high
        self._require(bool(good), f"{name} must be a whole number from {low} to {high}, not {value!r}")

    def _require(self, condition: bool, rule: str) -> None:
        if not condition:
            raise LayerError(f"layer {self.name!r}: {rule}")

    @property
    def rows(self) -> int:
        """Output channels."""
        return int(self.weights.shape[0])

    @property
    def channels(self) -> int:
        """Input channels, of all groups."""
        return self.input_shape[0]

    @property
    def kernel(self) -> tuple[int, int]:
        """Kernel height and width, in taps."""
        return self.weights.shape[2], self.weights.shape[3]

    @property
    def taps(self) -> int:
        """Taps of the kernel; tap ``ky * kernel_w + kx``."""
        return prod(self.kernel)

    @property
    def covers_map(self) -> bool:
        """The kernel is as large as the map, so that there is one output pixel."""
        return self.kernel == self.input_shape[1:] and not any(self.padding) and self.dilation == (1, 1)

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """Rows, output height, output width."""
        height, width = window_places(self.input_shape, self.kernel, self.stride, self.padding, self.dilation)
        return self.rows, height, width

    @property
    def output_pixels(self) -> int:
        """Pixels of the output map."""
        return self.output_shape[1] * self.output_shape[2]

    def outside_taps(self) -> NDArray[np.bool_]:
        """The taps that read outside the map for some output pixel, bool [kernel_h, kernel_w]."""
        directions = []
        for axis in (0, 1):
            first = np.arange(self.kernel[axis]) * self.dilation[axis] - self.padding[axis]
            last = first + (self.output_shape[1 + axis] - 1) * self.stride[axis]
            directions.append((first < 0) | (last >= self.input_shape[1 + axis]))
        down, across = directions
        outside: NDArray[np.bool_] = down[:, None] | across[None, :]
        return outside

    @property
    def nonzeros(self) -> int:
        """Weights other than 0."""
        return int(np.count_nonzero(self.weights))

    @property
    def density(self) -> float:
        """Nonzeros / weights."""
        return self.nonzeros / self.weights.size

    @property
    def macs(self) -> int:
        """Useful multiply-accumulates of one input: nonzeros x output pixels."""
        return self.nonzeros * self.output_pixels

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates of one input if no weight were zero."""
        return self.weights.size * self.output_pixels

    @property
    def sum_bits(self) -> NDArray[np.int64]:
        """For each row, the accumulator bits that no input can overflow; see `row_sum_bits`."""
        return row_sum_bits(self.weights, self.bias, self.shift, self.output_zero_point)

    def __str__(self) -> str:
        shapes = f"{by(self.input_shape)} -> {by(self.output_shape)}"
        lines = {
            "layer": self.name,
            "shape": shapes,
            "weights": f"int8 {list(self.weights.shape)}, density {self.density:.3f}",
            "geometry": f"stride {by_if_unequal(self.stride)}, padding {self.padding}, dilation {by_if_unequal(self.dilation)}, "
            f"groups {self.groups}",
            "macs": f"{self.macs:,} of {self.dense_macs:,}",
            "zero points": f"{self.input_zero_point} -> {self.output_zero_point}, {self.activation}",
            "shift": f"{self.shift.min()} to {self.shift.max()}",
        }
        return "\n".join(f"{name:12} {value}" for name, value in lines.items())
