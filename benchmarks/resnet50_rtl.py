"""Predicted cycles of layers of the pruned ResNet-50 against the array's Verilog in Icarus, on the array of 21 x 7.

One layer of each kind at least: the first convolution, 1 x 1 and 3 x 3 ones, strided and not, projections, the classifier. Each
is compiled as a network of its own, with as many of its rows as take some thousand cycles. Where the input can be loaded in that
time, too, the outputs are compared with the golden model's.
"""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from cases import LARGE
from resnet50_cycles import RESULTS, SPARSITIES, quantized
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from openwork.compiler.network import compile_network
from openwork.image import Image
from openwork.layer import IntegerLayer
from openwork.models.shared_data import DataError
from openwork.network import IntegerNetwork, one_layer_network
from openwork.records import Origin, Value, write_record
from openwork.report.layers import layer_rows
from openwork.tensors import by_if_unequal
from openwork_dv.jobs import Job
from openwork_dv.runner import run_jobs
from openwork_dv.scoreboard import image_complaints, step_complaints
from openwork_dv.transactions import answer, image_steps, move_step, run_step
from openwork_hw.arch.commands import MoveCommand, RunCommand

SEED = 51
RUN_CYCLES = 6_000
"""Rows are added until a layer takes so long."""
LOAD_BYTES = 30_000
"""Larger inputs are not loaded: a byte takes a cycle."""


def kind(layer: IntegerLayer) -> str:
    """What sets a layer apart for the array."""
    side = layer.kernel[0]
    where = "classifier" if layer.name == "final_dense" else "projection" if "projection" in layer.name else "block"
    return f"{side} x {side}, stride {by_if_unequal(layer.stride)}, {layer.channels} channels, map {layer.output_shape[1]}, {where}"


def chosen(network: IntegerNetwork, count: int) -> Iterator[IntegerLayer]:
    """The first layer of each kind, at most `count`, spread over the network."""
    first: dict[str, IntegerLayer] = {}
    for layer in network.layers:
        if not layer.covers_map or layer.taps == 1:  # not an average
            first.setdefault(kind(layer), layer)
    kinds = list(first.values())
    step = max(1, len(kinds) / count)
    picked = {int(index * step) for index in range(count)} | {len(kinds) - 1}
    yield from (kinds[index] for index in sorted(picked) if index < len(kinds))


def cut(layer: IntegerLayer) -> Image:
    """The layer's first rows, as many as take RUN_CYCLES, compiled."""
    rows = layer.rows
    while True:
        part = replace(layer, weights=layer.weights[:rows], bias=layer.bias[:rows], shift=layer.shift[:rows])
        image = compile_network(one_layer_network(part), LARGE)
        if image.compute_cycles <= RUN_CYCLES or rows == 1:
            return image
        rows = max(1, min(rows - 1, rows * RUN_CYCLES // image.compute_cycles))


def run(image: Image) -> tuple[int, int, list[str]]:
    """Cycles in the Verilog, outputs compared (0 where the input is too large to load), and complaints."""
    shape = image.network.input.shape
    if np.prod(shape) > LOAD_BYTES:
        steps = []
        for one in image.instructions:
            if isinstance(one.command, RunCommand):
                steps.append(run_step(LARGE, one))
            elif isinstance(one.command, MoveCommand):
                steps.append(move_step(LARGE, one.command))
        (result,) = run_jobs(LARGE, [Job(tuple(steps))])
        complaints = step_complaints(LARGE, result.steps)
        return sum(answer(LARGE, step).cycles for step in result.steps), 0, complaints
    inputs = np.random.default_rng(SEED).integers(-128, 128, shape).astype(np.int8)
    (result,) = run_jobs(LARGE, [Job(tuple(image_steps(image, inputs)))])
    complaints = image_complaints(image, inputs, result, exact_cycles=True)
    cycles = sum(
        answer(LARGE, step).cycles
        for step, command in zip(result.steps, image.commands, strict=True)
        if command.kind in ("RUN", "MOVE")
    )
    return cycles, int(np.prod(image.network.output_shape)), complaints


def main() -> int:
    """Simulate, compare, print, record."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python benchmarks/resnet50_rtl.py\n"
        "  python benchmarks/resnet50_rtl.py --layers 3 --output build/rtl.json",
    )
    parser.add_argument("--sparsity", default="0.9", choices=list(SPARSITIES))
    parser.add_argument("--layers", type=int, default=10, help="how many, at most")
    parser.add_argument("--output", type=Path, default=RESULTS.with_name("resnet50_rtl.json"))
    options = parser.parse_args()
    try:
        network = quantized(SPARSITIES[options.sparsity])
    except DataError as error:
        print(error, file=sys.stderr)
        return 2

    origin = Origin.of_script(__file__, packages=["numpy", "cocotb"])
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(title=f"ResNet-50 layers, {options.sparsity} sparse, on {LARGE} in Icarus")
    for name in ("layer", "kind", "rows", "groups x streams", "hold", "cycles", "predicted", "outputs compared"):
        table.add_column(name, justify="left" if name in ("layer", "kind") else "right")
    runs = []
    wrong: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(2) as pool:
        picked = list(chosen(network, options.layers))
        images = [cut(layer) for layer in progress.track(picked, description="compile")]
        results = progress.track(pool.map(run, images), total=len(images), description="simulate")
        for image, (cycles, outputs, complaints) in zip(images, results, strict=True):
            (layer,), (row,), predicted = image.network.layers, layer_rows(image), image.compute_cycles
            wrong += complaints + ([] if cycles == predicted else [f"{layer.name}: {cycles} cycles, not {predicted}"])
            table.add_row(
                layer.name, kind(layer), str(layer.rows), f"{row.row_groups} x {row.streams}", str(max(row.holds)),
                f"{cycles:,}", f"{predicted:,}", f"{outputs:,}" if outputs else "-",
            )  # fmt: skip
            setting = f"{layer.name}, {layer.rows} rows, {options.sparsity} sparse, {LARGE}"
            figures: list[tuple[str, str, Value]] = [
                ("resnet50 rtl cycles", "cycles", cycles),
                ("resnet50 rtl predicted", "cycles", predicted),
                ("resnet50 rtl outputs compared", "outputs", outputs),
            ]
            runs.append(origin.measured(setting, figures))
    console.print(table)
    for complaint in wrong:
        console.print(complaint, style="red", markup=False)
    if wrong:
        return 1
    write_record(options.output, runs)
    console.print(f"{len(runs)} runs written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
