"""The command that says on which boards a network fits, and how fast it is on each."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from openwork.cli.checks import check_files
from openwork.cli.on_board import BoardError, check_fits, image_memory_words, scratchpad_words, speed_of
from openwork.cli.terminal import AsJson, app, show, steps
from openwork_hw.arch.refusal import Refusal

if TYPE_CHECKING:
    from openwork.image import Image
    from openwork.network import IntegerNetwork
    from openwork_fpga.boards.board import Board


@app.command()
def fit(
    model: Annotated[Path, typer.Argument(help="A .int8 file.")],
    as_json: AsJson = False,
) -> None:
    """Say on which boards a network fits, how many inputs per second each gives at most, and what bounds them.

    The network is compiled for each board's own array. Nothing runs: all figures are predicted. For example:

      openwork fit model.int8

      openwork fit model.int8 --json
    """
    from openwork.files import read_network
    from openwork_fpga.boards.catalogue import BOARDS

    check_files((model,), ())
    network = read_network(model)
    compiled: dict[Any, Image | Refusal] = {}
    found = []
    with steps() as progress:
        for number, board in enumerate(BOARDS.values()):
            progress(number, len(BOARDS), f"compiling for {board.name}")
            array = board.config, board.encodings[0], scratchpad_words(board)
            if array not in compiled:
                compiled[array] = _compiled(network, board)
            found.append(_entry(board, compiled[array]))
    found.sort(key=lambda one: (not one["fits"], -(one["inputs_per_second"] or 0.0)))
    show(as_json, found, _table(found))


def _compiled(network: "IntegerNetwork", board: "Board") -> "Image | Refusal":
    """For the array of a board, which other boards have, too: a refusal names no board."""
    from openwork.compiler.network import planned_image

    try:
        return planned_image(network, board.config, board.encodings[0], scratchpad_words=scratchpad_words(board))[1]
    except Refusal as reason:
        return reason


def _entry(board: "Board", image: "Image | Refusal") -> dict[str, Any]:
    """What is known of a network on a board, as `--json` prints it."""
    entry: dict[str, Any] = {"board": board.name, "fits": False, "inputs_per_second": None, "bound": "", "reason": ""}
    if isinstance(image, Refusal):
        return entry | {"reason": str(image)}
    entry |= {
        "cycles": image.predicted_cycles,
        "image_words": len(image.words),
        "memory_words": image_memory_words(board),
    }
    try:
        fetched = check_fits(board, image)
    except BoardError as reason:
        return entry | {"reason": str(reason)}
    if fetched is not None:
        entry |= {
            "cycles": fetched.cycles,
            "wait_cycles": fetched.waits,
            "fetched_words": fetched.words,
            "scratchpad_words": board.memory_words,
        }
    if board.flash_byte is not None:
        return entry | {
            "fits": True,
            "bound": "the flash",
            "reason": "how long it waits for its flash is not predicted",
        }
    speed = speed_of(board, image, fetched)
    return entry | {
        "fits": True,
        "inputs_per_second": speed.inputs_per_second,
        "bound": speed.bound,
        "array_ms": 1e3 * speed.array_s,
        "line_ms": 1e3 * max(speed.input_s, speed.output_s),
    }


def _short(reason: str) -> str:
    """The first part of a sentence that says something, and not only where.

    >>> _short("layer 'mean': 160 pixels per lane are summed, and a row has at most 64 taps: use more row groups")
    "layer 'mean': 160 pixels per lane are summed, and a row has at most 64 taps"
    """
    where, *rest = reason.split(": ")
    return ": ".join([where, *rest[:1]]) if where.startswith(("layer ", "step ", "tensor ")) else where


def _table(found: list[dict[str, Any]]) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption="All figures are predicted.",
    )
    table.add_column("board", no_wrap=True)
    for title in ("inputs/s", "array ms", "line ms"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("bound by, or why it does not fit")
    for one in found:
        fast = one["inputs_per_second"]
        figures = (
            ["", "", ""] if fast is None else [f"{fast:,.0f}", f"{one['array_ms']:,.2f}", f"{one['line_ms']:,.2f}"]
        )
        table.add_row(
            one["board"],
            *figures,
            one["bound"] or _short(one["reason"]),
            style=None if one["fits"] else "dim",
        )
    return table
