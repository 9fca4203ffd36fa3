"""Tasks for workers in other processes, which import this module."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from openwork.sweep.store import kept


def noted(folder: str, number: int, seconds: float = 0.0) -> dict[str, Any]:
    """Makes a result once, and notes in a file that it was made."""

    def make(place: Path) -> dict[str, Any]:
        time.sleep(seconds)
        (place / "beside.txt").write_text(str(number))
        with (Path(folder) / "made.txt").open("a") as file:
            file.write(f"{number}\n")
        return {"square": number**2, "process": os.getpid()}

    return kept(Path(folder) / "results", {"number": number}, make)


def deadly(folder: str, number: int) -> dict[str, Any]:
    """Ends the process that runs it for the first time, as a machine that is lost does."""
    mark = Path(folder) / "ended.txt"
    if not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return noted(folder, number)


def always_deadly() -> None:
    """Ends every process that runs it."""
    os.kill(os.getpid(), signal.SIGKILL)


def doubled(factor: int, needed: dict[str, Any]) -> int:
    """Of the result of another task."""
    return factor * int(needed["square"])


def failing() -> None:
    """Raises."""
    raise ValueError("a task that fails")
