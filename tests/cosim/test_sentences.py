"""A malformed weight stream gets one sentence, whatever ran it: the step, the PE, the row, and what is wrong."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.cosim.test_bus_shell import CONFIGS, IMAGE_WORDS
from tests.openwork.compiler.test_network import flat
from tests.slow import slow_but

from openwork.backends import run
from openwork.compiler.network import compile_network
from openwork.faults import RunError, check_result
from openwork.host import Board, HostError
from openwork.image import Image
from openwork_dv.bus_steps import Ask, BusJob, BusResult, Load, Offer, Step
from openwork_dv.link import BoardModel, Faults, ModelLine
from openwork_dv.native import build
from openwork_dv.runner import bus_shell
from openwork_hw.arch import encodings
from openwork_hw.arch.commands import RunCommand
from openwork_hw.arch.image import ImageStatus, Instruction, assemble, stored_words
from openwork_hw.arch.link import REPORT, Identity
from openwork_hw.arch.report import CommandReport, RunResult

IMAGES = {name: compile_network(flat(), *CONFIGS[name]) for name in ("smallest", "odd")}
IMAGE = IMAGES["odd"]
INPUTS = np.random.default_rng(1).integers(-128, 128, (1, *IMAGE.network.input.shape)).astype(np.int8)

Corrupt = Callable[[NDArray[np.uint32]], NDArray[np.uint32]]


def header(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A reserved bit is set."""
    return np.append(words[:1] | np.uint32(1 << 22), words[1:])


def truncated(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The last word is missing."""
    return words[:-1]


def longer(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """A word follows the last row."""
    return np.append(words, np.uint32(0x01020304))


def last_run(image: Image, step: str) -> int:
    return max(index for index, one in enumerate(image.commands) if (one.tensor, one.kind) == (step, "RUN"))


def broken(image: Image, step: str, stream: int, corrupt: Corrupt) -> Image:
    """The image with one stream of a step's last RUN corrupted, under a check sum that is right."""
    instructions: list[Instruction] = list(image.instructions)
    number = last_run(image, step)
    feeders = list(instructions[number].feeders)
    feeders[stream] = replace(feeders[stream], words=corrupt(feeders[stream].words))
    instructions[number] = replace(instructions[number], feeders=tuple(feeders))
    return replace(image, words=assemble(instructions, image.config))


def by_backend(image: Image, backend: str) -> str:
    with pytest.raises(RunError) as caught:
        list(run(image, INPUTS, backend))
    return str(caught.value)


def by_bus(image: Image) -> str:
    """Through the registers of the bus shell, in the simulator."""
    steps: list[Step] = [
        Load(image.words.tolist()),
        Ask("check"),
        Offer(image.load_bytes(INPUTS[0]).tobytes()),
        Ask("run"),
    ]
    results: list[BusResult] = bus_shell(image.config, (image.encoding,), IMAGE_WORDS).run("bus_shell", [BusJob(steps)])
    answer = results[0].answers[1]
    assert answer.commands == tuple(range(len(answer.result.reports)))
    with pytest.raises(RunError) as caught:
        check_result(image, answer.result)
    return str(caught.value)


def line_bytes(image: Image, result: RunResult) -> bytes:
    """What a board sends of a run, its answer left out."""
    given, outputs = bytearray(), result.outputs.tobytes()
    for report, words in zip(result.reports, stored_words(image.words, image.config), strict=True):
        given += outputs[: words * image.config.lanes]
        outputs = outputs[words * image.config.lanes :]
        given += REPORT.pack(report.cycles, report.stalls, report.kind, report.pe, report.position)
    return bytes(given)


def by_link(image: Image) -> str:
    """By a host that is connected with a board that has the array of the compiled gateware."""
    simulation = build(image.config, (image.encoding,))

    def compute(features: bytes) -> bytes:
        (result,) = simulation.run(image.words, [np.frombuffer(features, np.int8)])
        return line_bytes(image, result)

    model = BoardModel(Identity(image.config, (image.encoding,), IMAGE_WORDS, 2048, 16384, 100_000_000), compute)
    model.array.ends_with = ImageStatus.FAULT
    line = ModelLine(model, latency_s=0.0, faults=Faults(), random=Random(1))
    with Board(lambda: line, patience_s=3.0) as board:
        board.load(image)
        with pytest.raises(HostError) as caught:
            board.run(INPUTS)
    return str(caught.value)


ENDS = "the stream ends before its last row does"


WAYS: dict[str, Callable[[Image], str]] = {
    "bus": by_bus,
    "link": by_link,
    "rtl": lambda image: by_backend(image, "rtl"),
}
"""To run an image, besides the model; for the last two a fast program is compiled."""


@pytest.mark.parametrize(
    ("name", "step", "stream", "corrupt", "says", "ways"),
    slow_but(
        [
            ("smallest", "b", 0, truncated, ENDS, ("bus",)),
            ("odd", "a", 0, header, "its header names no encoding or no rows, or has a reserved bit set", tuple(WAYS)),
            ("odd", "b", 0, truncated, ENDS, tuple(WAYS)),
            ("odd", "b", 1, longer, "a row is empty, or something follows the last row", tuple(WAYS)),
        ],
        ("smallest", "b", 0, truncated, ENDS, ("bus",)),
    ),
)
def test_everything_that_runs_an_image_says_the_same(
    name: str, step: str, stream: int, corrupt: Corrupt, says: str, ways: tuple[str, ...]
) -> None:
    image = broken(IMAGES[name], step, stream, corrupt)
    sentence = by_backend(image, "model")
    number = last_run(image, step)
    command = image.instructions[number].command
    assert isinstance(command, RunCommand)
    assert sentence.startswith(f"step {step!r}, command {number} (RUN): the weight stream of PE ")
    assert f" PE {stream * command.row_groups} is malformed " in sentence
    assert sentence.endswith(f": {says}")
    assert {way: WAYS[way](image) for way in ways} == dict.fromkeys(ways, sentence)


def test_the_row_is_that_of_the_layer() -> None:
    """A vector's rows are written in another order than they are numbered; the layer's own number is said, by its weights."""
    instruction = IMAGE.instructions[last_run(IMAGE, "b")]
    command, feeder = instruction.command, instruction.feeders[1]
    assert isinstance(command, RunCommand)
    written = [record.row for record in feeder.records]
    rows = encodings.decode(IMAGE.encoding, feeder.words, command.layout, written)
    last = sorted(rows.values[-int(rows.lengths[-1]) :].tolist())
    weights = IMAGE.network.layers[1].weights
    (number,) = [row for row, one in enumerate(weights) if sorted(one[one != 0].tolist()) == last]
    assert number != written[-1]
    sentence = by_backend(broken(IMAGE, "b", 1, truncated), "model")
    assert f" is malformed in row {number}, after {len(written) - 1} complete rows: " in sentence


def test_a_run_that_is_given_up_names_the_command_that_waits() -> None:
    result = RunResult(ImageStatus.TIMED_OUT, reports=(CommandReport(9),) * last_run(IMAGE, "b"))
    waits = last_run(IMAGE, "b")
    with pytest.raises(RunError, match=rf"^step 'b', command {waits} \(RUN\): the array gave the run up, because"):
        check_result(IMAGE, result)


def test_every_status_has_a_sentence() -> None:
    for status in ImageStatus:
        if status is ImageStatus.GOOD:
            check_result(IMAGE, RunResult(status))
            continue
        with pytest.raises(RunError, match=r": [a-z ]+"):
            check_result(IMAGE, RunResult(status))
