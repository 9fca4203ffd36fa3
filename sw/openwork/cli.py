"""The command line: each command is one call into the packages, which are imported when the command needs them."""

import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from openwork_hw.arch.config import PRESETS, ArrayConfig, ConfigError, Technology
from openwork_hw.arch.nonzeros import Encoding

STATUS_REFUSED = 2

RUN_BATCH = 8
"""Inputs that run side by side."""

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
    """Run a command. What our own packages refuse becomes one sentence and exit status 2; a bug stays a traceback."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
    except Interrupted:
        messages.print("openwork: interrupted", style="red")
        sys.exit(STATUS_REFUSED)
    except Exception as error:
        refusal = type(error).__module__.partition(".")[0].startswith("openwork")
        if not refusal and not isinstance(error, OSError):
            raise
        messages.print(f"openwork: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(STATUS_REFUSED)


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


def array_config(preset: str, **sizes: Any) -> ArrayConfig:
    """The preset, with the sizes that were named in place of its own.

    A preset's `group_sizes` are divisors of its own `pes`: another number of PEs may be divided in all ways, unless said.

    Raises:
        ConfigError: no such preset, or a size that no array can have.
    """
    named = {name: size for name, size in sizes.items() if size is not None}
    if "pes" in named:
        named.setdefault("group_sizes", ())
    return replace(_choose("preset", preset, PRESETS), **named)


Preset = Annotated[str, typer.Option(help=f"Array to start from: {', '.join(PRESETS)}.")]
Pes = Annotated[int | None, typer.Option(help="Processing elements in the chain.")]
Lanes = Annotated[int | None, typer.Option(help="Multiply-accumulators in a PE.")]
FeatureWords = Annotated[int | None, typer.Option(help="Words of a PE's feature memory.")]
RowBufferNonzeros = Annotated[int | None, typer.Option(help="Longest row that can be replayed.")]
TapEntries = Annotated[int | None, typer.Option(help="Entries of the tap table.")]
SumBits = Annotated[int | None, typer.Option(help="Width of an accumulator.")]
SinglePort = Annotated[
    bool | None, typer.Option("--single-port/--two-ports", help="Ports of the feature memory.", show_default=False)
]
GroupSizes = Annotated[
    list[int] | None,
    typer.Option(
        "--group-size", help="PEs that may share a stream; repeat it for more.", show_default="all divisors of PEs"
    ),
]
Encodings = Annotated[
    list[str] | None,
    typer.Option(
        "--encoding", help="Weight encoding to decode, csr, triplet or packed; repeat it for more.", show_default="all"
    ),
]


@app.command()
def verilog(
    preset: Preset = "demo",
    pes: Pes = None,
    lanes: Lanes = None,
    feature_words: FeatureWords = None,
    row_buffer_nonzeros: RowBufferNonzeros = None,
    tap_entries: TapEntries = None,
    sum_bits: SumBits = None,
    single_port: SinglePort = None,
    group_sizes: GroupSizes = None,
    technology: Annotated[Technology | None, typer.Option(help="Primitives to instantiate.")] = None,
    encoding: Encodings = None,
    out: Annotated[Path, typer.Option("--output", "-o", help="Folder to write NAME.v into.")] = Path("build"),
    name: Annotated[
        str | None, typer.Option(help="Name of the top module and its file.", show_default="openwork_PESxLANES")
    ] = None,
) -> None:
    """Write the array as synthesizable Verilog.

    Sizes that are not named are the preset's. For example:

      openwork verilog --pes 4 --lanes 4 -o build/

      openwork verilog --preset ecp5-85k --encoding packed

      openwork verilog --preset demo --lanes 6 --feature-words 4096 --name my_array
    """
    config = array_config(
        preset,
        pes=pes,
        lanes=lanes,
        feature_words=feature_words,
        row_buffer_nonzeros=row_buffer_nonzeros,
        tap_entries=tap_entries,
        sum_bits=sum_bits,
        single_port=single_port,
        group_sizes=tuple(group_sizes) if group_sizes else None,
        technology=technology,
    )
    encodings = _encodings(encoding)
    path = out / f"{name or f'openwork_{config.pes}x{config.lanes}'}.v"

    from openwork_fpga.verilog import write_verilog

    with working(f"Writing {config} to {path}"):
        write_verilog(config, path, encodings)
    output.print(f"{path}: {config}, {path.stat().st_size / 1024:.0f} KiB", highlight=False, soft_wrap=True)


@app.command()
def synth(
    device: Annotated[str, typer.Option(help="Part: lfe5u-85f, lfe5u-25f or ice40up5k.")],
    preset: Annotated[
        str | None, typer.Option(help=f"Array to start from: {', '.join(PRESETS)}.", show_default="the part's own")
    ] = None,
    pes: Pes = None,
    lanes: Lanes = None,
    feature_words: FeatureWords = None,
    row_buffer_nonzeros: RowBufferNonzeros = None,
    tap_entries: TapEntries = None,
    sum_bits: SumBits = None,
    single_port: SinglePort = None,
    group_sizes: GroupSizes = None,
    encoding: Annotated[
        list[str] | None,
        typer.Option(
            "--encoding",
            help="Weight encoding to decode; repeat it for more.",
            show_default="those that suit the part",
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Placer seeds: the clock differs from seed to seed.")] = 5,
    out: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for the tools' files and logs, one folder a part.")
    ] = Path("build"),
    record: Annotated[
        Path | None, typer.Option(help="JSON file to keep the result in.", show_default="record.json beside the logs")
    ] = None,
) -> None:
    """Synthesize, place and route an array, and print what it takes and how fast it runs.

    Prints LUTs, flip-flops, multipliers, memories, the clock over all seeds, and the critical path. For example:

      openwork synth --device lfe5u-85f

      openwork synth --device ice40up5k --seeds 1 --encoding packed

      openwork synth --device lfe5u-25f --pes 3 --lanes 8 --record my_array.json
    """
    from openwork_fpga import report
    from openwork_fpga.devices import DEVICES
    from openwork_fpga.synth import current_commit, synthesize, write_record

    part = _choose("device", device, DEVICES)
    config = array_config(
        preset or part.preset,
        pes=pes,
        lanes=lanes,
        feature_words=feature_words,
        row_buffer_nonzeros=row_buffer_nonzeros,
        tap_entries=tap_entries,
        sum_bits=sum_bits,
        single_port=single_port,
        group_sizes=tuple(group_sizes) if group_sizes else None,
        technology=Technology(part.family),
    )
    encodings = _encodings(encoding) if encoding else part.encodings
    folder = out / part.name

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as progress:
        task = progress.add_task("synthesis", total=None)
        result = synthesize(
            config,
            part,
            folder,
            lambda what, done, steps: progress.update(task, description=what, completed=done, total=steps),
            seeds=range(1, seeds + 1),
            encodings=encodings,
        )
    write_record(result, record or folder / "record.json", current_commit(), shlex.join(["openwork", *sys.argv[1:]]))
    output.print(report.table(result))


@app.command()
def quantize(
    model: Annotated[str, typer.Argument(help="A .pt2 file of torch.export.save, or package.module:function.")],
    calibrate: Annotated[
        Path, typer.Option(help=".npy file of real inputs like those the model will see, one a row, 100 or so.")
    ],
    out: Annotated[Path, typer.Option("--output", "-o", help="The .int8 file to write.")],
    observer: Annotated[
        str, typer.Option(help="How the ranges of activations are chosen: min-max, percentile or mean-square-error.")
    ] = "min-max",
) -> None:
    """Quantize a PyTorch model to int8, and print its layers.

    The function returns an nn.Module, and is looked for in the working directory first. For example:

      openwork quantize model.pt2 --calibrate images.npy -o model.int8

      openwork quantize my_models.small:trained --calibrate images.npy --observer percentile -o small.int8
    """
    from openwork.files import read_array, write_network

    inputs = read_array(calibrate)

    import torch

    from openwork import quantization
    from openwork.frontend import load

    chosen = _choose("observer", observer, {one.value: one for one in quantization.Observer})
    calibration = quantization.calibration_inputs(inputs)
    with working(f"Loading {model}"):
        network = load(model, calibration[:1])
    with counting() as progress, torch.no_grad():
        quantized = quantization.quantize(network, calibration, chosen, progress=progress)
    write_network(out, quantized)
    output.print(str(quantized), highlight=False, markup=False, soft_wrap=True)
    for note in network.notes:
        output.print(f"Note: {note}.", highlight=False, markup=False)
    output.print(f"{out}: {out.stat().st_size / 1024:.0f} KiB.", highlight=False, markup=False, soft_wrap=True)


@app.command()
def run(
    model: Annotated[Path, typer.Argument(help="A .int8 file.")],
    inputs: Annotated[Path, typer.Option(help=".npy file of inputs, one a row: real numbers, or int8 as they are.")],
    out: Annotated[Path, typer.Option("--output", "-o", help="The .npy file to write, int8.")],
    backend: Annotated[str, typer.Option(help="What computes: golden, the exact model in PyTorch.")] = "golden",
) -> None:
    """Run a quantized model on inputs, exactly, and write its outputs.

    For example:

      openwork run model.int8 --inputs images.npy -o scores.npy

      openwork run model.int8 --inputs images.npy --backend golden -o scores.npy
    """
    from openwork.files import read_array, read_network, write_array

    network = read_network(model)
    integers = network.integer_inputs(read_array(inputs))

    import numpy as np

    from openwork.golden import run_network

    compute = _choose("backend", backend, {"golden": run_network})
    starts = range(0, len(integers), RUN_BATCH)
    with counting() as progress:
        batches = [
            compute(network, integers[start : start + RUN_BATCH]) for start in progress(starts, f"running {model.name}")
        ]
    write_array(out, np.concatenate(batches))
    result = network.tensor(network.outputs[0])
    output.print(
        f"{out}: int8 {[len(integers), *network.output_shape]}, each {result.scale:.6g} * (integer - {result.zero_point}).",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--output", "-o", help="Folder for the Verilog and the simulation.")] = Path(
        "build"
    ),
) -> None:
    """Train, prune and quantize a CNN, run it as Verilog in a simulator, and compare every output with the golden model."""
    from openwork_dv.demo import run_demo

    if not run_demo(output, out):
        raise typer.Exit(1)


def _choose(what: str, name: str, known: Mapping[str, Choice]) -> Choice:
    if name not in known:
        raise ConfigError(f"there is no {what} {name}: there are {', '.join(known)}")
    return known[name]


def _encodings(names: list[str] | None) -> tuple[Encoding, ...]:
    known = {kind.name.lower(): kind for kind in Encoding}
    return tuple(sorted({_choose("encoding", name, known) for name in names or known}))
