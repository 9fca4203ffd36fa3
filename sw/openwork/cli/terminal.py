"""How all commands print results and show progress."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from openwork_hw.arch.config import ConfigError

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


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that a step runs which has no countable parts, and for how long."""
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
        raise ConfigError(f"there is no {what} {name or repr(name)}: there are {', '.join(known)}")
    return known[name]
