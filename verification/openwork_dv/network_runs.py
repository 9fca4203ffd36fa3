"""Runs whole networks on the compiled gateware, and compares every stored tensor and every cycle; every complaint is a sentence."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from openwork.difference import first_difference
from openwork.golden import trace_network
from openwork.image import Image
from openwork_dv.native import HangError, NativeSimulation, RunResult, Stalls
from openwork_hw.arch.image import ImageStatus


def network_complaints(
    name: str, simulation: NativeSimulation, image: Image, inputs: NDArray[np.int8], stalls: Stalls | None = None
) -> list[str]:
    """What is wrong when the inputs go through an image one after the other.

    Args:
        name: of the network, for the complaints.
        image: compiled for the simulation's array; what it stores is compared, so with `watch` every tensor is.
        inputs: int8 [batch, channels, height, width].
        stalls: None for none; only without them all cycles are as predicted.
    """
    try:
        results = simulation.run(image.words, [image.load_bytes(one) for one in inputs], stalls=stalls or Stalls())
    except HangError as error:
        # Request 0 is the check of the image.
        what = f"input {error.request - 1}, {_command(image, error.command)}" if error.request else "the check"
        return [f"network {name!r}, {what}: {error}"]
    expected = trace_network(image.network, inputs)
    names = [stored for stored, _ in image.stored]
    in_order = [tensor.name for tensor in image.network.tensors if tensor.name in names]
    found: list[str] = []
    for number, result in enumerate(results):
        start = f"network {name!r}, input {number}"
        wrong = [f"{start}, {text}" for text in _run_complaints(image, result, exact_cycles=stalls is None)]
        size = sum(words for _, words in image.stored) * image.config.lanes
        if result.status == ImageStatus.GOOD and result.outputs.size != size:
            wrong.append(f"{start}: {result.outputs.size} bytes were stored, and should be {size}")
        elif result.status == ImageStatus.GOOD:
            golden = {tensor: expected[tensor][number] for tensor in in_order}
            first = first_difference(number, in_order, golden, image.tensors(result.outputs))
            if first is not None:
                wrong.insert(0, f"network {name!r}, {first}; {first.count} values of this layer differ")
        found += wrong
    return found


def _run_complaints(image: Image, result: RunResult, *, exact_cycles: bool) -> Iterator[str]:
    if result.status != ImageStatus.GOOD:
        last = len(result.reports) - 1
        fault = next((n for n, report in enumerate(result.reports) if report.kind), None)
        said = f"{result.reports[fault].kind.name} was reported" if fault is not None else "no fault was reported"
        yield f"{_command(image, last if fault is None else fault)}: the run ended with {result.status.name}, and {said}"
        return
    if len(result.reports) != len(image.commands):
        yield f"{len(result.reports)} commands were reported, and the program has {len(image.commands)}"
    if not exact_cycles:
        return
    for number, (report, command) in enumerate(zip(result.reports, image.commands, strict=False)):
        if report.cycles != command.predicted_cycles or report.stalls:
            yield (
                f"{_command(image, number)}: {report.cycles} cycles, {report.stalls} of them stalls, and predicted are "
                f"{command.predicted_cycles} without stalls"
            )
            return
    if result.cycles != image.predicted_cycles:
        yield f"the run took {result.cycles} cycles, and predicted are {image.predicted_cycles}"


def _command(image: Image, number: int) -> str:
    if not 0 <= number < len(image.commands):
        return f"command {number}"
    command = image.commands[number]
    return f"layer {command.tensor!r}, command {number} ({command.kind})"
