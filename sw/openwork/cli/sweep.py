"""The command that tries many prunings on many arrays."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openwork.cli.arrays import DEFAULT_PRESET, array_config
from openwork.cli.checks import (
    MAX_SEED,
    OptionError,
    check_above_zero,
    check_files,
    check_list,
    check_model,
    check_share,
)
from openwork.cli.on_board import board_named
from openwork.cli.pruning import SCOPES, check_method
from openwork.cli.terminal import AsJson, app, choose, show, steps
from openwork_hw.arch.config import PRESETS

if TYPE_CHECKING:
    from openwork.sweep import ArrayChoice, SweepPlan

EXTRA = (
    "a sweep on several workers needs Dask, which is not installed: pip install 'openwork[sweep]', or use --workers 0"
)


@app.command("sweep")
def sweep_(
    plan: Annotated[Path | None, typer.Argument(help="A .toml file; options take the place of its entries.")] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the results. What is finished in it is not done again: a sweep can be resumed.",
        ),
    ] = Path("sweep"),
    model: Annotated[
        list[str] | None,
        typer.Option(help="A .pt2 file, or package.module:function; may be repeated.", show_default="the plan's"),
    ] = None,
    data: Annotated[Path | None, typer.Option(help=".npy file of inputs to fit and calibrate with.")] = None,
    labels: Annotated[Path | None, typer.Option(help=".npy file of a whole number for each input of --data.")] = None,
    test: Annotated[
        Path | None,
        typer.Option(
            help=".npy file of inputs to measure with.", show_default="every fifth input of --data is held back"
        ),
    ] = None,
    test_labels: Annotated[
        Path | None, typer.Option(help=".npy file of a whole number for each input of --test.")
    ] = None,
    densities: Annotated[str | None, typer.Option(help="Densities, with commas.", show_default="0.5,0.2,0.1")] = None,
    methods: Annotated[
        str | None, typer.Option(help="Methods of openwork prune --list, with commas.", show_default="obc")
    ] = None,
    arrays: Annotated[
        str | None,
        typer.Option(help="Arrays with commas: names of presets, or PESxLANES as in 16x8.", show_default=False),
    ] = None,
    boards: Annotated[str | None, typer.Option(help="Boards with commas, or all.", show_default=False)] = None,
    encodings: Annotated[
        str | None, typer.Option(help="Encodings with commas.", show_default="the one that suits each array")
    ] = None,
    scope: Annotated[str | None, typer.Option(help="layer, global or erk.", show_default="layer")] = None,
    epochs: Annotated[
        int | None, typer.Option(min=0, max=1_000_000, help="Passes over the data to train for.", show_default="0")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Highest learning rate.", show_default="0.001")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MAX_SEED, help="Of the order of the inputs.", show_default="0")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0, max=1024, help="Processes on this machine; 0 does all in this process.", show_default="one per core"
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Address of a scheduler of Dask, as in tcp://10.0.0.1:8786, whose workers see the same files.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prune models by several methods to several densities, compile each for several arrays, and compare all of them.

    A point that is finished is not done again, and a lost worker loses nothing but time. The folder gets results.csv and
    results.html, a page with the points that no other point beats. For example:

      openwork sweep --model model.pt2 --data images.npy --labels labels.npy --boards all -o sweep/

      openwork sweep --model model.pt2 --data images.npy --densities 0.3,0.2,0.1 --arrays 12x4,16x8,ecp5-85k -o sweep/

      openwork sweep plan.toml --workers 4 -o sweep/

      openwork sweep plan.toml --scheduler tcp://10.0.0.1:8786 -o sweep/
    """
    from openwork.files import check_folder
    from openwork.sweep.plan import FILES, SweepPlan, read_plan, with_options

    files = dict(zip(FILES, (str(one or "") for one in (data, labels, test, test_labels)), strict=True))
    try:
        levels = None if densities is None else tuple(float(text) for text in check_list("--densities", densities))
    except ValueError:
        raise OptionError(f"densities are numbers with commas, as in 0.5,0.2, not {densities}") from None
    for level in levels or ():
        check_share("each of --densities", level)
    check_above_zero("--rate", rate)
    named = {
        name: None if text is None else tuple(check_list(f"--{name}", text))
        for name, text in (("methods", methods), ("arrays", arrays), ("boards", boards), ("encodings", encodings))
    }
    if scheduler is not None and not re.fullmatch(r"(tcp|tls|ws|wss|ucx)://[\w.:\[\]-]+:\d{1,5}", scheduler):
        raise OptionError(f"--scheduler is an address, as in tcp://10.0.0.1:8786, not {scheduler or 'empty'}")
    for one in model or ():
        check_model(one)
    check_files((data, labels, test, test_labels), ())
    check_folder(out)
    start = SweepPlan() if plan is None else read_plan(plan)
    whole = with_options(
        start, model or (), files, densities=levels, scope=scope, epochs=epochs, rate=rate, seed=seed, **named
    ).checked()
    choose("scope", whole.scope, dict.fromkeys(SCOPES))
    for name in whole.methods:
        check_method(name, whole.epochs)
    for one in whole.encodings:
        choose("encoding", one, dict.fromkeys(("csr", "triplet", "packed")))
    chosen = _arrays(whole)
    for choice in whole.models:
        check_model(choice.model)
        named_files = (choice.data, choice.labels, choice.test, choice.test_labels)
        check_files([Path(name) for name in named_files if name], ())
    if (workers != 0 or scheduler is not None) and not _has_dask():
        raise OptionError(EXTRA)

    from openwork.sweep import run_tasks, write_results
    from openwork.sweep.points import tasks_of
    from openwork.sweep.results import CSV, PAGE_FILE, points_table

    tasks = tasks_of(whole, chosen, out.resolve())
    out.mkdir(parents=True, exist_ok=True)
    count = (os.cpu_count() or 1) if workers is None else workers
    with steps() as tell:
        results = run_tasks(
            tasks,
            workers=count,
            scheduler=scheduler or "",
            tell=lambda done, total, what: tell(done, total, f"sweep, {done} of {total} tasks, {what}"),
        )
    points = write_results(out, [results[task.name] for task in tasks if task.needs])
    tables = [points_table(points, name) for name in dict.fromkeys(one["model"] for one in points)]
    fitting = sum(one["fits"] for one in points)
    line = f"{out / CSV} and {out / PAGE_FILE}: {len(points)} points, of which {fitting} fit their arrays."
    show(as_json, points, *tables, line)


def _arrays(plan: "SweepPlan") -> "tuple[ArrayChoice, ...]":
    """The arrays and boards of a plan.

    Raises:
        ConfigError: there is no such preset or board, or no array has such sizes.
    """
    from openwork.sweep import ArrayChoice

    found = []
    for name in plan.arrays:
        pes, cross, lanes = name.partition("x")
        if name not in PRESETS and cross and pes.isdecimal() and lanes.isdecimal() and len(name) <= 9:
            found.append(ArrayChoice(name, array_config(DEFAULT_PRESET, pes=int(pes), lanes=int(lanes))))
        else:
            found.append(ArrayChoice(name, array_config(name)))
    boards = plan.boards
    if boards == ("all",):
        from openwork_fpga.boards.catalogue import BOARDS

        boards = tuple(BOARDS)
    for name in boards:
        board = board_named(name)
        found.append(ArrayChoice(name, board.config, name))
    return tuple(found)


def _has_dask() -> bool:
    from importlib.util import find_spec

    return find_spec("distributed") is not None
