"""Runs trials by the thousand, on every core, each with its own seed; a traceback, a wrong outcome or a wait is a failure."""

import os
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from types import FrameType

import numpy as np

from openwork_dv.building import SimulationError
from openwork_dv.fuzzing.formats import FORMATS

SECONDS = 20
"""Of a processor that a trial may take, whose subject takes milliseconds."""

PATIENCE = 15
"""Times as long a trial may take by the clock: it may wait for a busy machine, and not for ever."""

CHUNK = 250
"""Trials that a process does before it says how far it is."""


class FuzzError(SimulationError):
    """Trials that ended in a traceback, in a wrong outcome, or not at all; with the seeds that repeat them."""


@dataclass
class Counts:
    """What came of the trials of one format.

    Attributes:
        outcomes: how many trials ended in each of `formats`' outcomes.
        failures: of some that did not: seed and traceback.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def trials(self) -> int:
        """How many there were."""
        return self.outcomes.total() + len(self.failures)


def fuzz(
    name: str, count: int, seed: int, progress: Callable[[int], None] | None = None, *, workers: int = 1
) -> Counts:
    """Trials of one format.

    Args:
        name: of one of `FORMATS`.
        count: of trials.
        seed: of all of them; trial n has the seed [seed, n].
        progress: is told how many are done.
        workers: processes.

    Raises:
        FuzzError: any trial failed.
    """
    counts = Counts()
    for part in _parts(name, count, seed, workers):
        counts.outcomes += part.outcomes
        counts.failures += part.failures
        if progress is not None:
            progress(counts.trials)
    if counts.failures:
        raise FuzzError(
            f"{len(counts.failures)} of {count:,} trials of {name} failed:\n" + "\n".join(counts.failures[:5])
        )
    return counts


def _parts(name: str, count: int, seed: int, workers: int) -> Iterator[Counts]:
    chunks = [(name, seed, start, min(start + CHUNK, count)) for start in range(0, count, CHUNK)]
    if workers == 1:
        yield from map(_trials, chunks)
        return
    # A process of its own for each: torch's threads do not survive a fork.
    with ProcessPoolExecutor(min(workers, len(chunks), os.cpu_count() or 1), get_context("spawn")) as pool:
        yield from pool.map(_trials, chunks)


def _trials(chunk: tuple[str, int, int, int]) -> Counts:
    name, seed, start, end = chunk
    counts = Counts()
    before = [signal.signal(one, _too_long) for one in (signal.SIGALRM, signal.SIGPROF)]
    try:
        for number in range(start, end):
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            signal.alarm(SECONDS * PATIENCE)
            try:
                counts.outcomes[FORMATS[name](np.random.default_rng([seed, number]))] += 1
            except Exception:
                counts.failures.append(f"seed [{seed}, {number}]: {traceback.format_exc(limit=-4)}")
            finally:
                signal.alarm(0)
                signal.setitimer(signal.ITIMER_PROF, 0)
    finally:
        for one, handler in zip((signal.SIGALRM, signal.SIGPROF), before, strict=True):
            signal.signal(one, handler)
    return counts


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise TimeoutError(f"a trial takes more than {SECONDS} s")
