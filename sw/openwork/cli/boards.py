"""Commands for boards: list them, build a bitstream, and load it."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from openwork.cli.checks import OptionError, check_record
from openwork.cli.on_board import image_memory_words
from openwork.cli.terminal import AsJson, app, choose, messages, say, show, steps, working

Name = Annotated[str, typer.Option("--board", help="Name of the board; openwork boards lists all names.")]


@app.command("boards")
def boards_(as_json: AsJson = False) -> None:
    """List the boards that a bitstream can be built for.

    For example:

      openwork boards

      openwork boards --json
    """
    from openwork_fpga.boards.catalogue import BOARDS
    from openwork_fpga.boards.verified import VERIFIED

    figures = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for title in ("board", "preset", "array"):
        figures.add_column(title, no_wrap=True)
    for title in ("MHz", "image KiB", "baud"):
        figures.add_column(title, justify="right")
    words = Table(
        box=SIMPLE_HEAD, caption="None has run on real hardware yet; docs/boards.md says what was verified and how."
    )
    for title in ("board", "what it is", "where its serial line is", "verified"):
        words.add_column(title, no_wrap=title == "board")
    for board in BOARDS.values():
        figures.add_row(
            board.name,
            board.preset,
            str(board.config),
            f"{board.clock_mhz:g}",
            f"{image_memory_words(board) * 4 // 1024:,}",
            str(board.baud),
        )
        words.add_row(board.name, board.title, board.line, VERIFIED[board.name])
    values = [
        {
            "board": board.name,
            "title": board.title,
            "preset": board.preset,
            "pes": board.config.pes,
            "lanes": board.config.lanes,
            "clock_mhz": board.clock_mhz,
            "image_memory_words": image_memory_words(board),
            "baud": board.baud,
            "line": board.line,
            "verified": VERIFIED[board.name],
        }
        for board in BOARDS.values()
    ]
    show(as_json, values, figures, words)


@app.command()
def build(
    board: Name,
    image: Annotated[
        Path | None, typer.Option(help="A .image file that is in the board's memory from power-up on.")
    ] = None,
    out: Annotated[Path, typer.Option("--output", "-o", help="Folder for the bitstream and the tools' files.")] = Path(
        "build"
    ),
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Placer seeds to try until one meets the clock.")] = 5,
    all_seeds: Annotated[
        bool,
        typer.Option("--all-seeds", help="Try all seeds, for the median clock; the fastest becomes the bitstream."),
    ] = False,
    sdram_phase: Annotated[
        float | None,
        typer.Option(
            help="Degrees of a cycle from when a pin to the SDRAM chip changes to when the chip's clock rises.",
            show_default="the board's",
        ),
    ] = None,
    sdram_test: Annotated[
        bool,
        typer.Option(
            "--sdram-test", help="Instead of the array, build a design that tries out the board's SDRAM chip."
        ),
    ] = False,
    record: Annotated[
        Path | None,
        typer.Option(help="JSON file to keep the figures in.", show_default="report.json beside the bitstream"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Build a board's bitstream top.bit (Gowin: top.fs), with top.v, top.json (the netlist) and a report beside it.

    If no seed meets the clock, there is no bitstream, and the exit status is 1. For example:

      openwork build --board ulx3s-85f -o build/

      openwork build --board ulx3s-25f --image model.image -o build/ulx3s

    With --sdram-test, the serial line says a dot for each pass over the chip in which every word was right, and an x otherwise:

      openwork build --board ulx3s-85f --sdram-test --sdram-phase 225 -o build/
    """
    from openwork.files import check_folder, naming, read_image
    from openwork.records import Origin, run_values, write_record
    from openwork_fpga.boards import bitstream
    from openwork_fpga.boards.catalogue import BOARDS

    chosen = choose("board", board, BOARDS)
    if sdram_phase is not None:
        if chosen.sdram is None:
            raise OptionError(f"--sdram-phase: {chosen.name} has no SDRAM chip that we use")
        if not 0 <= sdram_phase < 360:
            raise OptionError(f"--sdram-phase is from 0 to below 360 degrees, not {sdram_phase:g}")
        chosen = replace(chosen, sdram_phase=sdram_phase)
    check_folder(out)
    check_record(record)
    content = None if image is None else read_image(image)
    origin = Origin.now(shlex.join(["openwork", *sys.argv[1:]]))
    try:
        with steps() as progress, naming(out, "written into"):
            built = bitstream.build(
                chosen,
                out,
                lambda what, done, total: progress(done, total, what),
                image=content,
                seeds=range(1, seeds + 1),
                all_seeds=all_seeds,
                tester=sdram_test,
            )
    except bitstream.TimingError as error:
        messages.print(f"openwork: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    run = built.run(origin)
    write_record(record or out / "report.json", [run])
    table = Table(box=SIMPLE_HEAD, title=chosen.title, show_header=False)
    for one in run.figures:
        if one.value and one.name != "critical_path":
            table.add_row(one.name.replace("_", " "), f"{one.value:,} {one.unit}")
    size = f"{built.path.stat().st_size / 1024:,.0f} KiB"
    show(as_json, {"file": str(built.path), **run_values(run)}, table, f"{built.path}: {size}.")


@app.command("program")
def program_(
    board: Name,
    bitstream: Annotated[
        Path | None, typer.Argument(help="The bitstream that openwork build wrote: .bit, .bin (iCE40) or .fs (Gowin).")
    ] = None,
    flash: Annotated[
        bool, typer.Option("--flash", help="Write the bitstream into the flash memory, which keeps it without power.")
    ] = False,
    image: Annotated[
        Path | None, typer.Option(help="A .image file, for a board that reads its image from flash memory.")
    ] = None,
) -> None:
    """Load a bitstream into a board, or an image into its flash memory, or both, with openFPGALoader.

    For example:

      openwork program --board ulx3s-85f build/top.bit

      openwork program --board ulx3s-25f --flash build/top.bit

      openwork program --board icebreaker --flash build/top.bin --image model.image
    """
    from openwork.files import read_image
    from openwork_fpga.boards.catalogue import BOARDS
    from openwork_fpga.boards.programmer import program, program_image
    from openwork_hw.arch.linear_image import linear_words

    chosen = choose("board", board, BOARDS)
    if bitstream is None and image is None:
        raise OptionError("name a bitstream, an --image or both: what should go onto the board?")
    if image is not None:
        words = linear_words(read_image(image).words, chosen.config)
        with working(f"Writing {image} into the flash of {chosen.title}"):
            program_image(chosen, words)
        say(f"The flash of {chosen.title} holds {image}: {words.nbytes / 1024:,.0f} KiB.")
    if bitstream is not None:
        with working(f"Programming {chosen.title}"):
            program(chosen, bitstream, flash=flash)
        say(f"{chosen.title} runs {bitstream}.")
