"""The same values in another shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from openwork.operations.entry import Arrays, Sizes, StepEntry
from openwork.operations.operation import Picking
from openwork.tensors import NetworkError, Shape, Tensor, by

if TYPE_CHECKING:
    import torch


class ReshapeEntry(StepEntry, frozen=True, tag="reshape"):
    """The same integers in another shape."""

    shape: Sizes

    def step(self, tensors: Mapping[str, Tensor], arrays: Arrays) -> "Reshape":
        """As `StepEntry.step`."""
        return Reshape(self.inputs, self.output, self.shape)


@dataclass(frozen=True)
class Reshape(Picking):
    """The same integers in the order channel, row, column, divided anew into `shape`."""

    shape: Shape

    kind: ClassVar[str] = "reshape"
    Entry: ClassVar[type[StepEntry]] = ReshapeEntry

    def output_shape(self, shape: Shape) -> Shape:
        """As `Step.output_shape`."""
        if prod(shape) != prod(self.shape) or min(self.shape) < 1:
            raise NetworkError(f"step {self.output!r}: {by(shape)} cannot become {by(self.shape)}")
        return self.shape

    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """As `Step.run`."""
        return inputs.reshape(len(inputs), *self.shape)

    def run_real(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """As `Picking.run_real`."""
        return inputs.reshape(len(inputs), *self.shape)

    def form(self, channels: Sequence[int], *, vector: bool) -> None:
        """As `Step.form`: none, for words only move."""
        return

    def entry(self) -> ReshapeEntry:
        """As `Step.entry`."""
        return ReshapeEntry(self.inputs, self.output, self.shape)

    @property
    def description(self) -> str:
        """As `Step.description`."""
        return "reshape"
