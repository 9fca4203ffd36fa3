"""The float network: the front end makes it from a model, and quantization turns it into integers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch

from openwork.frontend.float_steps import FloatLayer, FloatStep, concatenated
from openwork.frontend.limits import Limits
from openwork.graph import walk
from openwork.outputs import Output, Tail
from openwork.tensors import Shape, by


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """Steps in the order in which they run, with one input. Several tensors stand for their concatenation along channels.

    Attributes:
        shapes: shape of every tensor, by name; the input comes first.
        steps: the steps; each reads only tensors that are made before.
        outputs: names of the tensors that are the results.
        named: the results by name; empty if all outputs are one result.
        tail: the end of the model, which the host computes from the results.
        notes: what the host has to do, one sentence each.
        given: for tensors that the model itself quantizes: the values that their integers go from and to.
    """

    shapes: Mapping[str, Shape]
    steps: tuple[FloatStep, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...] = ()
    named: tuple[Output, ...] = ()
    tail: Tail | None = None
    given: Mapping[str, Limits] = field(default_factory=dict)

    @property
    def input(self) -> str:
        """The name of the input tensor."""
        return next(iter(self.shapes))

    @property
    def layers(self) -> tuple[FloatLayer, ...]:
        """The layers of all steps that have weights."""
        return tuple(layer for step in self.steps for layer in step.weighted)

    def tensors(self, inputs: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
        """Run the network and give every tensor as soon as it is made, [batch, *shape]. A tensor is dropped after its last reader.

        Args:
            inputs: float [batch, channels, height, width], or [batch, features] for a network of one-pixel maps.
        """
        value = inputs.reshape(len(inputs), *self.shapes[self.input])
        return walk(self.input, value, self.steps, _run_on_parts)

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The tensors of each result."""
        return tuple(one.tensors for one in self.named) or (self.outputs,)

    def joined(self, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """All results in one tensor, as `outputs.joined` does it with arrays."""
        found = [concatenated([tensors[name] for name in names]) for names in self.groups]
        return found[0] if len(found) == 1 else torch.cat([one.flatten(1) for one in found], dim=1)

    def results(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        """Each result as the model shapes it, [batch, ...], before the tail. `inputs` are those of `tensors`."""
        with torch.no_grad():
            wanted = {name: value for name, value in self.tensors(inputs) if name in self.outputs}
        return [concatenated([wanted[name] for name in one.tensors]).reshape(-1, *one.shape) for one in self.named]

    def run(self, inputs: torch.Tensor) -> torch.Tensor:
        """The outputs of the network, [batch, channels, height, width]; of several results, [batch, values] of all.

        `inputs` are those of `tensors`. The tail is left out.
        """
        with torch.no_grad():
            wanted = {name: value for name, value in self.tensors(inputs) if name in self.outputs}
        return self.joined(wanted)

    def __str__(self) -> str:
        lines = [f"{self.input:24} {by(self.shapes[self.input]):>16}  input"]
        for step in self.steps:
            lines.append(f"{step.output:24} {by(self.shapes[step.output]):>16}  {step.description}")
        return "\n".join([*lines, *self.notes])


def _run_on_parts(step: FloatStep, parts: list[torch.Tensor]) -> torch.Tensor:
    return step.run_real(concatenated(parts))
