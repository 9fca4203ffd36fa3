"""The same values in another shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from openwork.operations.entry import Arrays, Sizes, StepEntry
from openwork.operations.operation import Lowering, Picking
from openwork.tensors import NetworkError, Shape, Tensor, by

if TYPE_CHECKING:
    import torch

    from openwork.frontend.builder import Builder, Parts
    from openwork.frontend.node import Node


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


def _view(build: "Builder", node: "Node", self_: Any) -> "Parts":
    """Of every operator that only changes the shape: the shape that the result has says all."""
    source, shape = build.parts(self_), build.shape(node)
    if shape == (build.channels(source), *build.shapes[source[0]][1:]):
        return source
    made = build.emit_map(node, Reshape(source, "", shape), source)
    if shape[1:] == (1, 1):
        build.flattened[made[0]] = source
    return made


def _view_of_size(build: "Builder", node: "Node", self_: Any, size: Any) -> "Parts":
    return _view(build, node, self_)


def _reshape(build: "Builder", node: "Node", self_: Any, shape: Any) -> "Parts":
    return _view(build, node, self_)


def _flatten(build: "Builder", node: "Node", self_: Any, start_dim: Any, end_dim: Any) -> "Parts":
    return _view(build, node, self_)


def _squeeze(build: "Builder", node: "Node", self_: Any, dim: Any = None) -> "Parts":
    return _view(build, node, self_)


def _unflatten(build: "Builder", node: "Node", self_: Any, dim: Any, sizes: Any) -> "Parts":
    return _view(build, node, self_)


LOWERINGS: Mapping[str, Lowering] = {
    "view": _view_of_size,
    "unsafe_view": _view_of_size,
    "reshape": _reshape,
    "flatten": _flatten,
    "squeeze": _squeeze,
    "unsqueeze": _squeeze,
    "unflatten": _unflatten,
}
