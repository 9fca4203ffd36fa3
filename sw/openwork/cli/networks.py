"""Commands that take a network from a PyTorch or ONNX model to its outputs: quantize, compile, run, compare, report."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from openwork.cli.arrays import (
    DEFAULT_PRESET,
    ActivationTables,
    Compact,
    FeatureWords,
    GlobalPooling,
    GroupSizes,
    Lanes,
    MapStations,
    MaxPooling,
    Pes,
    Preset,
    Replicas,
    RowBufferNonzeros,
    SinglePort,
    SumBits,
    TapEntries,
    array_config,
    named_encodings,
    preset_of,
)
from openwork.cli.checks import OptionError, check_clock, check_files, check_list, check_model
from openwork.cli.on_board import (
    board_named,
    check_fits,
    fetched_by,
    fetching_table,
    planned_for,
    run_line,
    speed_line,
    speed_values,
)
from openwork.cli.selftest import DEFAULT_BAUD, Baud, BoardPort, port_of
from openwork.cli.terminal import AsJson, app, choose, counting, say, show, steps, warn, working

BACKENDS = {
    "golden": "the golden model in PyTorch",
    "model": "the image simulator, without a clock",
    "rtl": "the gateware as native code, cycle by cycle",
    "board": "the gateware on a board, at --port",
}
OBSERVERS = ("min-max", "percentile", "mean-square-error")
"""The names of `openwork.quantization.Observer`. They stand here, too, because that module needs torch."""

BACKENDS_HELP = ", ".join(f"{name}: {what}" for name, what in BACKENDS.items())

Inputs = Annotated[Path, typer.Option(help=".npy file, one input per row: real numbers to quantize, or int8.")]
Workers = Annotated[int, typer.Option(min=1, max=256, help="With the backend rtl: processes that share the inputs.")]


@app.command()
def quantize(
    model: Annotated[
        str, typer.Argument(help="A .pt2 file of torch.export.save, an .onnx file, or package.module:function.")
    ],
    calibrate: Annotated[
        Path, typer.Option(help=".npy file, one input per row: about 100 real inputs like those the model will see.")
    ],
    out: Annotated[Path, typer.Option("-o", help="The .int8 file to write.")],
    observer: Annotated[
        str, typer.Option(help="How to choose the ranges of activations: min-max, percentile or mean-square-error.")
    ] = "min-max",
    cut: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            help="A module or operator of the model at which the array's part ends; the host computes what follows. May be "
            "repeated. Without it, what stands at the model's end and is not the array's is left to the host.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Quantize a PyTorch or ONNX model to int8, and print its layers.

    A function must return an nn.Module. Python looks for it in the working directory first. For example:

      openwork quantize model.pt2 --calibrate images.npy -o model.int8

      openwork quantize model.onnx --calibrate images.npy -o model.int8

      openwork quantize my_models.small:trained --calibrate images.npy --observer percentile -o small.int8

      openwork quantize detector.pt2 --calibrate images.npy --output head.boxes --output head.classes -o detector.int8
    """
    from openwork.files import read_array, write_network

    choose("observer", observer, dict.fromkeys(OBSERVERS))
    check_model(model)
    check_files((calibrate,), (out,))
    inputs = read_array(calibrate)

    import torch

    from openwork import quantization
    from openwork.frontend import load

    chosen = quantization.Observer(observer)
    calibration = quantization.calibration_inputs(inputs)
    with working(f"Loading {model}"):
        network = load(model, calibration[:1], cut=cut or ())
    with counting() as progress, torch.no_grad():
        quantized = quantization.quantize(network, calibration, chosen, progress=progress)
    write_network(out, quantized)
    notes = [f"Note: {note}." for note in network.notes]
    values = {"file": str(out), "layers": quantized.values(), "notes": list(network.notes)}
    show(as_json, values, str(quantized), *notes, f"{out}: {out.stat().st_size / 1024:.0f} KiB.")


@app.command("compile")
def compile_(
    model: Annotated[Path, typer.Argument(help="A .int8 file.")],
    out: Annotated[Path, typer.Option("--output", "-o", help="The .image file to write.")],
    preset: Preset = DEFAULT_PRESET,
    board: Annotated[
        str | None,
        typer.Option(
            help="Compile for a board's own array, and say how many inputs per second it gives.", show_default=False
        ),
    ] = None,
    pes: Pes = None,
    lanes: Lanes = None,
    feature_words: FeatureWords = None,
    row_buffer_nonzeros: RowBufferNonzeros = None,
    tap_entries: TapEntries = None,
    sum_bits: SumBits = None,
    single_port: SinglePort = None,
    group_sizes: GroupSizes = None,
    replicas: Replicas = None,
    max_pooling: MaxPooling = None,
    global_pooling: GlobalPooling = None,
    compact: Compact = None,
    activation_tables: ActivationTables = None,
    map_stations: MapStations = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            help="Encoding of the weight streams: csr, triplet or packed.",
            show_default="packed; csr for a compact array",
        ),
    ] = None,
    stages: Annotated[
        bool, typer.Option("--stages", help="Also print the table of each stage of the compiler (docs/compiler.md).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compile a quantized model for an array, and print its layers.

    The preset gives every size without an option of its own. For example:

      openwork compile model.int8 --board ulx3s-85f -o model.image

      openwork compile model.int8 --preset ecp5-85k -o model.image

      openwork compile model.int8 --preset ecp5-85k --feature-words 65536 -o model.image

      openwork compile model.int8 --preset demo --stages -o model.image
    """
    from openwork.files import read_network, write_image

    place = None if board is None else board_named(board)
    if place is not None:
        encoding = place.encodings[0].name.lower() if encoding is None else encoding
    config = array_config(
        preset_of(preset, board),
        pes=pes,
        lanes=lanes,
        feature_words=feature_words,
        row_buffer_nonzeros=row_buffer_nonzeros,
        tap_entries=tap_entries,
        sum_bits=sum_bits,
        single_port=single_port,
        group_sizes=tuple(group_sizes) if group_sizes else None,
        replicas=replicas,
        max_pooling=max_pooling,
        global_pooling=global_pooling,
        compact=compact,
        activation_tables=activation_tables,
        map_stations=map_stations,
    )
    chosen = named_encodings(None if encoding is None else [encoding], config)[-1]
    if place is not None and config != place.config:
        raise OptionError(f"{board} has the array of the preset {place.preset}: leave the sizes out, or the board")
    check_files((model,), (out,))
    network = read_network(model)

    from openwork.compiler.network import planned_image
    from openwork.compiler.plan import NetworkPlan, stages_text
    from openwork.report import layer_table
    from openwork.report.layers import image_values

    fetched = None
    with counting() as progress:
        if place is None:
            plan, image = planned_image(network, config, chosen, progress=progress)
        else:
            plan, image = planned_for(place, network, chosen, progress)
            fetched = check_fits(place, image)
    write_image(out, image)
    shown: list[RenderableType] = []
    if stages:
        shown.append(stages_text(plan) if isinstance(plan, NetworkPlan) else str(plan))
    shown.append(layer_table(image))
    values = {"file": str(out), **image_values(image)}
    if place is not None:
        if fetched is not None:
            shown.append(fetching_table(place, image, fetched))
        shown.append(speed_line(place, image, fetched))
        values["board"] = speed_values(place, image, fetched)
    show(as_json, values, *shown, f"{out}: {out.stat().st_size / 1024:,.0f} KiB.")


@app.command()
def run(
    model: Annotated[Path, typer.Argument(help="A .image file, or a .int8 file for the golden model.")],
    inputs: Inputs,
    out: Annotated[
        Path,
        typer.Option("--output", "-o", help="The .npy file to write; a .npz file of several results with their names."),
    ],
    backend: Annotated[str, typer.Option(help=f"What runs the model. {BACKENDS_HELP}.")] = "golden",
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Write the integers that the array gives, before the host's part of the model."),
    ] = False,
    workers: Workers = 1,
    port: BoardPort = None,
    baud: Baud = DEFAULT_BAUD,
    waves: Annotated[
        Path | None,
        typer.Option(
            help="With --backend rtl and --step: the .vcd file for the waves of that step, for the first input. A saved view "
            "for GTKWave is written beside the file."
        ),
    ] = None,
    step: Annotated[str | None, typer.Option(help="With --waves: the name of the step, as compile prints it.")] = None,
    board: Annotated[
        str | None,
        typer.Option(
            help="With --backend rtl: simulate the array with the memories of this board, its scratchpad and its SDRAM."
        ),
    ] = None,
) -> None:
    """Run a model on inputs, and write what the model gives: real numbers, in the shapes of the PyTorch model.

    What stands at the model's end and is not the array's, the host computes. All backends give the same integers.
    A file that does not say what its model gives has its integers written.

    For example:

      openwork run model.image --inputs images.npy --backend rtl -o scores.npy

      openwork run model.image --inputs images.npy --backend rtl --waves conv1.vcd --step conv1 -o scores.npy

      openwork run model.image --inputs images.npy --backend rtl --board ulx3s-85f -o scores.npy

      openwork run model.image --inputs images.npy --backend board --port /dev/ttyUSB0 -o scores.npy

      openwork run model.int8 --inputs images.npy -o scores.npy

      openwork run model.int8 --inputs images.npy --raw -o integers.npy

      openwork run detector.image --inputs images.npy -o boxes_and_classes.npz
    """
    from openwork import backends
    from openwork.files import FileError, read_array, read_image, read_network, write_array, write_arrays

    choose("backend", backend, BACKENDS)
    if model.suffix == ".int8" and backend != "golden":
        raise FileError(
            f"{model} is not compiled: the backend {backend} runs .image files, which openwork compile writes"
        )
    view = None if waves is None else waves.parent / f"{waves.stem}.gtkw"
    check_files((model, inputs), (out, waves, view))
    if (waves is None) != (step is None):
        raise OptionError(
            "waves are of one step: name the file with --waves and the step with --step, or leave both out"
        )
    if waves is not None and waves.suffix != ".vcd":
        raise OptionError(f"--waves writes a .vcd file, and the name {waves} is not of one")
    if board is not None and backend != "rtl":
        raise OptionError(
            f"--board is for the backend rtl, which simulates the board's memories, and not for {backend}"
        )
    image = None if model.suffix == ".int8" else read_image(model)
    network = read_network(model) if image is None else image.network
    raw = raw or not network.named  # nobody said what the model gives
    names = [one.name for one in network.results] if raw or network.tail is None else [*network.tail.names]
    if len(names) > 1 and out.suffix != ".npz":
        raise OptionError(f"the model gives {', '.join(names)}: several results go into a .npz file, not into {out}")
    fetched = None if board is None or image is None else fetched_by(board, image)
    integers = network.integer_inputs(read_array(inputs))
    cycles: list[int] = []

    import numpy as np

    with steps() as progress:
        if image is None:
            from openwork.golden import run_network

            batches = []
            size = backends.golden_batch(network)
            for start in range(0, len(integers), size):
                progress(start, len(integers), f"running {model.name}")
                batches.append(run_network(network, integers[start : start + size]))
            results = np.concatenate(batches)
        else:
            chosen = None if waves is None or step is None else backends.Waves(step, waves)
            outcomes = list(
                backends.run(
                    image,
                    integers,
                    backend,
                    progress,
                    workers=workers,
                    port=port_of(port, baud),
                    waves=chosen,
                    fetched=fetched,
                )
            )
            cycles = [one.cycles for one in outcomes]
            results = np.stack([network.joined(one.tensors) for one in outcomes])
    found = network.split(results) if raw else backends.model_results(network, results)
    if out.suffix == ".npz":
        write_arrays(out, found)
    else:
        write_array(out, found[names[0]])
    if board is not None and image is not None:
        say(run_line(board, image, cycles))
    if waves is not None:
        say(f"{waves}: the waves of step {step}; gtkwave {waves} {view} shows them.")
    tensors = {one.name: network.tensor(one.tensors[0]) for one in network.results}
    for name, array in found.items():
        what = f"{out}: {name}" if out.suffix == ".npz" else f"{out}"
        line = f"{what}: {array.dtype} {list(array.shape)}"
        if raw:
            line += f", each {tensors[name].scale:.6g} * (integer - {tensors[name].zero_point})"
        say(f"{line}.")


@app.command("compare")
def compare_(
    model: Annotated[Path, typer.Argument(help="A .image file.")],
    inputs: Inputs,
    backends: Annotated[
        str, typer.Option(help=f"Two or more backends, with commas; the first is the reference. {BACKENDS_HELP}.")
    ] = "golden,rtl",
    workers: Workers = 1,
    trace: Annotated[
        str | None, typer.Option(help="first-difference records the waves of the first layer that differs.")
    ] = None,
    waves: Annotated[Path, typer.Option(help="The .vcd file for --trace.")] = Path("first-difference.vcd"),
    port: BoardPort = None,
    baud: Baud = DEFAULT_BAUD,
    as_json: AsJson = False,
) -> None:
    """Compare every output of every layer between backends, and the cycles with the prediction.

    The exit status is 1 if anything differs.

    For example:

      openwork compare model.image --inputs images.npy --backends golden,rtl

      openwork compare model.image --inputs images.npy --backends golden,model,rtl --trace first-difference

      openwork compare model.image --inputs images.npy --backends golden,board --port /dev/ttyUSB0
    """
    from openwork.backends import compare
    from openwork.files import read_array, read_image

    names = check_list("--backends", backends)
    for name in names:
        choose("backend", name, BACKENDS)
    if trace is not None:
        choose("trace", trace, {"first-difference": None})
    check_files((model, inputs), (waves,) if trace else ())
    image = read_image(model)
    integers = image.network.integer_inputs(read_array(inputs))

    import numpy as np

    from openwork.compiler.network import compile_network

    again = partial(
        compile_network,
        image.network,
        image.config,
        image.encoding,
        row_groups=image.row_groups,
        scratchpad_words=image.scratchpad_words,
    )
    watched = again(watch=True)
    fresh = any(np.array_equal(image.words, one.words) for one in (watched, again()))
    if not fresh:
        warn(
            f"{model} has other words than this version of Openwork makes of its network. These words run as they are, and "
            "only what they store is compared; compile the model again to compare every layer."
        )
    with steps() as progress:
        found = compare(
            watched if fresh else image,
            integers,
            names,
            progress,
            workers=workers,
            trace=waves if trace else None,
            port=port_of(port, baud),
        )
    table = Table(
        box=SIMPLE_HEAD,
        caption=f"{len(integers)} inputs. Cycles are those of the first; without a clock there are none.",
    )
    table.add_column("layer")
    for title in ("shape", "values compared", "differences", "cycles", "predicted"):
        table.add_column(title, justify="right")
    for tensor in found.tensors:
        numbers = (tensor.values, tensor.differences, tensor.cycles, tensor.predicted)
        table.add_row(escape(tensor.tensor), "x".join(map(str, tensor.shape)), *(f"{number:,}" for number in numbers))
    shown: list[RenderableType] = [table]
    first = None
    if found.first is not None:
        one = found.first
        first = {
            "input": one.input,
            "where": one.where,
            "values": [int(value) for value in one.values],
            "backend": found.differing,
        }
        shown.append(
            f"The first difference is in input {one.input}, {one.where}: {names[0]} says {one.values[0]}, and "
            f"{found.differing} says {one.values[1]}."
        )
        if trace:
            shown.append(f"Its waves are in {waves}.")
    tensors = [asdict(tensor) for tensor in found.tensors]
    show(as_json, {"agrees": found.agrees, "inputs": len(integers), "first": first, "tensors": tensors}, *shown)
    if not found.agrees:
        raise typer.Exit(1)


@app.command()
def report(
    model: Annotated[Path, typer.Argument(help="A .image file.")],
    out: Annotated[Path, typer.Option("--output", "-o", help="The .html file to write.")],
    clock: Annotated[float | None, typer.Option(help="Clock of the array in MHz: the page also shows times.")] = None,
    accuracy: Annotated[
        list[str] | None, typer.Option(help="An accuracy to show, NAME=PERCENT as in float=91.5; may be repeated.")
    ] = None,
) -> None:
    """Write a page about a compiled model: cycles, utilization, density, memory and bits per nonzero, layer by layer.

    For example:

      openwork report model.image -o report.html

      openwork report model.image --clock 96 --accuracy float=91.5 --accuracy int8=91.4 -o report.html
    """
    from openwork.files import read_image
    from openwork.report import write_report

    check_clock(clock)
    check_files((model,), (out,))
    shares = {}
    for text in accuracy or ():
        name, _, percent = text.rpartition("=")
        try:
            shares[name] = float(percent) / 100
            if not name or not 0 <= shares[name] <= 1:
                raise ValueError
        except ValueError:
            raise OptionError(f"accuracy is NAME=PERCENT, from 0 to 100 as in float=91.5, not {text}") from None
    image = read_image(model)
    with working(f"Drawing {model}"):
        write_report(out, image, name=model.stem, clock_mhz=clock, accuracy=shares or None)
    say(f"{out}: {out.stat().st_size / 1024:,.0f} KiB.")
