"""Whole networks on the array: every output of every layer in RTL against the golden model, every cycle against the prediction.

For each network: quantize, compile, run some inputs on the gateware compiled to native code, compare. The record is kept after
each network; one that disagrees stops the run. Large networks take minutes of an idle core for each input.
"""

import argparse
import json
import resource
import shlex
import time
from dataclasses import dataclass, replace

import numpy as np
from by_network import current_commit
from resnet50_cycles import ROOT, Measurement, write_atomically
from rich.console import Console
from rich.table import Table

import openwork
from openwork.backends import compare
from openwork.compiler.network import compile_network
from openwork.models.catalogue import CALIBRATION_INPUTS, SUBJECTS
from openwork.network import IntegerNetwork
from openwork.report.layers import own_weights
from openwork.report.memory import memory_spans, needed
from openwork_hw.arch.config import PRESETS, ArrayConfig

RECORD = ROOT / "docs" / "results" / "networks.json"


@dataclass(frozen=True)
class Case:
    """An array for a network, and what runs on it.

    Attributes:
        config: the array.
        inputs: that run on it.
        watched: inputs of them, at most, of which every layer is compared, not the output alone.
        dense: the same network without zeros, whose cycles are compared with.
    """

    config: ArrayConfig
    inputs: int = 2
    watched: int = 8
    dense: str = ""


SQUARE = ArrayConfig(16, 8, group_sizes=(8, 16), replicas=2, feature_words=4096)
LARGE = ArrayConfig(21, 7, group_sizes=(7, 21), replicas=3, feature_words=65536)
VECTORS = ArrayConfig(16, 8, group_sizes=(1, 2, 16), replicas=8)

DENSE = "ResNet-50, dense, seeded values"

CASES = {
    "digits CNN": Case(PRESETS["demo"], 8),
    "digits autoencoder": Case(PRESETS["demo"], 8),
    "LeNet-5": Case(PRESETS["demo"], 8),
    "MLP 784-300-100-10": Case(VECTORS, 8),
    "ResNet-8, MLPerf Tiny": Case(SQUARE, 4),
    "DS-CNN, MLPerf Tiny": Case(ArrayConfig(25, 5, group_sizes=(5, 25), replicas=5), 4),
    "MobileNetV1-0.25 96 x 96, MLPerf Tiny": Case(ArrayConfig(24, 6, group_sizes=(6,), replicas=4), 4),
    "autoencoder 640, MLPerf Tiny": Case(VECTORS, 4),
    "ResNet-20, CIFAR-10": Case(SQUARE, 4),
    "ResNet-56, CIFAR-10": Case(SQUARE),
    "SqueezeNet 1.0, Deep Compression": Case(LARGE, 20, watched=2),
    "EfficientNet-Lite0, pruned to 50 %": Case(replace(LARGE, group_sizes=(1, 7, 21)), 1),
    "transformer encoder, masks of 90 %, seeded values": Case(replace(SQUARE, feature_words=8192), 1),
    DENSE: Case(LARGE, 1, watched=0),
    "ResNet-50, masks of 80 %, seeded values": Case(LARGE, 1, dense=DENSE),
    "ResNet-50, masks of 90 %, seeded values": Case(LARGE, 1, dense=DENSE),
}
"""The best array of those tried of at most 148 MACs; one with more than 2,048 words fits no board preset."""


def dense_bytes(network: IntegerNetwork) -> int:
    """Bytes of all weights as float32, dense; sums that joined a row and averages have none of their own."""
    return 4 * sum(own_weights(network, step).size for step in network.steps)


def network_of(one: Measurement) -> str:
    """The network that a line of the record is about."""
    return one.configuration.partition("; ")[0]


def measure(name: str, case: Case, workers: int, command: str, dense_cycles: float | None) -> list[Measurement]:
    """Compile one network, run it, compare.

    Args:
        workers: processes that share the inputs; 0 to compile only.
        dense_cycles: of the network without zeros, if known.

    Raises:
        SystemExit: an output or a cycle differs.
    """
    commit = current_commit()
    subject = SUBJECTS[name](case.inputs)
    network = openwork.quantize(subject.model, subject.calibration[:CALIBRATION_INPUTS])
    start = time.process_time()
    image = compile_network(network, case.config)
    compile_seconds = time.process_time() - start
    inputs = network.integer_inputs(subject.inputs[: case.inputs].numpy())
    watched, rest = inputs[: case.watched], inputs[case.watched :]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = []
    if workers and len(watched):
        every = compile_network(network, case.config, row_groups=image.row_groups, watch=True)
        found.append(compare(every, watched, ("golden", "rtl"), workers=workers))
    if workers and len(rest):
        found.append(compare(image, rest, ("golden", "rtl"), workers=workers))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rtl_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    mismatches = sum(one.differences for comparison in found for one in comparison.tensors)
    cycles = sum(one.cycles for one in found[0].tensors) if found else image.compute_cycles
    if not all(one.agrees for one in found) or cycles != image.compute_cycles:
        first = next((one.first for one in found if one.first), None)
        raise SystemExit(
            f"{name}: {mismatches} outputs differ, {cycles} cycles, {image.compute_cycles} predicted; {first}"
        )
    layers = "" if not len(rest) else f", every layer of {len(watched)}"
    ran = f"{len(inputs)} inputs{layers}" if workers else "compiled only"
    setting = f"{name}; {case.config}, {case.config.feature_words} feature words, {ran}"
    figures: list[tuple[str, str, float]] = [
        ("cycles predicted", "cycles", image.compute_cycles),
        ("with loading and storing", "cycles", image.predicted_cycles),
        ("utilization", "%", 100 * image.utilization),
        ("time at 100 MHz", "ms", image.compute_cycles / 1e5),
        ("image", "KiB", image.words.nbytes / 1024),
        ("dense float32 / image", "x", dense_bytes(network) / image.words.nbytes),
        ("feature words needed", "", needed(memory_spans(image))),
        ("compile", "processor seconds", compile_seconds),
    ]
    if workers:
        figures += [
            ("cycles in RTL", "cycles", cycles),
            ("outputs compared in RTL", "", sum(one.values for comparison in found for one in comparison.tensors)),
            ("mismatches", "", mismatches),
            ("RTL, build included", "processor seconds", rtl_seconds),
        ]
    if dense_cycles:
        figures.append(("cycles of the dense network / cycles", "x", dense_cycles / image.compute_cycles))
    return [
        Measurement(what, unit, float(np.round(value, 3)), setting, command, commit) for what, unit, value in figures
    ]


def main() -> None:
    """Measure the networks that are named, or all, and keep the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="networks, as the beginnings of their names; all by default"
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="processes that share the inputs of a network; 0: only compile"
    )
    parser.add_argument("--inputs", type=int, help="at most so many of each network's inputs")
    arguments = parser.parse_args()
    console = Console()
    kept = [Measurement(**one) for one in json.loads(RECORD.read_text())] if RECORD.exists() else []
    for name, case in CASES.items():
        if arguments.names and not any(name.startswith(start) for start in arguments.names):
            continue
        options = [] if arguments.workers else ["--workers", "0"]
        if arguments.inputs and arguments.inputs < case.inputs:
            case = replace(case, inputs=arguments.inputs)
            options += ["--inputs", str(arguments.inputs)]
        command = shlex.join(["python", "benchmarks/networks.py", name, *options])
        console.print(f"{name} on {case.config}", highlight=False)
        dense = [one.value for one in kept if network_of(one) == case.dense and one.name == "cycles predicted"]
        results = measure(name, case, arguments.workers, command, dense[0] if dense else None)
        kept = [one for one in kept if network_of(one) != name] + results
        kept.sort(key=lambda one: list(CASES).index(network_of(one)))
        write_atomically(RECORD, kept)
        table = Table("figure", "value", "unit")
        for one in results:
            table.add_row(one.name, f"{one.value:,g}", one.unit)
        console.print(table)


if __name__ == "__main__":
    main()
