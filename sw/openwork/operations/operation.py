"""The base class of all operations. An operation is one class in one file: all that Openwork knows about one kind of step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from openwork.layer import IntegerLayer
from openwork.operations.entry import StepEntry
from openwork.operations.form import Form
from openwork.tensors import Shape, Tensor, check_agreement

if TYPE_CHECKING:
    import torch

    from openwork.frontend.float_steps import FloatLayer, FloatStep


@dataclass(frozen=True, eq=False)
class Step(ABC):
    """One step of a quantized network, in exact integers.

    The subclasses are the operations, and `openwork.operations.STEPS` lists them all. Code that goes through a
    network calls these methods, and never asks which operation a step is.

    Attributes:
        inputs: names of the tensors that the step reads, concatenated along channels.
        output: name of the tensor that the step makes.
    """

    inputs: tuple[str, ...]
    output: str

    kind: ClassVar[str]
    """Name of the operation, which files use, too."""

    Entry: ClassVar[type[StepEntry]]
    """The class of a step of this operation in a file."""

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output, given the shape of all inputs together.

        Raises:
            NetworkError: the operation does not take this shape, or its own numbers have no meaning.
        """

    @abstractmethod
    def check(self, read: Sequence[Tensor], made: Tensor) -> None:
        """Make sure that the step and its tensors agree. Their shapes are right already.

        Raises:
            NetworkError: scales, zero points or names contradict each other.
        """

    @abstractmethod
    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """The golden function, exact: int8 [batch, *shape of the output] from int8 [batch, *shape of all inputs]."""

    @abstractmethod
    def run_fast(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """`run` for whole numbers in floating point, float [batch, channels, height, width]: just as exact, and much faster."""

    @abstractmethod
    def form(self, channels: Sequence[int], *, vector: bool) -> Form | None:
        """The step as rows of nonzeros; None for a step that only moves words.

        Args:
            channels: channels of each input.
            vector: whether the inputs are vectors, and not maps of one pixel.

        Raises:
            FormError: the step has no form.
        """

    @property
    def pad(self) -> int | None:
        """What the step reads outside its map; None if it never reads there."""
        return None

    @property
    def layers(self) -> tuple[IntegerLayer, ...]:
        """The layers of the step: one layer, or none."""
        return ()

    @property
    def macs(self) -> int:
        """Useful multiply-accumulates per input."""
        return sum(layer.macs for layer in self.layers)

    def operands(self, _source: Shape, result: Shape) -> int:
        """Values that the step reads per input, given the shapes of its map and its result (see `limits.MAX_OPERANDS`)."""
        return prod(result)

    def products(self, source: Shape, result: Shape) -> int:
        """Products and comparisons per input, zeros included."""
        return self.operands(source, result)

    @abstractmethod
    def entry(self) -> StepEntry:
        """The step as a file holds it, without its arrays. `Entry.step` is the way back."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of the step that a file stores as tensors, by name."""
        return {}

    @property
    @abstractmethod
    def description(self) -> str:
        """The step in a few words, for a report."""

    @property
    def figures(self) -> tuple[str, str, str]:
        """The step's cells in a table of the network: description or shape of the weights, density, bits per number."""
        return self.description, "", ""


@dataclass(frozen=True, eq=False)
class Picking(Step):
    """A step that computes no values: it chooses, repeats or reorders the values that it reads.

    Such a step is exact, and all its tensors share a scale and a zero point. A float network has the same step.
    """

    def check(self, read: Sequence[Tensor], made: Tensor) -> None:
        """Make sure that all tensors share a scale and a zero point."""
        check_agreement(f"step {self.output!r}", (*read, made))

    def run_fast(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """As `Step.run_fast`."""
        return self.run_real(inputs)

    @abstractmethod
    def run_real(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """The same as `run` for real numbers, float [batch, channels, height, width]."""

    def run_traceable(self, parts: "list[torch.Tensor]", _convolve: object, *, never_negative: bool) -> "torch.Tensor":
        """`run_real`, written in operators that the front end can import, if there are such operators.

        Args:
            parts: the tensor of each input, float [batch, channels, height, width].
            never_negative: whether no value of the inputs is below 0.
        """
        import torch

        inputs = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return self._run_traceable(inputs, never_negative)

    def _run_traceable(self, inputs: "torch.Tensor", _never_negative: bool) -> "torch.Tensor":
        return self.run_real(inputs)

    # What the steps of a float network say of themselves, besides: see `frontend.float_steps.Computing`.

    def sharing(self) -> tuple[tuple[str, ...], ...]:
        """All tensors of the step share a scale."""
        return ((*self.inputs, self.output),)

    def least_scale(self, _scale: Callable[[str], float]) -> float:
        """There are no rows, so no shift is negative."""
        return 0.0

    def exact_scale(self, _base: float, _scale: Callable[[str], float]) -> float | None:
        """The scale of what it reads is the step's own."""
        return None

    def as_layer(self, _shapes: Mapping[str, Shape]) -> None:
        """There is nothing to quantize."""

    def quantized(self, _shapes: Mapping[str, Shape], _make: object) -> Step:
        """In integers it is the same step."""
        return self

    @property
    def added(self) -> tuple[str, ...]:
        """It adds nothing."""
        return ()

    @property
    def weighted(self) -> "tuple[FloatLayer, ...]":
        """It has no weights."""
        return ()

    @property
    def uniform_size(self) -> float | None:
        """It has no weights."""
        return None

    def renewed(self, _tensors: object) -> "Picking":
        """It has no weights to renew."""
        return self

    def limited(self, _limits: object) -> "FloatStep | None":
        """Limits change places with it: what it reads can be limited."""
        return None

    def lowest(self, lows: list[float]) -> float:
        """The least of what it reads."""
        return min(lows)


Lowering = Callable[..., Any]
"""What the front end calls for a node: a function of the builder, the node, and the node's arguments by name.

It says which tensors the node stands for, and adds steps that make them; or it raises `arguments.Unsupported`. It has a
parameter for each argument that it understands, and the node is refused where another one is not at its default.
"""


def window_operands(source: Shape, result: Shape, kernel: tuple[int, int], padding: tuple[int, int, int, int]) -> int:
    """Values that a window over a padded map reads for one input; those that are read several times are counted so often."""
    top, left, bottom, right = padding
    padded = (source[1] + top + bottom) * (source[2] + left + right)
    return source[0] * max(padded, prod(kernel) * prod(result[1:]))
