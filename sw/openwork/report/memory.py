"""Which words of a PE's feature memory hold what, and for how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openwork.image import Image
from openwork.places import Place


@dataclass(frozen=True)
class MemorySpan:
    """A tensor in the feature memory of every PE.

    Attributes:
        tensor: its name.
        maker: number of the step that writes it, from 1; 0 for the input.
        base, words: where it lies.
        first, last: numbers of the first and the last step during which it has to be there; 0 is the loading of the input,
            the number of steps + 1 the storing of the output.
        copy: it is what a step makes for itself, of what it reads.
    """

    tensor: str
    maker: int
    base: int
    words: int
    first: int
    last: int
    copy: bool = False


def memory_spans(image: Image) -> list[MemorySpan]:
    """All of an image, in the order in which they are written; without tensors in an external memory."""
    steps = image.network.steps
    number = {image.network.input.name: 0} | {step.output: index for index, step in enumerate(steps, start=1)}
    last = dict(number)
    for step in steps:
        last |= dict.fromkeys(step.inputs, number[step.output])
    last |= dict.fromkeys(image.network.outputs, len(steps) + 1)
    return sorted(
        (
            _span(place, number[place.step or place.tensor], last)
            for place in image.places
            if place.step or place.tensor not in image.spilled
        ),
        key=lambda span: (span.first, span.base),
    )


def _span(place: Place, maker: int, last: Mapping[str, int]) -> MemorySpan:
    own = bool(place.step)
    return MemorySpan(place.label, maker, place.base, place.words, maker, maker if own else last[place.tensor], own)


def alive(spans: Sequence[MemorySpan], number: int) -> int:
    """Words that hold something during a step; those that hold several things, one after the other, count once.

    >>> spans = [MemorySpan("a", 0, 0, 8, 0, 1), MemorySpan("b", 1, 4, 8, 1, 2), MemorySpan("c", 1, 20, 3, 1, 1)]
    >>> alive(spans, 1), alive(spans, 2)
    (15, 8)
    """
    words, end = 0, 0
    for span in sorted(spans, key=lambda span: span.base):
        if span.first <= number <= span.last:
            words += max(span.base + span.words - max(span.base, end), 0)
            end = max(end, span.base + span.words)
    return words


def needed(spans: Sequence[MemorySpan]) -> int:
    """Words that a PE must have: the highest address, and one."""
    return max(span.base + span.words for span in spans)
