"""The compiled top runs images: outputs are the golden model's, cycles the predicted ones, and bad images do no harm."""

import re
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from amaranth.hdl import Const
from numpy.typing import NDArray
from tests.slow import slow_but
from tests.system.test_quick_networks import CONFIG as QUICK_NETWORKS

from openwork.compiler.predict import move_cycles, store_cycles
from openwork.faults import fault_sentence
from openwork_dv.building import SimulationError
from openwork_dv.jobs import ImageJob, ImageResult
from openwork_dv.native import (
    Check,
    HangError,
    NativeSimulation,
    Progress,
    Put,
    Run,
    Stalls,
    Window,
    build,
)
from openwork_dv.network_runs import network_complaints, run_complaints
from openwork_dv.packing import unpack
from openwork_dv.runner import image_runner
from openwork_dv.stimulus import Case, random_case
from openwork_hw.arch.commands import LoadCommand, MoveCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import ImageStatus, Instruction, assemble
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.arch.report import RunResult
from openwork_hw.image.run_control import Answer, CommandReport, Request

CONFIG = ArrayConfig(2, 3, feature_words=2048, row_buffer_nonzeros=32, tap_entries=64, sum_bits=22)
ARRAYS = {"quick networks": QUICK_NETWORKS, "two by three": CONFIG}
"""The program of the first one is compiled for the quick networks anyway."""
PROGRAM_AT = 4
"""The header's word that says where the program begins."""


@pytest.fixture(scope="module", params=slow_but(ARRAYS, "quick networks"))
def simulation(request: pytest.FixtureRequest) -> NativeSimulation:
    return build(ARRAYS[request.param], short_runs=True)


def features_of(case: Case) -> NDArray[np.int8]:
    """What the image's loads take."""
    return case.image.load_bytes(case.inputs)


def check_layer(case: Case, result: RunResult, *, exact_cycles: bool = False) -> None:
    """Nothing is wrong with the run of a case."""
    assert run_complaints(case.image, case.inputs, result, exact_cycles=exact_cycles) == []


@pytest.mark.parametrize("encoding", Encoding)
def test_layers_equal_golden_and_prediction(simulation: NativeSimulation, encoding: Encoding, seed: int) -> None:
    """Several inputs in one process, one after the other; memories that answer late cost no command a cycle."""
    rng = np.random.default_rng([seed, encoding])
    for number in range(7):
        case = random_case(rng, simulation.config, 4000, encoding)
        other = rng.integers(-128, 128, case.layer.input_shape).astype(np.int8)
        cases = [case, replace(case, inputs=other), case]
        stalls = Stalls(latency=1 + number)
        results = simulation.run(case.image.words, [features_of(one) for one in cases], stalls=stalls)
        for one, result in zip(cases, results, strict=True):
            check_layer(one, result, exact_cycles=number == 0)
            predicted = [command.predicted_cycles for command in case.image.commands]
            assert [report.cycles for report in result.reports] == predicted


SIZES = [replace(CONFIG, pes=pes, lanes=lanes) for pes, lanes in [(2, 3), (1, 4), (1, 3)]]


@pytest.mark.parametrize("config", slow_but([QUICK_NETWORKS, *SIZES], QUICK_NETWORKS), ids=str)
def test_stores_of_any_length_take_the_cycles_predicted(config: ArrayConfig) -> None:
    """The queue of bytes on their way back is long enough for any number of words, however long the way."""
    stores = [StoreCommand(pe, 0, words) for pe in {0, config.pes - 1} for words in (1, 2, 30, 200)]
    image = assemble([Instruction(store) for store in stores], config)
    (result,) = build(config, short_runs=True).run(image, [np.zeros(0, dtype=np.int8)])
    assert [report.cycles for report in result.reports] == [store_cycles(config, store) for store in stores]


@pytest.mark.slow
@pytest.mark.parametrize(("pes", "lanes"), [(1, 8), (1, 10), (1, 14), (2, 10), (2, 15), (4, 11)])
def test_moves_take_the_cycles_predicted_where_memories_have_one_port(pes: int, lanes: int) -> None:
    """A byte waits while a word is read; of the last word, after which none is read, if it is long enough."""
    config = replace(CONFIG, pes=pes, lanes=lanes, single_port=True)
    moves = [
        MoveCommand(0, 0, words, first, count, 500, 20, 2)
        for words in (1, 3)
        for first in (0, 1)
        for count in range(1, lanes - first + 1)
    ]
    image = assemble(
        [
            *(Instruction(LoadCommand(pes, pe, 0, 8)) for pe in range(pes)),
            *map(Instruction, moves),
            Instruction(StoreCommand(0, 500, 1)),
        ],
        config,
    )
    features = np.zeros(pes * 8 * lanes, dtype=np.int8)
    (result,) = build(config, (Encoding.CSR,), short_runs=True).run(image, [features])
    assert [report.cycles for report in result.reports[pes:-1]] == [move_cycles(config, move) for move in moves]


@pytest.mark.parametrize("probability", [0.3, 0.9])
def test_stalls_change_cycles_only(simulation: NativeSimulation, probability: float, seed: int) -> None:
    rng = np.random.default_rng([seed, int(100 * probability)])
    for number in range(6):
        case = random_case(rng, simulation.config, 2000)
        stalls = Stalls(probability, seed + number, latency=1 + 3 * number)
        inputs = np.stack([case.inputs, case.inputs])
        assert network_complaints(f"number {number}", simulation, case.image, inputs, stalls) == []


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
    case = random_case(np.random.default_rng(seed), simulation.config, 1000)
    image = case.image.words.copy()
    image[word] = value
    assert refused(simulation, case, with_sum(image)) == status


@pytest.mark.parametrize("change", ["bit", "short", "long"])
def test_a_damaged_image_is_refused(simulation: NativeSimulation, change: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = random_case(rng, simulation.config, 1000)
    image = case.image.words.copy()
    if change == "bit":
        image[int(rng.integers(8, len(image)))] ^= np.uint32(1 << int(rng.integers(32)))
    elif change == "short":
        image = image[:-1]
    else:
        image[3] += 1
    assert refused(simulation, case, image) == ImageStatus.DAMAGED


def refused(simulation: NativeSimulation, case: Case, image: NDArray[np.uint32]) -> ImageStatus:
    """The status of a CHECK after which nothing runs; a good image runs behind it."""
    features = features_of(case)
    steps: list[Put | Check | Run] = [
        Put(image),
        Check(),
        Run(features),
        Put(case.image.words),
        Check(),
        Run(features),
    ]
    check, run, good, last = simulation.perform(steps)
    assert (run.status, run.reports, run.outputs.size) == (ImageStatus.NOT_CHECKED, (), 0)
    assert good.status == ImageStatus.GOOD
    check_layer(case, last)
    (result,) = simulation.run(image, [features])
    assert (result.status, result.reports) == (check.status, ())
    return check.status


def test_nothing_runs_before_a_check(simulation: NativeSimulation, seed: int) -> None:
    case = random_case(np.random.default_rng(seed), simulation.config, 1000)
    features = features_of(case)
    steps: list[Put | Check | Run] = [Put(case.image.words), Run(features), Check(), Run(features)]
    early, _, result = simulation.perform(steps)
    assert (early.status, early.reports, early.outputs.size) == (ImageStatus.NOT_CHECKED, (), 0)
    check_layer(case, result)


def test_a_malformed_stream_is_reported_and_the_next_image_runs(simulation: NativeSimulation, seed: int) -> None:
    """The check sum is right, and the compiler was wrong."""
    case = random_case(np.random.default_rng(seed), simulation.config, 1000, Encoding.CSR)
    program = list(case.image.instructions)
    number = next(index for index, command in enumerate(case.image.commands) if command.kind == "RUN")
    first, *others = program[number].feeders
    words = first.words.copy()
    words[0] |= 1 << 22  # a reserved bit of the header
    program[number] = replace(program[number], feeders=(replace(first, words=words), *others))
    features = features_of(case)
    steps: list[Put | Check | Run] = [
        Put(assemble(program, simulation.config)),
        Check(),
        Run(features),
        Run(features),
        Put(case.image.words),
        Check(),
        Run(features),
    ]
    check, fault, again, good, result = simulation.perform(steps)
    assert check.status == good.status == ImageStatus.GOOD
    row = first.records[0].row
    order = case.image.orders.get(case.image.commands[number].tensor, ())
    row = order[row] if order else row  # of the layer, where the words of a vector are in another order
    for one in (fault, again):
        assert (one.status, one.fault) == (ImageStatus.FAULT, number)
        assert one.reports[number].kind == StreamErrorKind.HEADER
        assert fault_sentence(case.image, number, one.reports[number]) == (
            f"step 'random', command {number} (RUN): the weight stream of PE 0 is malformed in row {row}, after 0 complete "
            "rows: its header names no encoding or no rows, or has a reserved bit set"
        )
    check_layer(case, result, exact_cycles=True)


@pytest.mark.slow
def test_the_simulator_of_verilog_gives_the_same(simulation: NativeSimulation, seed: int) -> None:
    """Icarus under cocotb answers with the same reports, cycles and outputs."""
    case = random_case(np.random.default_rng([seed, 3]), simulation.config, 1000)
    image, features = case.image.words, features_of(case)
    requests = [Const.cast(request).value for request in (Request.CHECK, Request.RUN)]
    inputs = features.view(np.uint8).tolist()
    job = ImageJob(1 + 2 * len(simulation.config.feeders), image.tolist(), requests, inputs, limit_cycles=10_000)
    verilog: ImageResult = image_runner(simulation.config, (case.image.encoding,)).run("image_runner", job)
    results = simulation.perform(
        [Put(image), Check(), Run(features)], stalls=Stalls(latency=2)
    )  # as the bench's memory
    assert verilog.problems == ()
    assert [unpack(Answer, answer) for answer in verilog.answers] == [
        {"status": Const.cast(one.status).value, "cycles": one.cycles} for one in results
    ]
    reports = [unpack(CommandReport(simulation.config), report) for report in verilog.reports]
    assert [report["report"]["cycles"] for report in reports] == [one.cycles for one in results[1].reports]
    assert np.array_equal(np.array(verilog.features, dtype=np.uint8).view(np.int8), results[1].outputs)


def test_a_hang_is_told(simulation: NativeSimulation, seed: int) -> None:
    """A LOAD whose bytes never come."""
    case = random_case(np.random.default_rng(seed), simulation.config, 1000)
    image, features = case.image.words, features_of(case)
    with pytest.raises(
        HangError, match=r"command 0 of request 1: nothing has moved on any stream for [\d,]+ cycles"
    ) as caught:
        simulation.perform([Put(image), Check(), Run(features[:1])])
    assert (caught.value.request, caught.value.command) == (1, 0)
    with pytest.raises(ValueError, match=f"input 0 has 1 bytes, and the image takes {features.size}"):
        simulation.run(image, [features[:1]])


def test_workers_share_inputs_and_progress_counts_all(simulation: NativeSimulation, seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = random_case(rng, simulation.config, 1000)
    cases = [replace(case, inputs=rng.integers(-128, 128, case.layer.input_shape).astype(np.int8)) for _ in range(5)]
    told: list[Progress] = []
    features = [features_of(one) for one in cases]
    results = simulation.run(case.image.words, features, workers=2, progress=told.append)
    for one, result in zip(cases, results, strict=True):
        check_layer(one, result)
    assert (told[-1].requests, told[-1].commands) == (2 + 5, sum(len(result.reports) for result in results))


@pytest.mark.slow
def test_waves_show_the_commands_asked_for(seed: int, tmp_path: Path) -> None:
    """Each cycle of one command, of the second run, all wires by their names.

    The program is that of tests/cosim/test_waves.py: it is built once for both.
    """
    case = random_case(np.random.default_rng(seed), CONFIG, 1000, Encoding.PACKED)
    path = tmp_path / "waves.vcd"
    first = next(index for index, command in enumerate(case.image.commands) if command.kind == "RUN")
    features = features_of(case)
    simulation = build(CONFIG, (Encoding.PACKED,), waves=True)
    window = Window(first, first, run=1)
    _, result = simulation.run(case.image.words, [features] * 2, trace=window, trace_path=path)
    check_layer(case, result)
    text = path.read_text()
    names = set(re.findall(r"\$var \w+ +\d+ \S+ (\S+)", text))
    assert {"o_reports__valid", "i_features__ready"} <= names
    assert any(name.endswith("sequencer.states.flushing") for name in names)
    times = [int(time) for time in re.findall(r"^#(\d+)$", text, re.MULTILINE)]
    assert times == list(range(times[0], times[-1] + 1, 10))
    assert 0 <= len(times) - result.reports[first].cycles < 10


def test_a_program_without_waves_says_so(simulation: NativeSimulation, seed: int, tmp_path: Path) -> None:
    case = random_case(np.random.default_rng(seed), simulation.config, 1000)
    features = features_of(case)
    with pytest.raises(SimulationError, match="this simulation was built without waves"):
        simulation.run(case.image.words, [features], trace=Window(0, 0), trace_path=tmp_path / "waves.vcd")
