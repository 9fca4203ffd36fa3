"""Stages of long work: a bar where there is a terminal, and otherwise a line when a stage takes long and one when it ends."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Timer

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

SECONDS = "OPENWORK_STAGE_SECONDS"
"""The environment variable with the seconds after which a stage is told, if it is not `TOLD_AFTER`; `inf` for never."""

TOLD_AFTER = 2.0
"""Seconds."""


class Stage:
    """A stage that is told if it takes long: ``compiling the gateware ...`` and at its end ``compiling the gateware: 74.1 s``."""

    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title = console, title
        self._began = time.monotonic()
        self._told = False
        self._timer = Timer(_told_after(), self._tell)
        self._timer.daemon = True  # a process that ends does not wait for it
        if _told_after() < float("inf") and title:
            self._timer.start()

    def _tell(self) -> None:
        self._told = True
        self._say(f"{self._title} ...")

    def end(self, *, whole: bool = True) -> None:
        """The stage has ended; `whole` says whether it did what it should."""
        self._timer.cancel()
        if self._told and whole:
            self._say(f"{self._title}: {time.monotonic() - self._began:.1f} s")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _told_after() -> float:
    try:
        return float(os.environ.get(SECONDS, TOLD_AFTER))
    except ValueError:
        return TOLD_AFTER


def stage_name(what: str) -> str:
    """The stage that a step belongs to: what is behind a comma changes from step to step.

    >>> stage_name("gateware, cycle 12,345"), stage_name("seed 3")
    ('gateware', 'seed 3')
    """
    return what.partition(", ")[0]


@contextmanager
def stage(console: Console, title: str) -> Iterator[None]:
    """Tell a stage if it takes long."""
    one, whole = Stage(console, title), False
    try:
        yield
        whole = True
    finally:
        one.end(whole=whole)


@contextmanager
def working(console: Console, what: str) -> Iterator[None]:
    """Show that a step runs which has no countable parts, and for how long."""
    if not console.is_terminal or console.quiet:
        with stage(console, what):
            yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        progress.add_task(what, total=None)
        yield


@contextmanager
def counting(console: Console) -> Iterator[Callable[[Sequence[int], str], Iterable[int]]]:
    """Gives what goes through steps and shows how many are done, under a title."""
    if not console.is_terminal or console.quiet:
        yield lambda steps, title: _counted(console, steps, title)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        yield lambda steps, title: progress.track(steps, description=title)


def _counted(console: Console, steps: Sequence[int], title: str) -> Iterator[int]:
    with stage(console, title):
        yield from steps


@contextmanager
def steps(console: Console) -> Iterator[Callable[[int, int | None, str], None]]:
    """Gives what is told how much is done, of how much, and what; shows it."""
    if not console.is_terminal or console.quiet:
        with _named_stages(console) as tell:
            yield tell
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total, what: progress.update(task, completed=done, total=total, description=what)


@contextmanager
def _named_stages(console: Console) -> Iterator[Callable[[int, int | None, str], None]]:
    """Gives what is told what is done: another name ends the stage before and begins the next."""
    now, name, whole = Stage(console, ""), "", False

    def tell(_done: int, _total: int | None, what: str) -> None:
        nonlocal now, name
        if stage_name(what) != name:
            now.end()
            name = stage_name(what)
            now = Stage(console, name)

    try:
        yield tell
        whole = True
    finally:
        now.end(whole=whole)
