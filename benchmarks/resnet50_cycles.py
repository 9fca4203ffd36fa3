"""Predicted cycles of the magnitude-pruned ResNet-50 at 224 x 224, by array: utilization, speed-up, memory, bits.

The masks are those of the Deep Learning Matrix Collection; it holds no values, so the weights are seeded random int8,
never zero where the mask is set. The compiler takes the fastest layout of each layer that fits the feature memory; how
much of it the largest layer needs, for its input and output, is part of the report. (A word is `lanes` bytes.)
"""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from openwork.activation import Clip
from openwork.compiler.errors import CompileError
from openwork.compiler.program import LayerPlan, plan_layer
from openwork.layer import IntegerLayer
from openwork.records import Origin, Run, Value, write_record
from openwork_hw.arch import encodings
from openwork_hw.arch.config import ArrayConfig, ConfigError
from openwork_hw.arch.nonzeros import Encoding, SparseRows

ROOT = Path(__file__).resolve().parents[1]
SEED = 50
GROUP_SIZES = {"1": 56, "2": 28, "3": 14, "4": 7}
"""Output pixels, down and across, of the four groups of blocks."""


def layer_shape(name: str) -> tuple[int, int, int, int]:
    """Kernel, stride, padding and input size of a layer, by its name in the collection.

    The strides of the groups sit on their first 3 x 3 convolution and on its projection.
    """
    if name == "final_dense":
        return 1, 1, 0, 1
    if name == "initial_conv":
        return 7, 2, 3, 224
    group = name.split("group")[-1][0]
    size = GROUP_SIZES[group]
    narrows = group != "1" and "projection_block" in name
    kernel = 3 if name.startswith("bottleneck_2") else 1
    stride = 2 if narrows and (kernel == 3 or name.startswith("bottleneck_projection")) else 1
    larger_input = narrows and not name.startswith("bottleneck_3")
    return kernel, stride, (kernel - 1) // 2, size * (2 if larger_input else 1)


def layers(path: Path, dense: bool = False) -> Iterator[IntegerLayer]:
    """The network's layers; `dense` fills the masks."""
    masks = np.load(path)
    rng = np.random.default_rng(SEED)
    for name in masks.files:
        if name.endswith("__shape"):
            continue
        rows, columns = (int(size) for size in masks[name + "__shape"])
        mask = np.unpackbits(masks[name], count=rows * columns).reshape(rows, columns).astype(bool)
        values = rng.integers(1, 128, (rows, columns)) * rng.choice([-1, 1], (rows, columns))
        weights = np.where(mask | dense, values, 0).astype(np.int8)
        kernel, stride, padding, size = layer_shape(name)
        yield IntegerLayer(
            name=name,
            weights=weights.reshape(rows, kernel, kernel, -1).transpose(0, 3, 1, 2),
            bias=np.zeros(rows, dtype=np.int64),
            shift=np.zeros(rows, dtype=np.int64),
            input_zero_point=0,
            output_zero_point=0,
            activation=Clip(),
            input_shape=(columns // kernel**2, size, size),
            stride=stride,
            padding=(padding,) * 4,
        )


def stream_bits(layer: IntegerLayer, encoding: Encoding) -> int:
    """Bits of a layer as one stream, all metadata counted."""
    matrix, layout = layer.matrix()
    stored = matrix != 0
    stored[~stored.any(axis=1), 0] = True
    rows, columns = np.nonzero(stored)
    sparse = SparseRows(np.arange(layer.rows), np.bincount(rows), columns.astype(np.int64), matrix[rows, columns])
    return 32 * len(encodings.encode(encoding, encodings.prepare(encoding, sparse, layout), layout))


def utilization(plans: Sequence[LayerPlan]) -> float:
    """Useful multiply-accumulates / what the array could do in the time, over the network."""
    macs = sum(plan.layout.layer.macs for plan in plans)
    return macs / (sum(plan.predicted_cycles for plan in plans) * plans[0].config.macs)


def plan_table(title: str, plans: Sequence[LayerPlan], dense_cycles: NDArray[np.int64]) -> Table:
    """One line a layer, and the total."""
    table = Table(title=title)
    headings = ("layer", "output", "density", "groups x streams", "passes x hold", "feature words", "cycles", "util.")
    for name in (*headings, "speed-up"):
        table.add_column(name, justify="left" if name == "layer" else "right", no_wrap=True)
    for plan, dense in zip(plans, dense_cycles.tolist(), strict=True):
        layer = plan.layout.layer
        rows, height, width = layer.output_shape
        table.add_row(
            layer.name.replace("bottleneck_", "").replace("projection", "proj").replace("block_group", "group"),
            f"{rows} x {height} x {width}",
            f"{layer.density:.3f}",
            f"{plan.layout.row_groups} x {len(plan.streams)}",
            f"{len(plan.holds)} x {max(plan.holds)}",
            f"{plan.layout.feature_words:,}",
            f"{plan.predicted_cycles:,}",
            f"{plan.utilization:.3f}",
            f"{dense / plan.predicted_cycles:.2f}",
        )
    cycles = sum(plan.predicted_cycles for plan in plans)
    table.add_section()
    table.add_row(
        "all", "", "", "", "", f"{max(plan.layout.feature_words for plan in plans):,}", f"{cycles:,}",
        f"{utilization(plans):.3f}", f"{dense_cycles.sum() / cycles:.2f}",
    )  # fmt: skip
    return table


def arguments() -> argparse.Namespace:
    """What the user asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python benchmarks/resnet50_cycles.py\n"
        "  python benchmarks/resnet50_cycles.py --arrays 21x7 --sparsities 0.9 --layers\n"
        "  OPENWORK_DATA=data python benchmarks/resnet50_cycles.py --feature-words 16384 --output build/16k.json",
    )
    default_data = Path(os.environ.get("OPENWORK_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=default_data, help="folder that holds dlmc/ (or OPENWORK_DATA)")
    parser.add_argument("--arrays", nargs="+", default=["21x7", "14x7", "28x5", "16x8"], metavar="PESxLANES")
    parser.add_argument("--sparsities", nargs="+", default=["0.8", "0.9"], choices=["0.8", "0.9"])
    parser.add_argument("--encoding", default="packed", choices=[encoding.name.lower() for encoding in Encoding])
    parser.add_argument("--feature-words", type=int, nargs="+", default=[16384, 32768], help="of a PE", metavar="WORDS")
    parser.add_argument("--row-buffer", type=int, default=512, help="nonzeros that a row buffer holds")
    parser.add_argument("--tap-entries", type=int, default=1024, help="entries of a tap table")
    parser.add_argument(
        "--group-sizes", type=int, nargs="+", default=[], help="PEs that may share a stream; all divisors"
    )
    parser.add_argument("--layers", action="store_true", help="print the layers of every array, not only the first")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results" / "resnet50_cycles.json")
    return parser.parse_args()


def main() -> int:
    """Measure, print, record."""
    options = arguments()
    encoding = Encoding[options.encoding.upper()]
    sizes = [tuple(int(size) for size in text.split("x")) for text in options.arrays]
    configs = [
        ArrayConfig(pes, lanes, words, options.row_buffer, options.tap_entries, group_sizes=tuple(options.group_sizes))
        for words in options.feature_words
        for pes, lanes in sizes
    ]
    paths = {s: options.data / "dlmc" / f"rn50_magnitude_pruning_{s}.npz" for s in options.sparsities}
    for path in paths.values():
        if not path.is_file():
            print(f"{path} is not there: set OPENWORK_DATA to the folder that holds dlmc/", file=sys.stderr)
            return 2

    origin = Origin.of_script(__file__, packages=["numpy"])
    console = Console(width=None if sys.stdout.isatty() else 140)
    runs: list[Run] = []
    summary = Table(title=f"ResNet-50, 224 x 224, {options.encoding} streams, predicted")
    for name in (
        "sparsity",
        "array",
        "MACs",
        "cycles",
        "utilization",
        "dense cycles",
        "speed-up",
        "words",
        "needed",
        "KiB",
    ):
        summary.add_column(name, justify="right")
    bits = Table(title="bits a nonzero, each layer as one stream, all metadata counted")
    for name in ("sparsity", *(e.name.lower() for e in Encoding), "entropy bound", "packed / bound"):
        bits.add_column(name, justify="right")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, ProcessPoolExecutor() as workers:

        def planned(config: ArrayConfig, network: Iterable[IntegerLayer], description: str) -> Iterable[LayerPlan]:
            plans = workers.map(partial(plan_layer, config=config, encoding=encoding), network)
            return progress.track(plans, total=54, description=description)

        dense_cycles: dict[ArrayConfig, NDArray[np.int64]] = {}
        for sparsity, path in paths.items():
            network = list(progress.track(layers(path), total=54, description=f"{sparsity}: read"))
            for config in configs:
                configuration = (
                    f"{sparsity} sparse, {config}, {config.feature_words} feature words a PE, {options.encoding}"
                )
                if config not in dense_cycles:
                    dense_cycles[config] = np.array(
                        [
                            plan.predicted_cycles
                            for plan in planned(config, layers(path, dense=True), f"dense on {config}")
                        ]
                    )
                plans = list(planned(config, network, f"{sparsity} on {config}"))
                cycles, dense = sum(plan.predicted_cycles for plan in plans), int(dense_cycles[config].sum())
                words = max(plan.layout.feature_words for plan in plans)
                if options.layers or config is configs[0]:
                    console.print(plan_table(configuration, plans, dense_cycles[config]))
                summary.add_row(
                    sparsity, f"{config.pes} x {config.lanes}", str(config.macs), f"{cycles:,}",
                    f"{utilization(plans):.4f}", f"{dense:,}", f"{dense / cycles:.2f}", f"{config.feature_words:,}", f"{words:,}",
                    f"{words * config.macs // 1024:,}",
                )  # fmt: skip
                figures: list[tuple[str, str, Value]] = [
                    ("resnet50 cycles", "cycles", cycles),
                    ("resnet50 utilization", "useful MACs / MACs", round(utilization(plans), 4)),
                    ("resnet50 dense cycles", "cycles", dense),
                    ("resnet50 speed-up over dense", "x", round(dense / cycles, 3)),
                    ("resnet50 feature words needed a PE", f"words of {config.lanes} bytes", words),
                ]
                runs.append(origin.measured(configuration, figures))
            nonzeros = sum(layer.nonzeros for layer in network)
            per_encoding = []
            for other in Encoding:
                tracked = progress.track(network, description=f"{sparsity}: encode {other.name.lower()}")
                per_encoding.append(sum(stream_bits(layer, other) for layer in tracked) / nonzeros)
            bound = sum(layer.nonzeros * encodings.entropy_bound_bits(layer.density) for layer in network) / nonzeros
            packed_ratio = per_encoding[-1] / bound
            bits.add_row(sparsity, *(f"{b:.3f}" for b in (*per_encoding, bound)), f"{packed_ratio:.4f}")
            names = [*(other.name.lower() for other in Encoding), "entropy bound"]
            values = zip(names, [*per_encoding, bound], strict=True)
            figures = [(f"resnet50 bits a nonzero, {name}", "bits", round(value, 4)) for name, value in values]
            runs.append(origin.measured(f"{sparsity} sparse", figures))
    console.print(summary)
    console.print(bits)
    write_record(options.output, runs)
    console.print(f"{len(runs)} runs written to {options.output}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CompileError, ConfigError) as error:
        sys.exit(str(error))
