"""What all commands say on the terminal: results, progress, refusals."""

import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from types import FrameType
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from openwork_hw.arch.config import ConfigError
from openwork_hw.arch.refusal import Refusal

STATUS_REFUSED = 2
STATUS_BUG = 1

REPORT = (
    "openwork: this is a bug of Openwork {}. Please report it with the text above, the whole command, and the files that it "
    "reads if you may share them."
)

Choice = TypeVar("Choice")

app = typer.Typer(
    name="openwork",
    help="Sparse neural networks on open FPGA tools: from a PyTorch model to a placed and routed array.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
output = Console()
messages = Console(stderr=True)


class Interrupted(BaseException):
    """The user pressed Ctrl-C; not an Exception, so that nobody takes it for a failure and goes on."""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise Interrupted


def main() -> None:
    """Run a command. A refusal becomes one sentence and exit status 2; a bug stays a traceback, with a line that asks for it."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
    except Interrupted:
        messages.print("openwork: interrupted", style="red")
        sys.exit(STATUS_REFUSED)
    except (Refusal, OSError) as refusal:
        messages.print(f"openwork: {refusal}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(STATUS_REFUSED)
    except Exception:
        traceback.print_exc()
        messages.print(REPORT.format(version("openwork")), markup=False, highlight=False, soft_wrap=True)
        sys.exit(STATUS_BUG)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that a step without countable parts is running, and for how long."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        progress.add_task(what, total=None)
        yield


@contextmanager
def counting() -> Iterator[Callable[[Sequence[int], str], Iterable[int]]]:
    """Gives what goes through steps and shows how many are done, under a title."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        yield lambda steps, title: progress.track(steps, description=title)


@contextmanager
def steps() -> Iterator[Callable[[int, int, str], None]]:
    """Gives what is told how much is done, of how much, and what; shows it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total, what: progress.update(task, completed=done, total=total, description=what)


def _print_version(wanted: bool) -> None:
    if wanted:
        output.print(f"openwork {version('openwork')}", highlight=False)
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def choose(what: str, name: str, known: Mapping[str, Choice]) -> Choice:
    """The one of this name.

    Raises:
        ConfigError: there is none; with the names that there are.
    """
    if name not in known:
        raise ConfigError(f"there is no {what} {name}: there are {', '.join(known)}")
    return known[name]
