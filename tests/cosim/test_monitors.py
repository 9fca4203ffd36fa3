"""Monitors, scoreboard and coverage: do they notice what they are there for?"""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from cocotb.types import Logic, LogicArray

from openwork.activation import Clip
from openwork.compiler.network import compile_network
from openwork.image import Image
from openwork.layer import IntegerLayer
from openwork.network import one_layer_network
from openwork.simulator.image import run_image
from openwork_dv.coverage import Coverage
from openwork_dv.jobs import JobResult, StepResult
from openwork_dv.monitors import Monitor
from openwork_dv.network_campaign import NetworkCampaign
from openwork_dv.packing import pack
from openwork_dv.scoreboard import image_complaints, tensor_complaints
from openwork_hw.arch.commands import StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.arch.report import CommandReport
from openwork_hw.array.payloads import StreamFault
from openwork_hw.sequencing.payloads import Report


def watch(*cycles: tuple[str, str, int]) -> Monitor:
    """A monitor that has seen these values of valid, ready and payload."""
    valid, ready, payload = (SimpleNamespace(value=None) for _ in range(3))
    monitor = Monitor(SimpleNamespace(o__valid=valid, o__ready=ready, o__payload=payload), "o")
    for number, (now_valid, now_ready, now_payload) in enumerate(cycles):
        valid.value, ready.value, payload.value = Logic(now_valid), Logic(now_ready), LogicArray(now_payload, 8)
        monitor.edge(number)
    return monitor


def test_payloads_are_collected_when_taken() -> None:
    monitor = watch(("0", "1", 0), ("1", "0", 5), ("1", "1", 5), ("1", "1", 6), ("0", "1", 7))
    assert monitor.taken == [5, 6] and monitor.problems == []


@pytest.mark.parametrize(
    ("cycles", "problem"),
    [
        ((("1", "0", 5), ("0", "1", 5)), "o.valid fell in cycle 1 before its payload was taken"),
        ((("1", "0", 5), ("1", "1", 6)), "o.payload changed in cycle 1 before it was taken"),
        ((("X", "1", 5),), "o.valid is undefined in cycle 0"),
    ],
)
def test_a_broken_stream_rule_is_told(cycles: tuple[tuple[str, str, int], ...], problem: str) -> None:
    assert watch(*cycles).problems == [problem]


def small_image() -> Image:
    """Copies a map of 1 x 2 x 2 pixels three times, on one PE of two lanes."""
    weights, zeros = np.full((3, 1, 1, 1), 64, np.int8), np.zeros(3, np.int64)
    layer = IntegerLayer("conv", weights, zeros, zeros + 6, 0, 0, Clip(), (1, 2, 2))
    return compile_network(one_layer_network(layer), ArrayConfig(1, 2))


INPUTS = np.zeros((1, 1, 2, 2), np.int8)


def test_the_first_difference_is_named_by_layer_channel_and_pixel() -> None:
    image = small_image()
    right = run_image(image, INPUTS[0])
    wrong = right.copy()
    words = wrong.reshape(-1, 2)  # lane 1 holds the right column: a word per row of the map and channel
    words[1, 1] = words[3 + 2, 1] = 7
    complaint = "input 4, layer 'conv', channel 1, pixel (0, 1): 7, and should be 0; 2 values of this layer differ"
    assert tensor_complaints(image, INPUTS, [wrong], first=4) == [complaint]
    assert tensor_complaints(image, INPUTS, [right]) == []
    assert tensor_complaints(image, INPUTS, [right[1:]]) == ["input 0: 11 bytes were stored, and should be 12"]


def test_cycles_faults_and_hangs_are_named_by_the_command() -> None:
    image = small_image()
    fault = pack(StreamFault(image.config), kind=StreamErrorKind.TRUNCATED, pe=0, position=2)

    def result(**wrong: int) -> JobResult:
        """What an array does that is right, but for the fields of the RUN's report."""
        stored = iter(run_image(image, INPUTS[0]).view(np.uint8).reshape(-1, 2).tolist())
        steps = []
        for command, one in zip(image.commands, image.instructions, strict=True):
            fields = {"cycles": command.predicted_cycles, **(wrong if command.kind == "RUN" else {})}
            words = one.command.words if isinstance(one.command, StoreCommand) else 0
            outputs = tuple(byte for _ in range(words) for byte in next(stored))
            steps.append(StepResult(pack(Report(image.config), **fields), outputs))
        return JobResult(tuple(steps))

    def complaints(found: JobResult, *, exact_cycles: bool = True) -> list[str]:
        return image_complaints(image, INPUTS[0], found, exact_cycles=exact_cycles)

    (run,) = [number for number, command in enumerate(image.commands) if command.kind == "RUN"]
    predicted = image.commands[run].predicted_cycles
    assert complaints(result()) == []
    slow = result(cycles=predicted + 1)
    assert complaints(slow) == [
        f"step 'conv', command {run} (RUN): {predicted + 1} cycles, and predicted are {predicted}"
    ]
    assert complaints(slow, exact_cycles=False) == []
    (said,) = complaints(result(fault=fault))
    assert said == f"step {run}: {CommandReport(predicted, kind=StreamErrorKind.TRUNCATED, position=2)}"
    hung = JobResult((*result().steps[:run], StepResult(None, left={"i_taps": 3})))
    assert complaints(hung) == [
        f"step {run} hung, and left {{'i_taps': 3}}",
        f"step 'conv', command {run} (RUN) hung",
    ]


def test_coverage_is_merged_and_kept(tmp_path: Path) -> None:
    coverage = Coverage(["a", "b"])
    coverage.merge(Coverage(["b"]))
    coverage.save(tmp_path / "coverage.json")
    loaded = Coverage.load(tmp_path / "coverage.json")
    assert loaded.counts == {"a": 1, "b": 2} and loaded.missing(["a", "c"]) == ["c"]


def test_what_the_compiler_refused_counts_against_a_campaign() -> None:
    campaign = NetworkCampaign(ran=3, refused=Counter({"too large": 1}))
    assert campaign.refused_share == 0.25
    campaign.merge(NetworkCampaign(refused=Counter({"too large": 2})))
    assert campaign.refused_share == 0.5
    assert str(campaign).splitlines() == [
        "3 networks ran, 3 were refused (50.0 %), 0 complaints",
        "  refused 3 times: too large",
    ]
    assert NetworkCampaign().refused_share == 1  # of nothing is no success
