"""Predicted cycles of layers of the pruned ResNet-50 against the array's Verilog in Icarus, on the array of 21 x 7.

One layer of each kind at least: the first convolution, 1 x 1 and 3 x 3 ones, strided and not, projections, the classifier. Of a
layer as many rows are run as take some thousand cycles. Where its input can be loaded in that time, too, its outputs are
compared with the golden model's.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from resnet50_cycles import ROOT, layers
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from openwork.compiler.program import LayerProgram, compile_layer
from openwork.layer import IntegerLayer
from openwork.records import Origin, Value, write_record
from openwork_dv.jobs import Job
from openwork_dv.runner import run_jobs
from openwork_dv.scoreboard import layer_complaints, step_complaints
from openwork_dv.stimulus import Case
from openwork_dv.transactions import answer, layer_steps, run_step
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

CONFIG = ArrayConfig(21, 7, feature_words=16384)
SEED = 51
RUN_CYCLES = 6_000
"""Rows are added until a layer takes so long."""
LOAD_BYTES = 30_000
"""Larger inputs are not loaded: a byte takes a cycle."""


def kind(layer: IntegerLayer) -> str:
    """What sets a layer apart for the array."""
    if layer.name == "final_dense":
        return "classifier"
    side = layer.kernel[0]
    where = "projection" if "projection_block" not in layer.name and "projection" in layer.name else "block"
    return f"{side} x {side}, stride {layer.stride}, map {layer.output_shape[1]}, {where}"


def chosen(path: Path, count: int) -> Iterator[IntegerLayer]:
    """The first layer of each kind, at most `count`, spread over the network."""
    first: dict[str, IntegerLayer] = {}
    for layer in layers(path):
        first.setdefault(kind(layer), layer)
    kinds = list(first.values())
    step = max(1, len(kinds) / count)
    picked = {int(index * step) for index in range(count)} | {len(kinds) - 1}
    yield from (kinds[index] for index in sorted(picked) if index < len(kinds))


def cut(layer: IntegerLayer) -> LayerProgram:
    """The layer's first rows, as many as take RUN_CYCLES, compiled."""
    rows = layer.rows
    while True:
        part = replace(layer, weights=layer.weights[:rows], bias=layer.bias[:rows], shift=layer.shift[:rows] + 7)
        program = compile_layer(part, CONFIG, Encoding.PACKED)
        if program.predicted_cycles <= RUN_CYCLES or rows == 1:
            return program
        rows = max(1, min(rows - 1, rows * RUN_CYCLES // program.predicted_cycles))


def run(program: LayerProgram) -> tuple[int, int, list[str]]:
    """Cycles in the Verilog, outputs compared (0 where the input is too large to load), and complaints."""
    layer, steps = program.layer, [run_step(CONFIG, step) for step in program.passes]
    if np.prod(layer.input_shape) > LOAD_BYTES:
        (result,) = run_jobs(CONFIG, [Job(tuple(steps))])
        complaints = step_complaints(CONFIG, result.steps)
        return sum(answer(CONFIG, step).cycles for step in result.steps), 0, complaints
    inputs = np.random.default_rng(SEED).integers(-128, 128, layer.input_shape).astype(np.int8)
    (result,) = run_jobs(CONFIG, [Job(tuple(layer_steps(program, inputs)))])
    complaints = layer_complaints(Case(program, inputs), result, exact_cycles=True)
    loads = program.layout.row_groups
    cycles = sum(answer(CONFIG, step).cycles for step in result.steps[loads : loads + len(steps)])
    return cycles, layer.rows * layer.output_pixels, complaints


def main() -> int:
    """Simulate, compare, print, record."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python benchmarks/resnet50_rtl.py\n"
        "  python benchmarks/resnet50_rtl.py --layers 3 --output build/rtl.json",
    )
    default_data = Path(os.environ.get("OPENWORK_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=default_data, help="folder that holds dlmc/ (or OPENWORK_DATA)")
    parser.add_argument("--sparsity", default="0.9", choices=["0.8", "0.9"])
    parser.add_argument("--layers", type=int, default=10, help="how many, at most")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results" / "resnet50_rtl.json")
    options = parser.parse_args()
    path = options.data / "dlmc" / f"rn50_magnitude_pruning_{options.sparsity}.npz"
    if not path.is_file():
        print(f"{path} is not there: set OPENWORK_DATA to the folder that holds dlmc/", file=sys.stderr)
        return 2

    origin = Origin.of_script(__file__, packages=["numpy", "cocotb"])
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(title=f"ResNet-50 layers, {options.sparsity} sparse, on {CONFIG} in Icarus")
    for name in ("layer", "kind", "rows", "groups x streams", "hold", "cycles", "predicted", "outputs compared"):
        table.add_column(name, justify="left" if name in ("layer", "kind") else "right")
    runs = []
    wrong: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ThreadPoolExecutor(2) as pool:
        programs = [cut(layer) for layer in progress.track(list(chosen(path, options.layers)), description="compile")]
        results = progress.track(pool.map(run, programs), total=len(programs), description="simulate")
        for program, (cycles, outputs, complaints) in zip(programs, results, strict=True):
            layer, predicted = program.layer, program.predicted_cycles
            wrong += complaints + ([] if cycles == predicted else [f"{layer.name}: {cycles} cycles, not {predicted}"])
            streams = f"{program.layout.row_groups} x {len(program.plan.streams)}"
            table.add_row(
                layer.name, kind(layer), str(layer.rows), streams, str(max(program.plan.holds)), f"{cycles:,}",
                f"{predicted:,}", f"{outputs:,}" if outputs else "-",
            )  # fmt: skip
            setting = f"{layer.name}, {layer.rows} rows, {options.sparsity} sparse, {CONFIG}"
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
