"""How fast the networks of MLPerf Tiny are, pruned in one shot as far as the benchmark's accuracy allows.

Nothing is trained. Where there are labels, layers are pruned and fitted to what they gave before (`pruning.reconstruct`), with the
densities that a budget of cycles on the network's best array allows (`pruning.budget`): the smallest budget, in twentieths of
what the network takes unpruned, whose int8 accuracy keeps the rule's. Nothing is fitted to the test inputs, but that choice is
made on them, so the accuracy that is recorded flatters a little. The others run as they are published. Weights are rounded
with the calibration inputs in sight. Cycles are predicted, with the input on the chip, for that array and for the preset of the
LFE5U-85F, which is large enough for either; times are at the clock that the preset was routed at last (`fpga/results`).
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from by_network import ROOT
from cases import CASES
from sparsity import int8_accuracy

from openwork.cli.pruning import layer_cycles
from openwork.compiler.network import compile_network
from openwork.frontend import FloatNetwork, import_module
from openwork.models.catalogue import SUBJECTS, Subject
from openwork.network import IntegerNetwork
from openwork.pruning import reconstruct
from openwork.pruning.budget import densities_within
from openwork.quantization import TrainableNetwork, quantize
from openwork.records import Origin, merged, read_record, write_record
from openwork_hw.arch.config import PRESETS, ArrayConfig

RECORD = ROOT / "docs" / "results" / "mlperf_tiny.json"
BOARD = PRESETS["ecp5-85k"]
CLOCK = ROOT / "fpga" / "results" / "lfe5u-85f.json"
INPUTS = 1000
TWENTIETHS = 20


@dataclass(frozen=True)
class Rule:
    """What a network is asked for.

    Attributes:
        milliseconds: that Openwork aims at, for one input.
        accuracy: of the closed division, in %; 0 where no labelled data are at hand.
    """

    milliseconds: float
    accuracy: float = 0.0


RULES = {
    "ResNet-8, MLPerf Tiny": Rule(0.5, 85.0),
    "DS-CNN, MLPerf Tiny": Rule(0.1, 90.0),
    "MobileNetV1-0.25 96 x 96, MLPerf Tiny": Rule(1.0),
    "autoencoder 640, MLPerf Tiny": Rule(0.02),
}


def quantized(model: FloatNetwork, subject: Subject) -> tuple[IntegerNetwork, float]:
    """The network in int8, and its right answers in %; 0 without labels."""
    network = quantize(model, subject.calibration, error_aware=True)
    labels = subject.labels
    return network, 0.0 if labels is None else int8_accuracy(network, subject.inputs, labels)


def pruned(subject: Subject, config: ArrayConfig, cycles: int, least: float) -> tuple[IntegerNetwork, float]:
    """The network of the fewest cycles that keeps the accuracy, and its accuracy; halving the budgets that are left each time."""
    inputs = subject.calibration
    model = TrainableNetwork(import_module(subject.model, inputs[:1]))
    best = quantized(model.network, subject)
    low, high = 1, TWENTIETHS  # the lowest budget that may do, the lowest that does
    while low < high:
        middle = (low + high) // 2
        densities = densities_within(
            model, inputs, cycles * middle / TWENTIETHS, layer_cycles(inputs, config), model.learned
        )
        found = reconstruct(model, inputs, densities, model.learned).model
        assert isinstance(found, TrainableNetwork)
        network, reached = quantized(found.network, subject)
        print(f"{middle} twentieths of {cycles:,} cycles: {reached:.2f} %", flush=True)
        if reached >= least:
            best, high = (network, reached), middle
        else:
            low = middle + 1
    return best


def density(network: IntegerNetwork) -> float:
    """Of all weights, in %."""
    layers = network.layers
    return 100 * sum(layer.nonzeros for layer in layers) / sum(layer.weights.size for layer in layers)


def measure(name: str, rule: Rule, clock: float) -> Iterator[tuple[str, str, float]]:
    """Name, unit and value of everything that is measured of a network."""
    subject, config = SUBJECTS[name](INPUTS), CASES[name].config
    network, before = quantized(import_module(subject.model, subject.calibration[:1]), subject)
    plain = compile_network(network, config)
    yield "cycles unpruned", "cycles", plain.compute_cycles
    if rule.accuracy:
        network, reached = pruned(subject, config, plain.compute_cycles, rule.accuracy)
        yield "int8 accuracy unpruned", "%", before
        yield "int8 accuracy", "%", reached
        yield "asked for", "%", rule.accuracy
    yield "density", "%", density(network)
    for what, array in (("", config), (", preset", BOARD)):
        image = compile_network(network, array)
        yield f"cycles{what}", "cycles", image.compute_cycles
        yield f"time at {clock:g} MHz{what}", "ms", image.compute_cycles / clock / 1e3
    yield "aim", "ms", rule.milliseconds


def main() -> None:
    """Measure the networks that are named, or all, and keep the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks, as the beginnings of their names")
    names = parser.parse_args().names
    (routed,) = read_record(CLOCK)
    clock = routed.value("clock_median")
    assert isinstance(clock, float)
    for name, rule in RULES.items():
        if names and not any(name.startswith(start) for start in names):
            continue
        origin = Origin.of_script(__file__, [name], ["torch"])
        with torch.no_grad():
            found = [(what, unit, float(np.round(value, 3))) for what, unit, value in measure(name, rule, clock)]
        for what, unit, value in found:
            print(f"{name:40} {what:28} {value:12,.3f} {unit}")
        run = origin.measured(f"{name}; {CASES[name].config}", found)
        write_record(RECORD, merged(read_record(RECORD), [run], lambda one: one.subject, list(RULES)))


if __name__ == "__main__":
    main()
