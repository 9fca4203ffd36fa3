"""Walking a graph of steps: each step reads what earlier ones made, and what nobody reads any more is dropped."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar


class GraphStep(Protocol):
    """What of a step the walk needs to know."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of what it reads; one may be there more than once."""

    @property
    def output(self) -> str:
        """Name of what it makes."""


AnyStep = TypeVar("AnyStep", bound=GraphStep)
Value = TypeVar("Value")


def walk(
    name: str, value: Value, steps: Sequence[AnyStep], run: Callable[[AnyStep, list[Value]], Value]
) -> Iterator[tuple[str, Value]]:
    """Every value of a graph by name when it is made, the input's first; it is dropped after its last reader.

    >>> from types import SimpleNamespace as Step
    >>> steps = [Step(inputs=("x", "x"), output="twice"), Step(inputs=("twice", "x"), output="three times")]
    >>> list(walk("x", 5, steps, lambda step, read: sum(read)))
    [('x', 5), ('twice', 10), ('three times', 15)]

    Args:
        name, value: of the graph's input.
        steps: in the order in which they run.
        run: what a step makes of what it reads, in the order of its `inputs`.
    """
    readers = Counter(read for step in steps for read in step.inputs)
    yield name, value
    alive = {name: value}
    del value
    for step in steps:
        result = run(step, [alive[read] for read in step.inputs])
        for read in step.inputs:
            readers[read] -= 1
            if not readers[read]:
                del alive[read]
        yield step.output, result
        if readers[step.output]:
            alive[step.output] = result
        del result
