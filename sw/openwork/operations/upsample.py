"""A map enlarged by a whole factor."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from openwork.operations.arguments import Unsupported
from openwork.operations.entry import Arrays, Count, StepEntry
from openwork.operations.form import Form, check_matrix, copies
from openwork.operations.operation import Lowering, Picking
from openwork.tensors import NetworkError, Shape, Tensor, by
from openwork_hw.arch.commands import Operation

if TYPE_CHECKING:
    import torch

    from openwork.frontend.builder import Builder, Parts
    from openwork.frontend.node import Node


class UpsampleEntry(StepEntry, frozen=True, tag="upsample"):
    """Each pixel several times."""

    factor: Count

    def step(self, tensors: Mapping[str, Tensor], arrays: Arrays) -> "Upsample":
        """As `StepEntry.step`."""
        return Upsample(self.inputs, self.output, self.factor)


@dataclass(frozen=True)
class Upsample(Picking):
    """Each pixel becomes `factor` x `factor` equal ones."""

    factor: int

    kind: ClassVar[str] = "upsample"
    Entry: ClassVar[type[StepEntry]] = UpsampleEntry

    def output_shape(self, shape: Shape) -> Shape:
        """As `Step.output_shape`."""
        if self.factor < 1:
            raise NetworkError(f"step {self.output!r}: factor is 1 or more, not {self.factor}")
        return shape[0], shape[1] * self.factor, shape[2] * self.factor

    def run(self, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
        """As `Step.run`."""
        return inputs.repeat(self.factor, axis=2).repeat(self.factor, axis=3)

    def run_real(self, inputs: "torch.Tensor") -> "torch.Tensor":
        """As `Picking.run_real`."""
        return inputs.repeat_interleave(self.factor, dim=2).repeat_interleave(self.factor, dim=3)

    def _run_traceable(self, inputs: "torch.Tensor", _never_negative: bool) -> "torch.Tensor":
        from torch.nn import functional

        return functional.interpolate(inputs, scale_factor=float(self.factor), mode="nearest")

    def form(self, channels: Sequence[int], *, vector: bool) -> Form:
        """As `Step.form`: copies, at a pixel of the output each."""
        check_matrix(self.output, sum(channels) ** 2)
        return replace(copies(self.output, channels, Operation.SUM), enlarge=self.factor)

    def entry(self) -> UpsampleEntry:
        """As `Step.entry`."""
        return UpsampleEntry(self.inputs, self.output, self.factor)

    @property
    def description(self) -> str:
        """As `Step.description`."""
        return f"upsample {self.factor}"


def _places(height: int, width: int) -> "Iterator[torch.Tensor]":
    """Maps [1, 1, height, width] in which each pixel says its row or its column."""
    import torch

    for dtype in (torch.float32, torch.float64):
        yield torch.arange(height, dtype=dtype)[:, None].expand(1, 1, height, width)
        yield torch.arange(width, dtype=dtype).expand(1, 1, height, width)


def lower_upsample(
    build: "Builder",
    node: "Node",
    self_: Any,
    output_size: Any,
    scale_factors: Any = None,
    scales_h: float | None = None,
    scales_w: float | None = None,
) -> "Parts":
    """Of `upsample_nearest2d`, by the sizes; the factors that PyTorch was given decide which pixel is the nearest."""
    import torch

    before, after = build.shape(self_)[1:], build.shape(node)[1:]
    factors = {after[axis] / before[axis] for axis in (0, 1)}
    if len(factors) > 1 or not (factor := factors.pop()).is_integer():
        raise Unsupported(f"from {by(before)} to {by(after)}; one whole factor is possible")
    # PyTorch steps by the factor that it was given, and not by the sizes: where the two differ, other pixels are taken.
    given = scale_factors or (scales_h, scales_w)
    if not all(scale is None or isinstance(scale, float) for scale in given):
        raise Unsupported("by a factor that depends on the size of the input")
    for places in _places(*before):
        taken = torch.ops.aten.upsample_nearest2d.default(places, list(after), *given)
        if not torch.equal(taken, places.repeat_interleave(int(factor), 2).repeat_interleave(int(factor), 3)):
            raise Unsupported(
                f"by {given[0]} x {given[1]}, where pixels are not all repeated as often; a whole factor is possible"
            )
    parts = build.parts(self_)
    return build.emit_map(node, Upsample(parts, "", int(factor)), parts)


LOWERINGS: Mapping[str, Lowering] = {"upsample_nearest2d": lower_upsample}
