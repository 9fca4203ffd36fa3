"""The command that tests a board, and the options for the serial port, which other commands use, too."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from openwork.cli.checks import MAX_SEED
from openwork.cli.terminal import AsJson, app, show, status, steps
from openwork_hw.arch.link import DEFAULT_BAUD

if TYPE_CHECKING:
    from openwork.backends import Port

__all__ = ["DEFAULT_BAUD", "Baud", "BoardPort", "port_of"]

BoardPort = Annotated[str | None, typer.Option("--port", help="Serial port of the board, as /dev/ttyUSB0 or COM3.")]
Baud = Annotated[int, typer.Option(min=1, max=100_000_000, help="Bits per second of the board's serial port.")]


def port_of(name: str | None, baud: int) -> "Port | None":
    """The port of these options; None if no port is named."""
    from openwork.backends import Port

    return None if name is None else Port(name, baud)


@app.command()
def selftest(
    port: Annotated[str, typer.Option(help="Serial port of the board, as /dev/ttyUSB0 or COM3.")],
    baud: Baud = DEFAULT_BAUD,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=MAX_SEED, help="Seed of the test's random words, layers and inputs.", show_default="random"
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Test every word of an external memory, not a sample: this takes minutes."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Test a board: its link, its memory, and each of its decoders on a random layer.

    The image on the board is lost. Of an external memory (SDRAM), all data and address lines and sampled words are tested. The
    exit status is 1 if anything is wrong. For example:

      openwork selftest --port /dev/ttyUSB0

      openwork selftest --port /dev/ttyUSB0 --all

      openwork selftest --port COM3 --baud 1000000 --seed 7
    """
    from openwork.host import Board
    from openwork.host.memory_test import memory_plan
    from openwork.host.selftest import selftest

    if seed is None:
        import secrets

        seed = secrets.randbelow(1 << 32)
    with Board.open(port, baud) as board:
        if board.identity.scratchpad_words:
            plan = memory_plan(board.identity, baud, everything=everything)
            status.print(plan, markup=False, highlight=False, soft_wrap=True)
        with steps() as tell:
            checks = list(selftest(board, seed, tell, everything=everything))
    values = [{"test": check.name, "passed": check.passed, "found": check.found} for check in checks]
    table = Table(box=SIMPLE_HEAD, caption=f"seed {seed}")
    for title in ("test", "result", "found"):
        table.add_column(title)
    for check in checks:
        table.add_row(check.name, "pass" if check.passed else "FAIL", check.found)
    show(as_json, {"seed": seed, "checks": values}, table)
    if not all(check.passed for check in checks):
        raise typer.Exit(1)
