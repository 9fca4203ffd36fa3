"""The compiled top runs images: outputs are the golden model's, cycles the predicted ones, and bad images do no harm."""

import re
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from amaranth.hdl import Const
from numpy.typing import NDArray

from openwork.compiler.predict import store_cycles
from openwork.compiler.program import LayerProgram
from openwork.golden import run_layer
from openwork_dv.building import SimulationError
from openwork_dv.jobs import ImageJob, ImageResult
from openwork_dv.native import (
    Check,
    CommandResult,
    HangError,
    NativeSimulation,
    Progress,
    Put,
    Run,
    RunResult,
    Stalls,
    Window,
    build,
)
from openwork_dv.packing import unpack
from openwork_dv.runner import image_runner
from openwork_dv.stimulus import Case, random_case
from openwork_hw.arch.commands import StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import FeederInput, ImageStatus, Instruction, assemble
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.image.run_control import Answer, CommandReport, Request

CONFIG = ArrayConfig(2, 3, feature_words=2048, row_buffer_nonzeros=32, tap_entries=64, sum_bits=22)
PROGRAM_AT = 4
"""The header's word that says where the program begins."""


@pytest.fixture(scope="module")
def simulation() -> NativeSimulation:
    return build(CONFIG)


def image_of(program: LayerProgram) -> NDArray[np.uint32]:
    """One layer as an image: loads, passes, stores."""
    loads = program.loads(np.zeros(program.layer.input_shape, dtype=np.int8))
    runs = [
        Instruction(
            step.run,
            step.taps,
            tuple(FeederInput(words, records) for words, records in zip(step.words, step.records, strict=True)),
        )
        for step in program.passes
    ]
    return assemble(
        [*(Instruction(command) for command, _ in loads), *runs, *(Instruction(store) for store in program.stores)],
        program.config,
    )


def features_of(case: Case, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """What the image's loads take."""
    return np.concatenate([words.reshape(-1) for _, words in case.program.loads(inputs)])


def outputs_of(program: LayerProgram, result: RunResult) -> NDArray[np.int8]:
    """The layer's output map."""
    lanes = program.config.lanes
    ends = np.cumsum([store.words * lanes for store in program.stores])
    return program.outputs([part.reshape(-1, lanes) for part in np.split(result.outputs, ends)[:-1]])


def pass_reports(program: LayerProgram, result: RunResult) -> tuple[CommandResult, ...]:
    """The reports of the RUN commands."""
    assert len(result.reports) == program.layout.row_groups + len(program.passes) + len(program.stores)
    return result.reports[program.layout.row_groups :][: len(program.passes)]


def check_layer(case: Case, inputs: NDArray[np.int8], result: RunResult) -> None:
    """Nothing is wrong with a run of a layer, whatever its cycles."""
    assert result.status == ImageStatus.GOOD
    assert {report.kind for report in result.reports} == {StreamErrorKind.NONE}
    assert np.array_equal(outputs_of(case.program, result), run_layer(case.layer, inputs))


@pytest.mark.parametrize("encoding", Encoding)
def test_layers_equal_golden_and_prediction(simulation: NativeSimulation, encoding: Encoding, seed: int) -> None:
    """Several inputs in one process, one after the other; memories that answer late cost nothing."""
    rng = np.random.default_rng([seed, encoding])
    for number in range(7):
        case = random_case(rng, CONFIG, 4000, encoding)
        other = rng.integers(-128, 128, case.layer.input_shape).astype(np.int8)
        inputs = [case.inputs, other, case.inputs]
        stalls = Stalls(latency=1 + number)
        results = simulation.run(image_of(case.program), [features_of(case, one) for one in inputs], stalls=stalls)
        for one, result in zip(inputs, results, strict=True):
            check_layer(case, one, result)
            predicted = [step.predicted_cycles for step in case.program.passes]
            assert [report.cycles for report in pass_reports(case.program, result)] == predicted


@pytest.mark.parametrize(("pes", "lanes"), [(1, 4), (2, 3), (1, 3)])
def test_stores_of_any_length_take_the_cycles_predicted(pes: int, lanes: int) -> None:
    """The queue of bytes on their way back is long enough for any number of words, however long the way."""
    config = replace(CONFIG, pes=pes, lanes=lanes, group_sizes=(pes,))
    stores = [StoreCommand(pe, 0, words) for pe in {0, pes - 1} for words in (1, 2, 30, 200)]
    image = assemble([Instruction(store) for store in stores], config)
    (result,) = build(config).run(image, [np.zeros(0, dtype=np.int8)])
    assert [report.cycles for report in result.reports] == [store_cycles(config, store) for store in stores]


@pytest.mark.parametrize("probability", [0.3, 0.9])
def test_stalls_change_cycles_only(simulation: NativeSimulation, probability: float, seed: int) -> None:
    rng = np.random.default_rng([seed, int(100 * probability)])
    for number in range(6):
        case = random_case(rng, CONFIG, 2000)
        features = features_of(case, case.inputs)
        stalls = Stalls(probability, seed + number, latency=1 + 3 * number)
        for result in simulation.run(image_of(case.program), [features, features], stalls=stalls):
            check_layer(case, case.inputs, result)


def with_sum(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The words with the check sum that fits them."""
    return np.append(words[:-1], np.uint32(crc32(words[:-1].astype("<u4").tobytes())))


@pytest.mark.parametrize(
    ("word", "value", "status"),
    [
        (0, 0x12345678, ImageStatus.MAGIC),
        (1, 99, ImageStatus.VERSION),
        (2, 0, ImageStatus.CONFIGURATION),
        (3, 8, ImageStatus.LENGTH),
        (3, 1, ImageStatus.LENGTH),
        (PROGRAM_AT, 7, ImageStatus.LENGTH),
        (PROGRAM_AT, 1 << 30, ImageStatus.LENGTH),
    ],
)
def test_a_wrong_header_is_refused(
    simulation: NativeSimulation, word: int, value: int, status: ImageStatus, seed: int
) -> None:
    """Its status says why, and nothing runs."""
    case = random_case(np.random.default_rng(seed), CONFIG, 1000)
    image = image_of(case.program)
    image[word] = value
    assert refused(simulation, case, with_sum(image)) == status


@pytest.mark.parametrize("change", ["bit", "short", "long"])
def test_a_damaged_image_is_refused(simulation: NativeSimulation, change: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = random_case(rng, CONFIG, 1000)
    image = image_of(case.program)
    if change == "bit":
        image[int(rng.integers(8, len(image)))] ^= np.uint32(1 << int(rng.integers(32)))
    elif change == "short":
        image = image[:-1]
    else:
        image[3] += 1
    assert refused(simulation, case, image) == ImageStatus.DAMAGED


def refused(simulation: NativeSimulation, case: Case, image: NDArray[np.uint32]) -> ImageStatus:
    """The status of a CHECK after which nothing runs; a good image runs behind it."""
    features = features_of(case, case.inputs)
    steps: list[Put | Check | Run] = [
        Put(image),
        Check(),
        Run(features),
        Put(image_of(case.program)),
        Check(),
        Run(features),
    ]
    check, run, good, last = simulation.perform(steps)
    assert (run.status, run.reports, run.outputs.size) == (ImageStatus.NOT_CHECKED, (), 0)
    assert good.status == ImageStatus.GOOD
    check_layer(case, case.inputs, last)
    (result,) = simulation.run(image, [features])
    assert (result.status, result.reports) == (check.status, ())
    return check.status


def test_nothing_runs_before_a_check(simulation: NativeSimulation, seed: int) -> None:
    case = random_case(np.random.default_rng(seed), CONFIG, 1000)
    features = features_of(case, case.inputs)
    steps: list[Put | Check | Run] = [Put(image_of(case.program)), Run(features), Check(), Run(features)]
    early, _, result = simulation.perform(steps)
    assert (early.status, early.reports, early.outputs.size) == (ImageStatus.NOT_CHECKED, (), 0)
    check_layer(case, case.inputs, result)


def test_a_malformed_stream_is_reported_and_the_next_image_runs(simulation: NativeSimulation, seed: int) -> None:
    """The check sum is right, and the compiler was wrong."""
    case = random_case(np.random.default_rng(seed), CONFIG, 1000, Encoding.CSR)
    program = case.program
    words = program.passes[0].words[0].copy()
    words[0] |= 1 << 22  # a reserved bit of the header
    first = replace(program.passes[0], words=(words, *program.passes[0].words[1:]))
    bad = image_of(replace(program, passes=(first, *program.passes[1:])))
    features = features_of(case, case.inputs)
    steps: list[Put | Check | Run] = [
        Put(bad),
        Check(),
        Run(features),
        Run(features),
        Put(image_of(program)),
        Check(),
        Run(features),
    ]
    check, fault, again, good, result = simulation.perform(steps)
    assert check.status == good.status == ImageStatus.GOOD
    for one in (fault, again):
        assert one.status == ImageStatus.FAULT
        assert pass_reports(program, one)[0].kind == StreamErrorKind.HEADER
        assert pass_reports(program, one)[0].pe == 0
    check_layer(case, case.inputs, result)
    assert [report.cycles for report in pass_reports(program, result)] == [
        step.predicted_cycles for step in program.passes
    ]


def test_the_simulator_of_verilog_gives_the_same(simulation: NativeSimulation, seed: int) -> None:
    """Icarus under cocotb answers with the same reports, cycles and outputs."""
    case = random_case(np.random.default_rng([seed, 3]), CONFIG, 1000)
    image, features = image_of(case.program), features_of(case, case.inputs)
    requests = [Const.cast(request).value for request in (Request.CHECK, Request.RUN)]
    inputs = features.view(np.uint8).tolist()
    job = ImageJob(1 + 2 * len(CONFIG.feeders), image.tolist(), requests, inputs, limit_cycles=10_000)
    verilog: ImageResult = image_runner(CONFIG, (case.program.encoding,)).run("image_runner", job)
    results = simulation.perform(
        [Put(image), Check(), Run(features)], stalls=Stalls(latency=2)
    )  # as the bench's memory
    assert verilog.problems == ()
    assert [unpack(Answer, answer) for answer in verilog.answers] == [
        {"status": Const.cast(one.status).value, "cycles": one.cycles} for one in results
    ]
    reports = [unpack(CommandReport(CONFIG), report) for report in verilog.reports]
    assert [report["report"]["cycles"] for report in reports] == [one.cycles for one in results[1].reports]
    assert np.array_equal(np.array(verilog.features, dtype=np.uint8).view(np.int8), results[1].outputs)


def test_a_hang_is_told(simulation: NativeSimulation, seed: int) -> None:
    """A LOAD whose bytes never come."""
    case = random_case(np.random.default_rng(seed), CONFIG, 1000)
    image, features = image_of(case.program), features_of(case, case.inputs)
    with pytest.raises(
        HangError, match=r"command 0 of request 1: nothing has moved on any stream for [\d,]+ cycles"
    ) as caught:
        simulation.perform([Put(image), Check(), Run(features[:1])])
    assert (caught.value.request, caught.value.command) == (1, 0)
    with pytest.raises(ValueError, match=f"input 0 has 1 bytes, and the image takes {features.size}"):
        simulation.run(image, [features[:1]])


def test_workers_share_inputs_and_progress_counts_all(simulation: NativeSimulation, seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = random_case(rng, CONFIG, 1000)
    inputs = [rng.integers(-128, 128, case.layer.input_shape).astype(np.int8) for _ in range(5)]
    told: list[Progress] = []
    features = [features_of(case, one) for one in inputs]
    results = simulation.run(image_of(case.program), features, workers=2, progress=told.append)
    for one, result in zip(inputs, results, strict=True):
        check_layer(case, one, result)
    assert (told[-1].requests, told[-1].commands) == (2 + 5, sum(len(result.reports) for result in results))


@pytest.mark.slow
def test_waves_show_the_commands_asked_for(seed: int, tmp_path: Path) -> None:
    """Each cycle of one command, of the second run, all wires by their names."""
    case = random_case(np.random.default_rng(seed), CONFIG, 1000)
    path = tmp_path / "waves.vcd"
    first = case.program.layout.row_groups
    features = features_of(case, case.inputs)
    simulation = build(CONFIG, waves=True)
    window = Window(first, first, run=1)
    _, result = simulation.run(image_of(case.program), [features] * 2, trace=window, trace_path=path)
    check_layer(case, case.inputs, result)
    text = path.read_text()
    names = set(re.findall(r"\$var \w+ +\d+ \S+ (\S+)", text))
    assert {"o_reports__valid", "i_features__ready"} <= names
    assert any(name.endswith("sequencer.flushing") for name in names)
    times = [int(time) for time in re.findall(r"^#(\d+)$", text, re.MULTILINE)]
    assert times == list(range(times[0], times[-1] + 1, 10))
    assert 0 <= len(times) - result.reports[first].cycles < 10


def test_a_program_without_waves_says_so(simulation: NativeSimulation, seed: int, tmp_path: Path) -> None:
    case = random_case(np.random.default_rng(seed), CONFIG, 1000)
    features = features_of(case, case.inputs)
    with pytest.raises(SimulationError, match="this simulation was built without waves"):
        simulation.run(image_of(case.program), [features], trace=Window(0, 0), trace_path=tmp_path / "waves.vcd")
