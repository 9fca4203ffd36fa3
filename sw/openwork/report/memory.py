"""Which words of a PE's feature memory hold what, and for how long."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from openwork.image import Image
from openwork.network import LayerStep, Step
from openwork_hw.arch.commands import MoveCommand
from openwork_hw.arch.image import disassemble


@dataclass(frozen=True)
class MemorySpan:
    """A tensor in the feature memory of every PE.

    Attributes:
        tensor: its name.
        maker: number of the step that writes it, from 1; 0 for the input.
        base, words: where it lies.
        first, last: numbers of the first and the last step during which it has to be there; 0 is the loading of the input,
            the number of steps + 1 the storing of the output.
        copy: it is what a step makes of a map that it reads as a vector.
    """

    tensor: str
    maker: int
    base: int
    words: int
    first: int
    last: int
    copy: bool = False


def memory_spans(image: Image) -> list[MemorySpan]:
    """All of an image, in the order in which they are written."""
    steps = image.network.steps
    number = {image.network.input.name: 0} | {step.output: index for index, step in enumerate(steps, start=1)}
    last = dict(number)
    for step in steps:
        last |= dict.fromkeys(step.inputs, number[step.output])
    last |= dict.fromkeys(image.network.outputs, len(steps) + 1)
    spans = [
        MemorySpan(
            place.tensor, number[place.tensor], place.base, place.words, number[place.tensor], last[place.tensor]
        )
        for place in image.places
    ]
    moves: dict[str, list[MoveCommand]] = {}
    for plan, instruction in zip(image.commands, disassemble(image.words, image.config), strict=True):
        if isinstance(instruction.command, MoveCommand):
            moves.setdefault(plan.tensor, []).append(instruction.command)
    for step in steps:
        if step.output in moves:
            spans += _vectors(image, step, moves[step.output], number[step.output])
    return sorted(spans, key=lambda span: (span.first, span.base))


def _vectors(image: Image, step: Step, moves: Sequence[MoveCommand], number: int) -> list[MemorySpan]:
    """What a layer makes of the maps that it reads as vectors; a reshape moves into its own output, and a vector into itself."""
    if not isinstance(step, LayerStep):
        return []
    spans = []
    for name in dict.fromkeys(step.inputs):
        place = image.place(name)
        targets = [move.target for move in moves if place.base <= move.address < place.base + place.words]
        if not place.vector and targets:
            spans.append(MemorySpan(name, number, min(targets), prod(place.shape), number, number, copy=True))
    return spans


def alive(spans: Sequence[MemorySpan], number: int) -> int:
    """Words that hold something during a step."""
    return sum(span.words for span in spans if span.first <= number <= span.last)


def needed(spans: Sequence[MemorySpan]) -> int:
    """Words that a PE must have: the highest address, and one."""
    return max(span.base + span.words for span in spans)
