"""The command that writes a run over time: its times add up to the predicted cycles."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.openwork.compiler.test_network import classifier
from tests.openwork.test_cli_images import openwork

from openwork.compiler.fetching import fetching
from openwork.compiler.network import compile_network
from openwork.files import write_image
from openwork.image import Image
from openwork_fpga.boards.catalogue import BOARDS
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig
from openwork_hw.arch.timing import BETWEEN_CYCLES, pass_overhead

ARRAYS = {
    "demo": PRESETS["demo"],
    "odd": ArrayConfig(6, 5, replicas=3),
    "one port": ArrayConfig(3, 4, single_port=True),
    "compact": PRESETS["gw1nr-9"],
}


def traced(
    path: Path, image: Image, *options: str
) -> tuple[dict[str, Any], dict[tuple[str, str], list[dict[str, Any]]]]:
    """A written trace, and its events by group and track."""
    write_image(path / "a.image", image)
    status, said = openwork("trace", path / "a.image", "-o", path / "trace.json", *options)
    assert status == 0, said
    trace = json.loads((path / "trace.json").read_text())
    names: dict[tuple[int, int, str], str] = {}
    tracks: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for event in trace["traceEvents"]:
        if event["ph"] == "M":
            names[event["pid"], event["tid"], event["name"]] = event["args"].get("name", "")
            continue
        key = names[event["pid"], 0, "process_name"], names[event["pid"], event["tid"], "thread_name"]
        tracks.setdefault(key, []).append(event)
    return trace, tracks


def do_not_overlap(events: list[dict[str, Any]]) -> bool:
    ends = [(one["args"]["start"], one["args"]["start"] + one["args"]["cycles"]) for one in events]
    return all(before[1] <= after[0] for before, after in pairwise(ends))


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        (name, encoding)
        for name, config in ARRAYS.items()
        for encoding in ((Encoding.CSR,) if config.compact else Encoding)
    ],
)
def test_times_add_up_to_the_predicted_cycles(tmp_path: Path, name: str, encoding: Encoding) -> None:
    config = ARRAYS[name]
    image = compile_network(classifier(), config, encoding)
    _, tracks = traced(tmp_path, image)
    (run,) = tracks["network", "run"]
    assert (run["args"]["start"], run["args"]["cycles"]) == (0, image.predicted_cycles)
    commands = tracks["network", "commands"]
    found = [one["args"]["cycles"] for one in commands]
    assert found == [command.predicted_cycles for command in image.commands]
    computing = sum(one["args"]["cycles"] for one in commands if one["args"]["kind"] in ("RUN", "MOVE"))
    assert computing == image.compute_cycles
    last = commands[-1]["args"]
    assert (
        last["start"] + last["cycles"] + BETWEEN_CYCLES <= image.predicted_cycles <= last["start"] + last["cycles"] + 99
    )
    by_step: dict[str, int] = {}
    for one in tracks["network", "steps"]:
        by_step[one["name"]] = by_step.get(one["name"], 0) + one["args"]["cycles of its commands"]
    assert by_step == {step: count for step, count in image.step_cycles().items() if count}
    assert all(do_not_overlap(events) for events in tracks.values())
    # The slowest stream of a RUN decides how long the RUN takes.
    ends: dict[int, int] = {}
    for (group, _), events in tracks.items():
        for one in events if group == "weight streams" else ():
            ends[one["args"]["command"]] = max(ends.get(one["args"]["command"], 0), one["args"]["cycles"])
    assert len(ends) == sum(command.kind == "RUN" for command in image.commands)
    for number, slowest in ends.items():
        command = image.commands[number]
        assert command.predicted_cycles == pass_overhead(config) + command.table_entries + slowest
    assert {track for group, track in tracks if group == "PEs"} == {f"PE {pe}" for pe in range(config.pes)}
    host = tracks["transfers", "from the host"], tracks["transfers", "to the host"]
    moved = [sum(one["args"]["bytes"] for one in side) for side in host]
    inputs = np.zeros(image.network.input.shape, np.int8)
    assert moved == [len(image.load_bytes(inputs)), config.lanes * sum(words for _, words in image.stored)]


def test_a_clock_makes_cycles_times(tmp_path: Path) -> None:
    image = compile_network(classifier(), PRESETS["demo"])
    trace, tracks = traced(tmp_path, image, "--clock", "80")
    assert trace["otherData"]["clock"] == "80 MHz"
    for events in tracks.values():
        for one in events:
            assert (one["ts"], one["dur"]) == (one["args"]["start"] / 80, one["args"]["cycles"] / 80)


def test_fetches_of_an_external_image_are_in_the_trace(tmp_path: Path) -> None:
    board = BOARDS["ulx3s-85f"]
    assert board.sdram is not None
    image = compile_network(classifier(), board.config, board.encodings[0], scratchpad_words=board.memory_words)
    _, tracks = traced(tmp_path, image, "--board", board.name)
    expected = fetching(image, board.memory_words, SdramConfig(SDRAM_CHIPS[board.sdram], 1e6 * board.clock_mhz))
    (run,) = tracks["network", "run"]
    assert run["args"]["cycles"] == expected.cycles and run["dur"] == expected.cycles / board.clock_mhz
    fetches = tracks["transfers", "image from the SDRAM"]
    assert len(fetches) == expected.transfers and do_not_overlap(fetches)
    heads_and_sums = 9 + 3 * len(fetches)
    assert sum(one["args"]["words"] for one in fetches) + heads_and_sums == expected.words
    commands = tracks["network", "commands"]
    assert do_not_overlap(commands)
    idle = run["args"]["cycles"] - sum(one["args"]["cycles"] for one in commands)
    assert idle >= expected.waits > 0


@pytest.mark.slow
def test_the_gateware_reports_the_same_cycles(tmp_path: Path) -> None:
    image = compile_network(classifier(), PRESETS["demo"])
    predicted, _ = traced(tmp_path, image)
    reported, _ = traced(tmp_path, image, "--backend", "rtl")
    assert reported["traceEvents"] == predicted["traceEvents"]
    assert reported["otherData"]["cycles"].endswith("reported by the gateware")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--board", "ulx3s-85f"), "the image is for another array than that of ulx3s-85f: compile it with --board ulx3s-85f"),
        (("--board", "nowhere"), "there is no board nowhere: there are "),
        (("--clock", "0"), "--clock must be a number over 0"),
        (("--backend", "golden"), "there is no backend golden: there are model, rtl"),
    ],
)  # fmt: skip
def test_what_cannot_be_traced_gets_a_sentence(tmp_path: Path, options: tuple[str, ...], sentence: str) -> None:
    write_image(tmp_path / "a.image", compile_network(classifier(), PRESETS["demo"]))
    status, said = openwork("trace", tmp_path / "a.image", "-o", tmp_path / "trace.json", *options)
    assert status == 2 and sentence in said and not (tmp_path / "trace.json").exists()
