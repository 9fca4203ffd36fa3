"""How all commands print results and show progress, and the options that every command has.

Results go to standard output, all else to standard error. The environment variable NO_COLOR is heeded by rich.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from importlib.metadata import version
from inspect import Parameter, signature
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console, RenderableType

from openwork.cli import stages
from openwork_hw.arch.config import ConfigError

Choice = TypeVar("Choice")


Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Print no tables, sentences or progress: only warnings, refusals, and what --json asks for.",
    ),
]


class App(typer.Typer):
    """An app whose commands all have the option `--quiet`."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[Any], Any]:
        """Add a command; the function itself stays as it is."""
        add = super().command(name, **settings)

        def register(function: Callable[..., None]) -> Callable[..., None]:
            @wraps(function)
            def run(*arguments: Any, quiet: bool, **options: Any) -> None:
                output.quiet = status.quiet = quiet
                function(*arguments, **options)

            found = signature(function)
            option = Parameter("quiet", Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
            run.__signature__ = found.replace(parameters=[*found.parameters.values(), option])  # type: ignore[attr-defined]
            run.__annotations__ = {**function.__annotations__, "quiet": Quiet}
            add(run)
            return function

        return register


app = App(
    name="openwork",
    help="Sparse neural networks on open FPGA tools: from a PyTorch model to a placed and routed array.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
# Without emoji: in a user's `models:train: 6.1 s`, rich would see the emoji `train`.
output = Console(emoji=False)
messages = Console(stderr=True, emoji=False)
status = Console(stderr=True, emoji=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables and sentences.")]


def working(what: str) -> AbstractContextManager[None]:
    """Show that a step runs which has no countable parts, and for how long."""
    return stages.working(status, what)


def counting() -> AbstractContextManager[Callable[[Sequence[int], str], Iterable[int]]]:
    """Gives what goes through steps and shows how many are done, under a title."""
    return stages.counting(status)


def steps() -> AbstractContextManager[Callable[[int, int | None, str], None]]:
    """Gives what is told how much is done, of how much, and what; shows it."""
    return stages.steps(status)


def say(*sentences: str) -> None:
    """Print sentences, each on a line, as they are."""
    for one in sentences:
        output.print(one, highlight=False, markup=False, soft_wrap=True)


def warn(sentence: str) -> None:
    """Print a warning to standard error, where --quiet does not hide it."""
    messages.print(sentence, style="yellow", highlight=False, markup=False, soft_wrap=True)


def show(as_json: bool, values: Any, *shown: RenderableType) -> None:
    """Print the results of a command: JSON if it is asked for, otherwise tables and sentences.

    Args:
        as_json: whether `--json` was given.
        values: JSON values: the same results, with whole precision.
        shown: tables, and texts that are printed as they are.
    """
    if as_json:
        sys.stdout.write(json.dumps(values, indent=2) + "\n")
        return
    for one in shown:
        if isinstance(one, str):
            say(one)
        else:
            output.print(one)


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
