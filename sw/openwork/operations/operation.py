"""What an operation is: everything that Openwork knows of one kind of step stands in one class, in one file."""

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

    The classes below this one are the operations; `openwork.operations.STEPS` lists them all. Whoever goes through a
    network calls these methods, and never asks which operation a step is.

    Attributes:
        inputs: names of the tensors that it reads, concatenated along channels.
        output: name of the tensor that it makes.
    """

    inputs: tuple[str, ...]
    output: str

    kind: ClassVar[str]
    """Name of the operation, in files too."""

    Entry: ClassVar[type[StepEntry]]
    """What a step of this operation is in a file."""

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Of the result, from the shape of all inputs together.

        Raises:
            NetworkError: the operation does not take this shape, or its own numbers mean nothing.
        """

    @abstractmethod
    def check(self, read: Sequence[Tensor], made: Tensor) -> None:
        """Make sure that the step and its tensors, whose shapes are right, belong to each other.

        Raises:
            NetworkError: scales, zero points or names contradict each other.
        """

    @abstractmethod
    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """The golden function: int8 [batch, *shape of the output] from int8 [batch, *shape of all inputs], exact."""

    @abstractmethod
    def run_fast(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """`run` for whole numbers in floating point, float [batch, channels, height, width]: as exact, and many times as fast."""

    @abstractmethod
    def form(self, channels: Sequence[int], *, vector: bool) -> Form | None:
        """The step as rows of nonzeros; None for a step that only moves words.

        Args:
            channels: of each input.
            vector: the inputs are vectors, not maps of one pixel.

        Raises:
            FormError: there is none.
        """

    @property
    def pad(self) -> int | None:
        """What the step reads outside its map; None where it never does."""
        return None

    @property
    def layers(self) -> tuple[IntegerLayer, ...]:
        """The layers that the step has: one or none."""
        return ()

    @property
    def macs(self) -> int:
        """Useful multiply-accumulates for one input."""
        return sum(layer.macs for layer in self.layers)

    def operands(self, _source: Shape, result: Shape) -> int:
        """Values that the step reads for one input, from a map of a shape to one of another (see `limits.MAX_OPERANDS`)."""
        return prod(result)

    def products(self, source: Shape, result: Shape) -> int:
        """Products and comparisons for one input, zeros included."""
        return self.operands(source, result)

    @abstractmethod
    def entry(self) -> StepEntry:
        """The step as it stands in a file, besides its arrays; `Entry.step` is the way back."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a file stores of the step as tensors, by name."""
        return {}

    @property
    @abstractmethod
    def description(self) -> str:
        """The step in a few words, for a report."""

    @property
    def figures(self) -> tuple[str, str, str]:
        """For a table of the network: what the step is or the shape of its weights, density, bits of its numbers."""
        return self.description, "", ""


@dataclass(frozen=True, eq=False)
class Picking(Step):
    """A step that hands on values it reads and computes none: it chooses, repeats or orders them.

    So it is exact, all its tensors have one scale and zero point, and in a float network it is the very same step.
    """

    def check(self, read: Sequence[Tensor], made: Tensor) -> None:
        """Make sure that all tensors have one scale and zero point."""
        check_agreement(f"step {self.output!r}", (*read, made))

    def run_fast(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """As `Step.run_fast`."""
        return self.run_real(inputs)

    @abstractmethod
    def run_real(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """The same as `run` for real numbers, float [batch, channels, height, width]."""

    def run_traceable(self, parts: "list[torch.Tensor]", _convolve: object, *, never_negative: bool) -> "torch.Tensor":
        """`run_real` in operators that the front end takes again, where there are some.

        Args:
            parts: what each input holds, float [batch, channels, height, width].
            never_negative: no value of them is below 0.
        """
        import torch

        inputs = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return self._run_traceable(inputs, never_negative)

    def _run_traceable(self, inputs: "torch.Tensor", _never_negative: bool) -> "torch.Tensor":
        return self.run_real(inputs)

    # What the steps of a float network say of themselves, besides: see `frontend.float_steps.Computing`.

    def sharing(self) -> tuple[tuple[str, ...], ...]:
        """All tensors of the step have one scale."""
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
