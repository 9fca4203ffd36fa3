"""The whole core's Verilog under cocotb: random layers equal the golden model, and bad streams do no harm."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from tests.slow import slow_but
from tests.system.networks import through_tables

from openwork.compiler.network import compile_network
from openwork_dv.campaign import (
    Corrupted,
    Trial,
    random_corrupted,
    random_features,
    random_trials,
    run_trials,
)
from openwork_dv.coverage import ERROR_BINS, LAYER_BINS, STALL_BINS, Coverage
from openwork_dv.jobs import Job, JobResult
from openwork_dv.runner import Simulator, run_jobs
from openwork_dv.scoreboard import image_complaints
from openwork_dv.stimulus import random_case
from openwork_dv.transactions import image_steps, run_step
from openwork_hw.arch import encodings
from openwork_hw.arch.commands import RunCommand, TapEntry
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.image import FeederInput, Instruction
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, RowRecord, SparseRows, StreamErrorKind

COVERAGE_FILE = Path("build") / "coverage.json"

CONFIGS = {
    "tiny": PRESETS["tiny"],
    "odd": ArrayConfig(6, 5, feature_words=512, row_buffer_nonzeros=64, tap_entries=128, sum_bits=27, replicas=3),
    "demo": PRESETS["demo"],
    "single-port": ArrayConfig(
        1, 8, feature_words=1024, row_buffer_nonzeros=32, tap_entries=64, sum_bits=24, single_port=True
    ),
}
LARGE = {
    "21x7": ArrayConfig(
        21, 7, feature_words=512, row_buffer_nonzeros=64, tap_entries=256, group_sizes=(3, 7, 21), replicas=7
    ),
    "two-by-three": ArrayConfig(
        2, 3, feature_words=2048, row_buffer_nonzeros=32, tap_entries=64, sum_bits=22, single_port=True
    ),
}
SMALL = ArrayConfig(pes=2, lanes=2, feature_words=64, row_buffer_nonzeros=16, tap_entries=16, sum_bits=20, replicas=2)
"""Corrupted streams run on this one: all its feature memory is read back each time."""

STALLS = (0.0, 0.3, 0.95)
MAX_CYCLES = {0.0: 1500, 0.3: 1000, 0.95: 300}
"""Longest random layer at each stall rate, without its stalls."""


@pytest.mark.parametrize(
    ("name", "stall"),
    slow_but(product(CONFIGS, STALLS), *product(["tiny"], STALLS), ("single-port", 0.0)),
)
def test_random_layers(name: str, stall: float, seed: int) -> None:
    config = CONFIGS[name]
    rng = np.random.default_rng([seed, *name.encode(), int(100 * stall)])
    count = {0.0: 8, 0.3: 4, 0.95: 1}[stall]
    complaints, _ = run_trials(config, random_trials(rng, config, stall, count, MAX_CYCLES[stall]))
    assert complaints == []


COMPACT = {
    "one PE": ArrayConfig(
        1,
        4,
        feature_words=1024,
        row_buffer_nonzeros=32,
        tap_entries=64,
        sum_bits=24,
        single_port=True,
        max_pooling=False,
        compact=True,
    ),
    "two PEs": ArrayConfig(2, 3, feature_words=512, row_buffer_nonzeros=32, tap_entries=64, sum_bits=22, compact=True),
}


@pytest.mark.parametrize("name", slow_but(COMPACT, "one PE"))
def test_random_layers_on_a_compact_array(name: str, seed: int) -> None:
    config = COMPACT[name]
    rng = np.random.default_rng([seed, 200, *name.encode()])
    trials = [trial for stall in (0.0, 0.3) for trial in random_trials(rng, config, stall, 6, MAX_CYCLES[0.3])]
    complaints, _ = run_trials(config, trials)
    assert complaints == []


@pytest.mark.slow
def test_three_hundred_random_layers_meet_every_bin(seed: int) -> None:
    """The full run; what it met is kept in build/coverage.json."""
    tasks: list[Callable[[], tuple[list[str], Coverage]]] = []
    for name, config in (CONFIGS | LARGE).items():
        rng = np.random.default_rng([seed, *name.encode()])
        for stall, count in ((0.0, 32), (0.3, 16), (0.95, 4)):
            trials = random_trials(rng, config, stall, count, MAX_CYCLES[stall])
            # In Icarus a cycle of these takes milliseconds; `test_random_layers` has layers on two of them there.
            simulator = Simulator.VERILATOR if name in ("odd", "demo", "21x7") else Simulator.ICARUS
            tasks.append(partial(run_trials, config, trials, simulator=simulator))
    complaints, coverage = run_all(tasks)
    coverage.save(COVERAGE_FILE)
    assert complaints == []
    assert coverage.missing((*LAYER_BINS, *STALL_BINS)) == []


@pytest.mark.parametrize(("compact", "count"), slow_but([(False, 8), (False, 24), (True, 24)], (False, 8)))
def test_corrupted_streams_are_reported_or_mean_what_they_say(compact: bool, count: int, seed: int) -> None:
    rng = np.random.default_rng([seed, 100, compact])
    config = replace(SMALL, compact=compact)
    complaints, _ = run_trials(config, [random_corrupted(rng, config, STALLS[number % 2]) for number in range(count)])
    assert complaints == []


@pytest.mark.slow
def test_two_thousand_corrupted_streams_meet_every_error(seed: int) -> None:
    rng = np.random.default_rng([seed, 2000])
    trials = [random_corrupted(rng, SMALL, STALLS[number % 2]) for number in range(2000)]
    fast = partial(run_trials, simulator=Simulator.VERILATOR)
    tasks = [partial(fast, SMALL, trials[start : start + 250]) for start in range(0, 2000, 250)]
    complaints, coverage = run_all(tasks)
    assert complaints == []
    # Records are not corrupted here, and few corruptions make a row longer than the row buffer: these have tests by name.
    rare = {"error records", "error row_too_long"}
    assert coverage.missing(name for name in ERROR_BINS if name not in rare) == []


@pytest.mark.slow
def test_both_simulators_say_the_same(seed: int) -> None:
    """In every cycle and every bit that a bench sees."""
    rng = np.random.default_rng([seed, 1])
    trials = [random_corrupted(rng, SMALL, STALLS[number % 2]) for number in range(24)]
    jobs = [trial.job() for trial in trials]
    icarus, verilator = (run_jobs(SMALL, jobs, simulator=simulator) for simulator in Simulator)
    assert icarus == verilator


def run_all(tasks: Sequence[Callable[[], tuple[list[str], Coverage]]]) -> tuple[list[str], Coverage]:
    """Simulations beside each other, one a core."""
    coverage = Coverage()
    complaints: list[str] = []
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for found, met in pool.map(_call, tasks):
            complaints += found
            coverage.merge(met)
    return complaints, coverage


def _call(task: Callable[[], tuple[list[str], Coverage]]) -> tuple[list[str], Coverage]:
    return task()


def small_run(rows: Sequence[SparseRows], encoding: Encoding, hold: int = 2) -> Instruction:
    """A RUN of two streams (SMALL has two PEs, each leads) over `hold` pixels of 6 channels and 2 taps."""
    layout = ColumnLayout(taps=2, channels=6)
    run = RunCommand(row_groups=1, layout=layout, hold=hold, output_base=32, output_stride=8, pad=3, low=-128, high=127)
    taps = tuple(TapEntry(6 * index, lane_shift=0, pe_shift=0) for index in range(2 * hold))
    feeders = tuple(
        FeederInput(
            encodings.encode(encoding, stream, layout),
            tuple(
                RowRecord(int(row), 100 * int(row), shift=4, write=True, last=index == len(stream.rows) - 1)
                for index, row in enumerate(stream.rows)
            ),
        )
        for stream in rows
    )
    return Instruction(run, taps, feeders)


def sparse(rows: dict[int, list[tuple[int, int]]]) -> SparseRows:
    """Rows by number, each a list of (column, value)."""
    nonzeros = [nonzero for row in rows.values() for nonzero in row]
    return SparseRows(
        np.array(list(rows), dtype=np.int64),
        np.array([len(row) for row in rows.values()], dtype=np.int64),
        np.array([column for column, _ in nonzeros], dtype=np.int64),
        np.array([value for _, value in nonzeros], dtype=np.int8),
    )


FIRST = sparse({0: [(0, 5), (9, -7)], 2: [(3, 11)], 4: [(1, 1), (2, 2), (13, 3)]})
SECOND = sparse({1: [(4, -128)], 3: [(0, 127), (8, 6)], 5: [(5, 9)]})


Corrupt = Callable[[FeederInput], FeederInput]


def header(bad: FeederInput) -> FeederInput:
    """A reserved bit is set."""
    words = bad.words.copy()
    words[0] |= 1 << 22
    return replace(bad, words=words)


def column(bad: FeederInput) -> FeederInput:
    """The second row's second nonzero is in channel 6 of 6."""
    wrong = sparse({1: [(4, -128)], 3: [(0, 127), (14, 6)], 5: [(5, 9)]})
    return replace(bad, words=encodings.encode(Encoding.CSR, wrong, ColumnLayout(taps=2, channels=8)))


def row(bad: FeederInput) -> FeederInput:
    """The last two rows come in another order than their records."""
    wrong = sparse({1: [(4, -128)], 5: [(5, 9)], 3: [(0, 127), (8, 6)]})
    return replace(bad, words=encodings.encode(Encoding.TRIPLET, wrong, ColumnLayout(taps=2, channels=6)))


def length(bad: FeederInput) -> FeederInput:
    """A word follows the last row."""
    return replace(bad, words=np.append(bad.words, np.uint32(0x01020304)))


def truncated(bad: FeederInput) -> FeederInput:
    """The last word is missing."""
    return replace(bad, words=bad.words[:-1])


def code(bad: FeederInput) -> FeederInput:
    """There is no stop in the first word of stops, and fields follow."""
    words = bad.words.copy()
    words[1] = 0
    return replace(bad, words=words)


def row_too_long(bad: FeederInput) -> FeederInput:
    """A replayed row has one nonzero more than the row buffer has entries."""
    wrong = sparse({1: [(4, -128)], 3: [(index % 6, 1) for index in range(SMALL.row_buffer_nonzeros + 1)], 5: [(5, 9)]})
    return replace(bad, words=encodings.encode(Encoding.CSR, wrong, ColumnLayout(taps=2, channels=6)))


def records_early(bad: FeederInput) -> FeederInput:
    """The records end a row before the stream does."""
    return replace(bad, records=(*bad.records[:-2], replace(bad.records[-2], last=True)))


def records_late(bad: FeederInput) -> FeederInput:
    """The records go on after the stream."""
    more = replace(bad.records[-1], row=6)
    return replace(bad, records=(*(replace(record, last=False) for record in bad.records), more))


ERRORS: dict[Corrupt, tuple[Encoding, StreamErrorKind]] = {
    header: (Encoding.CSR, StreamErrorKind.HEADER),
    column: (Encoding.CSR, StreamErrorKind.COLUMN),
    row: (Encoding.TRIPLET, StreamErrorKind.ROW),
    length: (Encoding.CSR, StreamErrorKind.LENGTH),
    truncated: (Encoding.CSR, StreamErrorKind.TRUNCATED),
    code: (Encoding.PACKED, StreamErrorKind.CODE),
    row_too_long: (Encoding.CSR, StreamErrorKind.ROW_TOO_LONG),
    records_early: (Encoding.PACKED, StreamErrorKind.RECORDS),
    records_late: (Encoding.TRIPLET, StreamErrorKind.RECORDS),
}


def error_trials(corrupt: Corrupt, seed: int) -> list[Corrupted]:
    encoding, _ = ERRORS[corrupt]
    good = small_run([FIRST, SECOND], encoding)
    bad = replace(good, feeders=(good.feeders[0], corrupt(good.feeders[1])))
    features = random_features(np.random.default_rng(seed), SMALL)
    return [Corrupted(SMALL, good, bad, features, stall, seed) for stall in (0.0, 0.5)]


@pytest.fixture(scope="module")
def error_results(seed: int) -> dict[Corrupt, list[JobResult]]:
    """Of all errors, one after the other in one simulation."""
    trials = {corrupt: error_trials(corrupt, seed) for corrupt in ERRORS}
    results = iter(run_jobs(SMALL, [trial.job() for tried in trials.values() for trial in tried]))
    return {corrupt: [next(results) for _ in tried] for corrupt, tried in trials.items()}


@pytest.mark.parametrize("corrupt", ERRORS, ids=lambda corrupt: corrupt.__name__)
def test_each_error_is_reported_and_harms_nothing(
    error_results: dict[Corrupt, list[JobResult]], corrupt: Corrupt, seed: int
) -> None:
    """Kind, PE and position; kept until cleared; nothing else is written; the next RUN is right."""
    trials = error_trials(corrupt, seed)
    assert {trial.outcome() for trial in trials} == {ERRORS[corrupt][1]}
    for trial, result in zip(trials, error_results[corrupt], strict=True):
        assert trial.complaints(result) == []


tiny_and_odd = pytest.mark.parametrize("name", slow_but(["tiny", "odd"], "tiny"))


@tiny_and_odd
def test_reset_in_the_middle_then_a_layer(name: str, seed: int) -> None:
    """After a reset in any state of a layer, the next layer is right."""
    config = CONFIGS[name]
    rng = np.random.default_rng([seed, 7])
    cases = [random_case(rng, config, 1200) for _ in range(6)]
    jobs = []
    for number, case in enumerate(cases):
        image, steps = case.image, image_steps(case.image, case.inputs)
        first = next(index for index, command in enumerate(image.commands) if command.kind == "RUN")
        cut = int(rng.integers(1, image.commands[first].predicted_cycles)) if number else 0
        interrupted = [*steps[:first], run_step(config, image.instructions[first], reset_after=cut)]
        jobs.append(Job((*interrupted, *steps), stall=0.2 * (number % 2), seed=number))
    for number, (case, job, result) in enumerate(zip(cases, jobs, run_jobs(config, jobs), strict=True)):
        skipped = len(job.steps) - len(case.image.commands)
        assert result.steps[skipped - 1].report is None
        rest = JobResult(result.steps[skipped:], result.problems)
        assert image_complaints(case.image, case.inputs, rest, exact_cycles=number % 2 == 0) == []


@tiny_and_odd
def test_layers_back_to_back(name: str, seed: int) -> None:
    """Commands and streams of three layers wait at the ports while the first one runs."""
    config = CONFIGS[name]
    rng = np.random.default_rng([seed, 8])
    trials = [Trial(tuple(random_case(rng, config, 800) for _ in range(3)), stall, seed, True) for stall in (0.0, 0.3)]
    complaints, _ = run_trials(config, trials)
    assert complaints == []


@pytest.mark.slow
def test_activation_tables_come_by_a_port_of_their_own(seed: int) -> None:
    """Three PEs: two of them share a table, and the third one has its own. Pauses change no output."""
    config = ArrayConfig(
        3, 2, feature_words=256, row_buffer_nonzeros=64, tap_entries=64, sum_bits=26, group_sizes=(3,), activation_tables=True
    )  # fmt: skip
    network = through_tables()
    image = compile_network(network, config, watch=True)
    inputs = np.random.default_rng([seed, 9]).integers(-128, 128, network.input.shape).astype(np.int8)
    jobs = [Job(tuple(image_steps(image, inputs)), stall, seed) for stall in (0.0, 0.4)]
    for job, result in zip(jobs, run_jobs(config, jobs), strict=True):
        assert image_complaints(image, inputs, result, exact_cycles=not job.stall) == []
