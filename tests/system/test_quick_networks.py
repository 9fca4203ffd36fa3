"""Whole networks on a small array in every quick run: every tensor is the golden model's, every cycle the predicted one.

`test_mutants.py` breaks the gateware line by line, and expects these tests to notice.
"""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.system.networks import few_pixels, long_rows, photograph, picture_of_a_vector, through_tables

from openwork.compiler.network import compile_network
from openwork.compiler.predict import move_cycles
from openwork.image import Image
from openwork.network import IntegerNetwork
from openwork.simulator.image import run_instructions
from openwork_dv.coverage import NETWORK_BINS, Coverage
from openwork_dv.native import NativeSimulation, Stalls, build
from openwork_dv.network_coverage import network_bins
from openwork_dv.network_runs import network_complaints
from openwork_hw.arch.commands import LoadCommand, MoveCommand, Operation, RunCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import ImageStatus, Instruction, assemble
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.report import RunResult

CONFIG = ArrayConfig(
    4, 3, feature_words=1024, row_buffer_nonzeros=64, tap_entries=64, sum_bits=26, group_sizes=(2, 4), replicas=2,
    activation_tables=True,
)  # fmt: skip
"""One stream for four PEs, or two streams that copy their outputs to each other; two feeders compile faster than four."""

NETWORKS = {
    "photograph": photograph(),
    "long rows": long_rows(),
    "few pixels": few_pixels(),
    "picture of a vector": picture_of_a_vector(),
    "through tables": through_tables(),
}

SLOW_RUN_ONLY = {
    "streams that share nothing",  # of an array with more feeders
    "rows in several blocks",  # of layers with a hundred rows and a residual
}
"""Bins that small networks on this array do not meet."""


@pytest.fixture(scope="module")
def simulation() -> NativeSimulation:
    return build(CONFIG, short_runs=True)


def inputs_of(network: IntegerNetwork, count: int) -> NDArray[np.int8]:
    """Random; the last one holds nothing but the largest and the smallest value."""
    rng = np.random.default_rng(5)
    extremes = rng.choice(np.array([-128, 127], np.int8), (1, *network.input.shape))
    return np.concatenate([rng.integers(-128, 128, (count - 1, *network.input.shape)).astype(np.int8), extremes])


def image_of(name: str, encoding: Encoding, row_groups: int) -> Image:
    return compile_network(NETWORKS[name], CONFIG, encoding, row_groups=row_groups, watch=True)


@pytest.mark.parametrize("row_groups", CONFIG.row_groups)
@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_and_every_cycle_is_right(
    simulation: NativeSimulation, name: str, encoding: Encoding, row_groups: int
) -> None:
    image = image_of(name, encoding, row_groups)
    complaints = network_complaints(name, simulation, image, inputs_of(image.network, 3))
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("name", NETWORKS)
def test_pauses_of_host_and_memory_change_no_tensor(simulation: NativeSimulation, name: str) -> None:
    image = image_of(name, Encoding.PACKED, 2)
    stalls = Stalls(0.4, seed=6, latency=9)
    complaints = network_complaints(name, simulation, image, inputs_of(image.network, 2), stalls)
    assert not complaints, "\n".join(complaints)


def test_moves_take_any_lanes_of_any_pe(simulation: NativeSimulation) -> None:
    """Between LOADs of all memories and STOREs of all; the compiler takes the first lanes, or the last one."""
    ranges = [(first, lanes) for first in range(CONFIG.lanes) for lanes in range(1, CONFIG.lanes - first + 1)]
    moves = [
        MoveCommand(number % CONFIG.pes, 20 * number, 6, first, lanes, 300 + 100 * number, 7, 2)
        for number, (first, lanes) in enumerate(ranges)
    ]
    expected, found, result = run_on_full_memories(simulation, [Instruction(move) for move in moves], Encoding.CSR)
    assert_same_words(expected, found)
    cycles = [report.cycles for report in result.reports[CONFIG.pes :][: len(moves)]]
    assert cycles == [move_cycles(CONFIG, move) for move in moves]


@pytest.mark.parametrize("row_groups", CONFIG.row_groups)
def test_nothing_is_written_but_outputs(simulation: NativeSimulation, row_groups: int) -> None:
    """The first layers of a network on memories full of random bytes, up to a pooled sum; then every word of every PE is right."""
    image = image_of("photograph", Encoding.CSR, row_groups)
    runs = [(one, one.command) for one in image.instructions if isinstance(one.command, RunCommand)]
    first_pooled = next(number for number, (_, run) in enumerate(runs) if run.operation is Operation.POOL)
    pooled, pool = runs[first_pooled]
    expected, found, _ = run_on_full_memories(simulation, [one for one, _ in runs[: first_pooled + 1]], image.encoding)
    # A pooled sum is written in the last lane; what is beside it there means nothing.
    rows = [record.row for feeder in pooled.feeders for record in feeder.records if record.write]
    beside = pool.output_base + np.array(rows)
    for last in range(row_groups - 1, CONFIG.pes, row_groups):
        found[last, beside, :-1] = expected[last, beside, :-1]
    assert_same_words(expected, found)


def run_on_full_memories(
    simulation: NativeSimulation, instructions: Sequence[Instruction], encoding: Encoding
) -> tuple[NDArray[np.int8], NDArray[np.int8], RunResult]:
    """All words, int8 [pes, feature_words, lanes], that they leave in memories of random bytes: as the model says, as they are."""
    pes, words = range(CONFIG.pes), CONFIG.feature_words
    program = [
        *(Instruction(LoadCommand(CONFIG.pes, pe, 0, words)) for pe in pes),
        *instructions,
        *(Instruction(StoreCommand(pe, 0, words)) for pe in pes),
    ]
    features = np.random.default_rng(7).integers(-128, 128, CONFIG.pes * words * CONFIG.lanes).astype(np.int8)
    shape = CONFIG.pes, words, CONFIG.lanes
    (result,) = simulation.run(assemble(program, CONFIG), [features])
    assert result.status == ImageStatus.GOOD
    expected = run_instructions(program, CONFIG, encoding, features)
    return expected.reshape(shape), result.outputs.reshape(shape).copy(), result


def assert_same_words(expected: NDArray[np.int8], found: NDArray[np.int8]) -> None:
    for pe, word, lane in np.argwhere(expected != found)[:1]:
        raise AssertionError(
            f"PE {pe}, word {word}, lane {lane}: {found[pe, word, lane]}, and should be {expected[pe, word, lane]}"
        )


def test_they_meet_what_networks_need() -> None:
    coverage = Coverage()
    for name in NETWORKS:
        for row_groups, encoding in [(2, Encoding.PACKED), (2, Encoding.CSR), (4, Encoding.TRIPLET)]:
            coverage.add(network_bins(image_of(name, encoding, row_groups), 3))
    assert set(coverage.missing(NETWORK_BINS)) == SLOW_RUN_ONLY
