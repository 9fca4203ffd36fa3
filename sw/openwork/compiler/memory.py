"""Stage 4 of the compiler: every buffer gets a word address. Buffers that live at different times may share words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openwork.compiler.buffers import Buffer
from openwork.compiler.errors import CompileError
from openwork.compiler.schedule import Schedule
from openwork.limits import MAX_BLOCK


@dataclass(frozen=True)
class Lifetime:
    """The words that a buffer needs, and when.

    Attributes:
        name: name of the buffer; it decides the order of equal buffers.
        words: feature words per PE.
        born: number of the run that first writes the buffer.
        dies: number of the run that last reads the buffer.
    """

    name: str
    words: int
    born: int
    dies: int


def allocate(lifetimes: Sequence[Lifetime]) -> dict[str, int]:
    """An address for each buffer, so that no two buffers overlap in both time and memory.

    The largest buffer chooses first. Each buffer takes the smallest gap that fits, among the buffers that are placed already
    and live at the same time ("greedy by size", Pisarchyk and Lee 2020, section 5.2).

    >>> allocate([Lifetime("a", 4, 0, 1), Lifetime("b", 2, 1, 2), Lifetime("c", 4, 2, 3)])
    {'a': 0, 'c': 0, 'b': 4}
    """
    placed: list[tuple[Lifetime, int]] = []
    for one in sorted(lifetimes, key=lambda one: (-one.words, one.born, one.name)):
        others = sorted(
            (address, address + other.words)
            for other, address in placed
            if other.born <= one.dies and one.born <= other.dies
        )
        best: tuple[int, int] | None = None  # size of the gap, address
        free = 0
        for start, end in others:
            if start - free >= one.words and (best is None or start - free < best[0]):
                best = start - free, free
            free = max(free, end)
        placed.append((one, best[1] if best is not None else free))
    return {one.name: address for one, address in placed}


def need(lifetimes: Sequence[Lifetime], addresses: dict[str, int]) -> int:
    """How many words an allocation needs."""
    return max(addresses[one.name] + one.words for one in lifetimes)


def place_buffers(schedule: Schedule) -> dict[Buffer, int]:
    """Word addresses of all buffers.

    Raises:
        CompileError: the buffers do not fit the feature memory. The message names the need, and the step with the largest need.
    """
    lives = _lives(schedule)
    # No two names are equal, and their order is the order of buffers of equal size.
    names = {buffer: f"{buffer.step or buffer.tensor} {number:06}" for number, buffer in enumerate(lives)}
    lifetimes = [Lifetime(names[buffer], buffer.words, born, dies) for buffer, (born, dies) in lives.items()]
    addresses = allocate(lifetimes)
    needed = need(lifetimes, addresses)
    config = schedule.config
    if needed > config.feature_words:
        times = list(_times(schedule))
        most = max(range(-1, len(times)), key=lambda now: _alive(lifetimes, now))
        what = times[most] if most >= 0 else schedule.forms.network.input.name
        enough = 1 << (needed - 1).bit_length()
        larger = f", or an array with {enough:,} feature words" if enough <= MAX_BLOCK else "; no array has as many"
        raise CompileError(
            f"the network needs {needed:,} feature words per PE ({needed * config.lanes:,} bytes), and there are "
            f"{config.feature_words:,}: most at layer {what!r}, with {_alive(lifetimes, most):,} words alive; "
            f"use a smaller input{larger}",
            need=needed,
        )
    return {buffer: addresses[name] for buffer, name in names.items()}


def _times(schedule: Schedule) -> Iterator[str]:
    """The step at each point in time. Every run of a step is one point in time; the moves of a step belong to its first run."""
    for step in schedule.steps:
        yield from [step.step.output] * max(len(step.runs), 1)


def _lives(schedule: Schedule) -> dict[Buffer, tuple[int, int]]:
    """The points in time at which each buffer is first written and last read."""
    lives = {schedule.tensors[schedule.forms.network.input.name]: (-1, -1)}

    def alive(buffer: Buffer, now: int) -> None:
        born, _ = lives.get(buffer.root, (now, now))
        lives[buffer.root] = born, now

    now = 0
    for step in schedule.steps:
        for vector in step.vectors:
            alive(vector, now)
        for one in step.unrolled:
            alive(one.map, now)
            alive(one.vector, now)
        for number, run in enumerate(step.runs):
            for buffer in (*run.reads, run.output):
                alive(buffer, now + number)
        now += max(len(step.runs), 1)
        alive(step.output, now - 1)
    for name in schedule.forms.network.outputs:
        alive(schedule.tensors[name], now)
    return lives


def _alive(lifetimes: Sequence[Lifetime], now: int) -> int:
    return sum(one.words for one in lifetimes if one.born <= now <= one.dies)
