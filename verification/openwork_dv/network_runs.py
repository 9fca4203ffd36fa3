"""Runs whole networks on the compiled gateware, and compares every stored tensor and every cycle; every complaint is a sentence."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from openwork.faults import command_place
from openwork.image import Image
from openwork_dv.native import HangError, NativeSimulation, Stalls
from openwork_dv.scoreboard import tensor_complaints
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.report import RunResult


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
        what = f"input {error.request - 1}, {command_place(image, error.command)}" if error.request else "the check"
        return [f"network {name!r}, {what}: {error}"]
    return [
        f"network {name!r}, {text}"
        for number, (one, result) in enumerate(zip(inputs, results, strict=True))
        for text in run_complaints(image, one, result, exact_cycles=stalls is None, number=number)
    ]


def run_complaints(
    image: Image, inputs: NDArray[np.int8], result: RunResult, *, exact_cycles: bool, number: int = 0
) -> list[str]:
    """What is wrong with one run of an image, wrong values first.

    Args:
        inputs: int8 [channels, height, width].
        exact_cycles: nothing stalled, so that all cycles are as predicted.
        number: of the input, for the complaints.
    """
    values = []
    if result.status is ImageStatus.GOOD:
        values = tensor_complaints(image, inputs[None], [result.outputs], first=number)
    return [*values, *(f"input {number}, {text}" for text in _command_complaints(image, result, exact_cycles))]


def _command_complaints(image: Image, result: RunResult, exact_cycles: bool) -> Iterator[str]:
    if result.status is not ImageStatus.GOOD:
        at = len(result.reports) - 1 if result.fault is None else result.fault
        said = result.reports[at] if result.fault is not None else "no fault was reported"
        yield f"{command_place(image, at)}: the run ended with {result.status.name}: {said}"
        return
    if len(result.reports) != len(image.commands):
        yield f"{len(result.reports)} commands were reported, and the program has {len(image.commands)}"
    if not exact_cycles:
        return
    for number, (report, command) in enumerate(zip(result.reports, image.commands, strict=False)):
        if report.cycles != command.predicted_cycles or report.stalls:
            yield (
                f"{command_place(image, number)}: {report.cycles} cycles, {report.stalls} of them stalls, and predicted are "
                f"{command.predicted_cycles} without stalls"
            )
            return
    if result.cycles != image.predicted_cycles:
        yield f"the run took {result.cycles} cycles, and predicted are {image.predicted_cycles}"
