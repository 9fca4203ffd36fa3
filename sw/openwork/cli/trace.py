"""The command that writes what happens in a run over time, for a viewer of traces."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openwork.cli.checks import OptionError, check_clock, check_files
from openwork.cli.on_board import board_named, fetched_by
from openwork.cli.terminal import app, choose, counting, say, steps

if TYPE_CHECKING:
    from openwork.backends import Fetched
    from openwork.image import Image

SOURCES = {
    "model": "the cycles that the compiler predicts",
    "rtl": "the cycles that the gateware reports, as native code",
}


@app.command("trace")
def trace_(
    model: Annotated[Path, typer.Argument(help="A .image file.")],
    out: Annotated[Path, typer.Option("--output", "-o", help="The .json file to write.")],
    board: Annotated[
        str | None,
        typer.Option(
            help="Take the clock of this board, and fetch the image from its SDRAM if it has one.", show_default=False
        ),
    ] = None,
    clock: Annotated[
        float | None,
        typer.Option(help="Clock of the array in MHz.", show_default="the board's; a cycle is shown as 1 µs"),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(help=f"Where cycles are from. {', '.join(f'{name}: {what}' for name, what in SOURCES.items())}."),
    ] = "model",
) -> None:
    """Write what happens in a run over time, for ui.perfetto.dev or chrome://tracing.

    The trace has steps, commands, transfers, weight streams and PEs. No cycle depends on the values of an input. For example:

      openwork trace model.image -o trace.json

      openwork trace model.image --board ulx3s-85f -o trace.json

      openwork trace model.image --backend rtl --clock 100 -o trace.json
    """
    from openwork.files import read_image
    from openwork.report.trace import Memory, trace_of, write_trace
    from openwork_hw.arch.refusal import Refusal

    choose("backend", backend, SOURCES)
    check_clock(clock)
    place = None if board is None else board_named(board)
    check_files((model,), (out,))
    image = read_image(model)
    fetched = None
    if place is not None and board is not None:
        clock = place.clock_mhz if clock is None else clock
        if image.config.fingerprint != place.config.fingerprint:
            raise OptionError(f"the image is for another array than that of {board}: compile it with --board {board}")
        if place.flash_byte is not None:
            raise OptionError(
                f"{board} reads its image from flash memory, and how long that takes is not predicted: leave --board out"
            )
        fetched = None if place.sdram is None else fetched_by(board, image)
    if fetched is None and image.map_bytes:
        raise OptionError(f"{model} keeps maps in an external memory: name the board with --board")
    cycles = None if backend == "model" else _reported(image, fetched)
    memory = None if fetched is None else Memory(fetched.scratchpad_words, fetched.sdram)
    with counting() as progress:
        try:
            trace = trace_of(image, clock_mhz=clock, memory=memory, cycles=cycles, progress=progress)
        except Refusal as reason:
            raise OptionError(f"{model}: {reason}") from None
    write_trace(out, trace)
    total, source = trace["otherData"]["cycles"].rsplit(", ", 1)
    size = f"{out.stat().st_size / 1024:,.0f} KiB"
    say(
        f"{out}: {len(trace['traceEvents']):,} events, {size}; {total} cycles, {source}. Open it in ui.perfetto.dev or "
        "chrome://tracing."
    )


def _reported(image: "Image", fetched: "Fetched | None") -> list[int]:
    """The cycles of each command, as the gateware reports them for an input of zeros."""
    import numpy as np

    from openwork import backends

    inputs = np.zeros((1, *image.network.input.shape), np.int8)
    with steps() as progress:
        (result,) = backends.run(image, inputs, "rtl", progress, fetched=fetched)
    return [report.cycles for report in result.reports]
