"""A map enlarged by a whole factor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from openwork.operations.entry import Arrays, Pair, StepEntry, pair_entry, pair_of
from openwork.operations.form import Form, check_matrix, copies
from openwork.operations.operation import Picking
from openwork.tensors import NetworkError, Shape, Tensor, by, by_if_unequal
from openwork_hw.arch.commands import Operation

if TYPE_CHECKING:
    import torch


class UpsampleEntry(StepEntry, frozen=True, tag="upsample"):
    """Each pixel several times."""

    factor: Pair

    def step(self, tensors: Mapping[str, Tensor], arrays: Arrays) -> "Upsample":
        """As `StepEntry.step`."""
        return Upsample(self.inputs, self.output, pair_of(self.factor))


@dataclass(frozen=True)
class Upsample(Picking):
    """Each pixel becomes several equal ones.

    Attributes:
        factor: how many, down and across.
    """

    factor: tuple[int, int]

    kind: ClassVar[str] = "upsample"
    Entry: ClassVar[type[StepEntry]] = UpsampleEntry

    def output_shape(self, shape: Shape) -> Shape:
        """As `Step.output_shape`."""
        if min(self.factor) < 1:
            raise NetworkError(f"step {self.output!r}: a factor is 1 or more, not {by(self.factor)}")
        return shape[0], shape[1] * self.factor[0], shape[2] * self.factor[1]

    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """As `Step.run`."""
        return inputs.repeat(self.factor[0], axis=2).repeat(self.factor[1], axis=3)

    def run_real(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """As `Picking.run_real`."""
        return inputs.repeat_interleave(self.factor[0], dim=2).repeat_interleave(self.factor[1], dim=3)

    def _run_traceable(self, inputs: "torch.Tensor", _never_negative: bool) -> "torch.Tensor":
        from torch.nn import functional

        return functional.interpolate(
            inputs, scale_factor=(float(self.factor[0]), float(self.factor[1])), mode="nearest"
        )

    def form(self, channels: Sequence[int], *, vector: bool) -> Form:
        """As `Step.form`: copies, at a pixel of the output each."""
        check_matrix(self.output, sum(channels) ** 2)
        return replace(copies(self.output, channels, Operation.SUM), enlarge=self.factor)

    def entry(self) -> UpsampleEntry:
        """As `Step.entry`."""
        return UpsampleEntry(self.inputs, self.output, pair_entry(self.factor))

    @property
    def description(self) -> str:
        """As `Step.description`."""
        return f"upsample {by_if_unequal(self.factor)}"
