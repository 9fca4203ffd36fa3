"""Predicted cycles of the magnitude-pruned ResNet-50 at 224 x 224, by array: utilization, speed-up, memory, bits.

The whole network is compiled: convolutions, pooling, sums, classifier. The masks are those of the Deep Learning Matrix
Collection. The collection holds no values, so the values are seeded. The speed-up is that over the same network without
zeros on the same array. A compilation takes about half a minute of a core.
"""

import argparse
import sys
from collections.abc import Sequence

from cases import LARGE
from networks import RECORD as NETWORKS
from rich.console import Console
from rich.table import Table

import openwork
from openwork.compiler.network import compile_network
from openwork.image import Image
from openwork.models.catalogue import CALIBRATION_INPUTS, SUBJECTS
from openwork.models.shared_data import DataError
from openwork.network import IntegerNetwork
from openwork.records import Origin, Run, Value, write_record
from openwork.report.compression import network_sizes
from openwork.report.memory import memory_spans, needed
from openwork.report.table import layer_table
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

RESULTS = NETWORKS.parent / "resnet50_cycles.json"

ARRAYS = {
    f"{config.pes}x{config.lanes}": config
    for config in (
        LARGE,
        ArrayConfig(14, 7, group_sizes=(7, 14), replicas=2, feature_words=65536),
        ArrayConfig(28, 7, group_sizes=(7, 14, 28), replicas=4, feature_words=65536),
        ArrayConfig(16, 8, group_sizes=(8, 16), replicas=2, feature_words=65536),
    )
}
"""Arrays by their PEs and lanes."""

SPARSITIES = {"0.8": "ResNet-50, masks of 80 %, seeded values", "0.9": "ResNet-50, masks of 90 %, seeded values"}
DENSE = "ResNet-50, dense, seeded values"
"""Names of the networks in the catalogue."""


def quantized(name: str) -> IntegerNetwork:
    """A network of the catalogue.

    Raises:
        DataError: the masks are not there.
    """
    subject = SUBJECTS[name](1)
    return openwork.quantize(subject.model, subject.calibration[:CALIBRATION_INPUTS])


def figures(image: Image, dense_cycles: int) -> list[tuple[str, str, Value]]:
    """What a compiled network costs, beside the network without zeros on the same array."""
    cycles = image.compute_cycles
    return [
        ("resnet50 cycles", "cycles", cycles),
        ("resnet50 utilization", "useful MACs / MACs", round(image.utilization, 4)),
        ("resnet50 dense cycles", "cycles", dense_cycles),
        ("resnet50 speed-up over dense", "x", round(dense_cycles / cycles, 3)),
        ("resnet50 feature words needed per PE", f"words of {image.config.lanes} bytes", needed(memory_spans(image))),
    ]


def bits(network: IntegerNetwork) -> list[tuple[str, str, Value]]:
    """Bits per nonzero, each layer as one stream, all metadata counted."""
    sizes = network_sizes(network)
    sums = {**{one.name.lower(): getattr(sizes, one.name.lower()) for one in Encoding}, "entropy bound": sizes.bound}
    return [(f"resnet50 bits per nonzero, {name}", "bits", round(8 * sums[name] / sizes.nonzeros, 4)) for name in sums]


def arguments() -> argparse.Namespace:
    """What the user asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python benchmarks/resnet50_cycles.py\n"
        "  python benchmarks/resnet50_cycles.py --arrays 21x7 --sparsities 0.9 --layers\n",
    )
    parser.add_argument("--arrays", nargs="+", default=list(ARRAYS), choices=list(ARRAYS))
    parser.add_argument("--sparsities", nargs="+", default=list(SPARSITIES), choices=list(SPARSITIES))
    parser.add_argument("--layers", action="store_true", help="print a line per layer of every network and array")
    return parser.parse_args()


def measure(
    arrays: Sequence[str], sparsities: Sequence[str], origin: Origin, console: Console, layers: bool
) -> list[Run]:
    """Compile every network for every array."""
    dense_cycles: dict[str, int] = {}
    runs: list[Run] = []
    with console.status("") as status:
        for sparsity in (None, *sparsities):
            name = DENSE if sparsity is None else SPARSITIES[sparsity]
            status.update(f"{name}: quantize")
            network = quantized(name)
            for array in arrays:
                config = ARRAYS[array]
                status.update(f"{name}: compile for {config}")
                image = compile_network(network, config)
                if sparsity is None:
                    dense_cycles[array] = image.compute_cycles
                    continue
                setting = f"{sparsity} sparse, {config}, {config.feature_words} feature words per PE, packed"
                runs.append(origin.measured(setting, figures(image, dense_cycles[array])))
                if layers:
                    console.print(setting, layer_table(image), highlight=False)
            if sparsity is not None:
                status.update(f"{name}: bits per nonzero")
                runs.append(origin.measured(f"{sparsity} sparse", bits(network)))
    return runs


def main() -> int:
    """Measure, print, record."""
    options = arguments()
    console = Console(width=None if sys.stdout.isatty() else 140)
    origin = Origin.of_script(__file__, packages=["torch"])
    try:
        runs = measure(options.arrays, options.sparsities, origin, console, options.layers)
    except DataError as error:
        console.print(str(error), style="red", markup=False)
        return 2
    table = Table("setting", "figure", "value", "unit")
    for run in runs:
        for one in run.figures:
            table.add_row(run.setting, one.name, f"{one.value:,}", one.unit)
    console.print(table)
    if options.arrays != list(ARRAYS) or options.sparsities != list(SPARSITIES):
        console.print("The record holds all arrays and sparsities, and is left as it was.")
        return 0
    write_record(RESULTS, runs)
    console.print(f"{len(runs)} runs written to {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
