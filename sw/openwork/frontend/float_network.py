"""The float network: what the front end makes of a model and quantization makes integers of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from openwork.frontend.float_steps import FloatLayer, FloatStep, concatenated
from openwork.graph import walk
from openwork.tensors import Shape, by


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """A graph of steps in the order in which they run, of one input; several tensors stand for their concatenation.

    Attributes:
        shapes: of every tensor, the input's first.
        steps: each reads only tensors that are made before it.
        outputs: the tensors that are the result.
        notes: what the host has to do, a sentence each.
    """

    shapes: Mapping[str, Shape]
    steps: tuple[FloatStep, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def input(self) -> str:
        """The tensor that the user fills."""
        return next(iter(self.shapes))

    @property
    def layers(self) -> tuple[FloatLayer, ...]:
        """Of all steps that have weights."""
        return tuple(layer for step in self.steps for layer in step.weighted)

    def tensors(self, inputs: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Every tensor when it is made, [batch, *shape]; it is dropped after its last reader.

        Args:
            inputs: float [batch, channels, height, width], or [batch, features] for a network of one-pixel maps.
        """
        value = inputs.reshape(len(inputs), *self.shapes[self.input])
        return walk(self.input, value, self.steps, _run_on_parts)

    def run(self, inputs: torch.Tensor) -> torch.Tensor:
        """The network's outputs [batch, channels, height, width]; `inputs` as for `tensors`."""
        with torch.no_grad():
            wanted = {name: value for name, value in self.tensors(inputs) if name in self.outputs}
        return torch.cat([wanted[name] for name in self.outputs], dim=1)

    def __str__(self) -> str:
        lines = [f"{self.input:24} {by(self.shapes[self.input]):>16}  input"]
        for step in self.steps:
            lines.append(f"{step.output:24} {by(self.shapes[step.output]):>16}  {step.description}")
        return "\n".join([*lines, *self.notes])


def _run_on_parts(step: FloatStep, parts: list[torch.Tensor]) -> torch.Tensor:
    return step.run_real(concatenated(parts))
