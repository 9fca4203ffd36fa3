"""How long work shows how far it is: by a function that steps go through."""

from collections.abc import Callable, Iterable, Sequence

Progress = Callable[[Sequence[int], str], Iterable[int]]
"""Yields what it is given and shows how far that is, under a title; `rich.progress.track` is one."""


def silent(steps: Sequence[int], _title: str) -> Iterable[int]:
    """The progress that shows nothing."""
    return steps
