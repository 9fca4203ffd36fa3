"""The whole way in one run: digits CNN, pruned, quantized, compiled in each encoding, run as Verilog, compared with golden."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from openwork.backends import Comparison, compare
from openwork.compiler.network import compile_network
from openwork.golden import run_layer
from openwork.image import Image
from openwork.layer import IntegerLayer
from openwork.models.digits import PreparedDigits, prepare
from openwork.network import one_layer_network
from openwork.report.layers import layer_rows
from openwork_dv.building import BUILD_FOLDER
from openwork_dv.jobs import Job
from openwork_dv.runner import Simulation, run_on, written
from openwork_dv.scoreboard import image_complaints, stored_bytes
from openwork_dv.transactions import answer, image_steps
from openwork_fpga.verilog import write_verilog
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

CONFIG = PRESETS["demo"]
IMAGES = 2
NETWORK_IMAGES = 20
STALL = 0.3
TABLE_WIDTH = 112
SIMULATIONS = 2
"""Side by side."""


@dataclass(frozen=True)
class LayerRun:
    """A layer in one encoding: without stalls on the first image, with stalls on every image.

    Attributes:
        bits: of the weight streams for each nonzero, all metadata counted.
        cycles, predicted: of all RUN and MOVE commands, without stalls.
        utilization: useful multiply-accumulates / what the array could do in the predicted time.
        outputs: compared with the golden model's.
        mismatches: of those; 0.
        complaints: what was wrong, cycles included; none.
    """

    bits: float
    cycles: int
    predicted: int
    utilization: float
    outputs: int
    mismatches: int
    complaints: tuple[str, ...]


@dataclass(frozen=True)
class DemoRow:
    """A layer in every encoding."""

    layer: IntegerLayer
    runs: dict[Encoding, LayerRun]


def run_demo(console: Console, folder: Path, config: ArrayConfig = CONFIG, images: int = IMAGES) -> bool:
    """Do all of it and print one table; whether every output and every cycle count was right."""
    with _progress(console) as progress:

        def show(steps: Sequence[int], title: str) -> Iterable[int]:
            return progress.track(steps, description=title)

        prepared = prepare(progress=show)
        verilog = folder / f"openwork_{config.pes}x{config.lanes}.v"
        for step in show(range(2), "writing Verilog"):
            if step == 0:
                write_verilog(config, verilog)
            else:
                simulation = written(verilog, folder / BUILD_FOLDER.name)
        rows = _run_layers(prepared, config, images, simulation, progress)
        whole, network = _run_network(prepared, config, progress)
    # Wider than a narrow terminal: a number that is cut off is worse than a line that wraps.
    console.width = max(console.width, TABLE_WIDTH)
    console.print(_table(rows, config, images))
    accuracies = ", ".join(f"{step} {accuracy:.1%}" for step, accuracy in prepared.accuracies.items())
    console.print(f"Accuracy on {len(prepared.test_labels)} test images: {accuracies}.", highlight=False)
    values = sum(one.values for one in network.tensors)
    console.print(
        f"The whole network as one image, run by the gateware alone on {NETWORK_IMAGES} images: {values:,} outputs of "
        f"{len(network.tensors)} layers compared, {sum(one.differences for one in network.tensors)} mismatches; "
        f"{sum(one.cycles for one in network.tensors):,} cycles per image, {whole.compute_cycles:,} predicted.",
        highlight=False,
    )
    console.print(
        f"{verilog}: the array's Verilog, which ran the layers; {verilog.stat().st_size / 1024:.0f} KiB.",
        highlight=False,
    )
    complaints = [text for row in rows for run in row.runs.values() for text in run.complaints]
    for complaint in complaints:
        console.print(complaint, style="red", markup=False)
    return not complaints and network.agrees


def _run_network(prepared: PreparedDigits, config: ArrayConfig, progress: Progress) -> tuple[Image, Comparison]:
    """The network compiled to an image that stores every layer's outputs, and what the gateware makes of it."""
    image = compile_network(prepared.model, config, watch=True)
    bar = progress.add_task("the whole network, compiled to native code", total=None)

    def tell(done: int, total: int, _what: str) -> None:
        progress.update(bar, completed=done, total=total)

    found = compare(image, prepared.test_inputs[:NETWORK_IMAGES], ("golden", "rtl"), tell)
    progress.update(bar, completed=1, total=1)
    return image, found


def _run_layers(
    prepared: PreparedDigits, config: ArrayConfig, images: int, simulation: Simulation, progress: Progress
) -> list[DemoRow]:
    runs: dict[tuple[str, Encoding], LayerRun] = {}
    inputs = prepared.test_inputs[:images]
    tasks: list[tuple[IntegerLayer, Encoding, NDArray[np.int8]]] = []
    for layer in prepared.model.layers:
        tasks += [(layer, encoding, inputs) for encoding in Encoding]
        inputs = run_layer(layer, inputs).reshape(images, *layer.output_shape)
    bar = progress.add_task("simulating layers with random stalls", total=len(tasks))
    with ThreadPoolExecutor(SIMULATIONS) as pool:
        waiting = {pool.submit(_run_layer, *task, config, simulation): (task[0].name, task[1]) for task in tasks}
        for done in as_completed(waiting):
            runs[waiting[done]] = done.result()
            progress.advance(bar)
    return [
        DemoRow(layer, {encoding: runs[layer.name, encoding] for encoding in Encoding})
        for layer in prepared.model.layers
    ]


def _run_layer(
    layer: IntegerLayer, encoding: Encoding, inputs: NDArray[np.int8], config: ArrayConfig, simulation: Simulation
) -> LayerRun:
    image = compile_network(one_layer_network(layer), config, encoding)
    batch = np.stack([inputs[0], *inputs])
    stalls = [0.0] + [STALL] * len(inputs)
    jobs = [
        Job(tuple(image_steps(image, one)), stall, seed)
        for seed, (one, stall) in enumerate(zip(batch, stalls, strict=True))
    ]
    results = run_on(simulation, config, jobs)
    complaints = [
        f"{encoding.name.lower()}, stall {stall}: {text}"
        for one, stall, result in zip(batch, stalls, results, strict=True)
        for text in image_complaints(image, one, result, exact_cycles=stall == 0)
    ]
    expected = run_layer(layer, batch)
    found = [image.outputs(stored_bytes(image, result)) for result in results]
    (row,) = layer_rows(image)
    return LayerRun(
        bits=row.nonzero_bits or 0.0,
        cycles=sum(
            answer(config, step).cycles
            for step, command in zip(results[0].steps, image.commands, strict=True)
            if command.kind in ("RUN", "MOVE")
        ),
        predicted=image.compute_cycles,
        utilization=image.utilization,
        outputs=expected.size,
        mismatches=int(np.count_nonzero(np.stack(found) != expected)),
        complaints=tuple(complaints),
    )


def _table(rows: Sequence[DemoRow], config: ArrayConfig, images: int) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title=f"Digits CNN on {config}, as Verilog in Icarus",
        caption=f"Bits per nonzero, all metadata counted. Cycles and useful share of the MACs with packed streams that do not "
        f"stall. Outputs of all three encodings: {images + 1} images, {images} of them with {STALL:.0%} stalls everywhere.",
    )
    table.add_column("layer")
    table.add_column("shape", no_wrap=True)
    numbers = ["density", *(f"{encoding.name.lower()}\nbits" for encoding in Encoding), "cycles", "pre-\ndicted"]
    for name in (*numbers, "useful\nMACs", "outputs", "mis-\nmatches"):
        table.add_column(name, justify="right")
    for row in rows:
        layer, runs = row.layer, row.runs
        packed = runs[Encoding.PACKED]
        table.add_row(
            layer.name,
            " ".join("x".join(map(str, shape)) for shape in (layer.input_shape, layer.output_shape)),
            f"{layer.density:.1%}",
            *(f"{runs[encoding].bits:.1f}" for encoding in Encoding),
            f"{packed.cycles:,}",
            f"{packed.predicted:,}",
            f"{packed.utilization:.1%}",
            f"{sum(run.outputs for run in runs.values()):,}",
            str(sum(run.mismatches for run in runs.values())),
        )
    return table


@contextmanager
def _progress(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        yield progress
