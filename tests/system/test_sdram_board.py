"""A board that fetches its image out of an SDRAM, over its serial line and without it: bit for bit, whatever happens."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.openwork.compiler.test_spilling import CONFIG as SPILLING
from tests.openwork.compiler.test_spilling import SCRATCHPAD, tall
from tests.openwork.host.models import inputs_of, small_image
from tests.system.networks import through_tables

from openwork.compiler.network import compile_network
from openwork.golden import run_network
from openwork.host import Board
from openwork.image import Image
from openwork.models import digits
from openwork_dv.native import Check, Put, Run
from openwork_dv.native.external import build_external
from openwork_dv.native.serial_line import SIMULATED_BAUD, SimulatedBoard
from openwork_dv.native.simulation import NativeSimulation, Step
from openwork_dv.sdram.board import SdramBoard
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.external_image import HEADER_WORDS, check_external_words, external_words
from openwork_hw.arch.fetching import fetched_run
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig

pytestmark = pytest.mark.slow

CONFIG = PRESETS["demo"]
SCRATCHPAD_WORDS = 1024
"""The trained digits network has some 1,700 words on this array."""

SDRAM = SdramConfig(SDRAM_CHIPS["IS42S16160G"], 100e6)


@cache
def trained() -> Image:
    return compile_network(digits.prepare().model, CONFIG)


@pytest.fixture(scope="module")
def simulation() -> NativeSimulation:
    return build_external(CONFIG, SDRAM, SCRATCHPAD_WORDS, short_runs=True)


def test_a_network_that_is_larger_than_the_scratchpad(simulation: NativeSimulation) -> None:
    """Every output, every command in its cycles, and the whole run within half a percent of what was predicted."""
    image, inputs = trained(), digits.prepare().test_inputs[:5]
    assert len(image.words) > SCRATCHPAD_WORDS
    words = external_words(image.words, CONFIG, SCRATCHPAD_WORDS)
    results = simulation.run(words, [image.load_bytes(one) for one in inputs])
    expected = run_network(image.network, inputs)
    transfers = check_external_words(words, CONFIG, SCRATCHPAD_WORDS)
    for result, output in zip(results, expected, strict=True):
        assert result.status is ImageStatus.GOOD
        assert (image.outputs(result.outputs) == output).all()
        for report, command in zip(result.reports, image.commands, strict=True):
            # A pass over one pixel with several streams asks the scratchpad for more than a word per cycle.
            bound_by_port = report.stalls > 100 and report.cycles < command.predicted_cycles + report.stalls
            assert report.cycles == command.predicted_cycles or bound_by_port
        predicted = fetched_run(CONFIG, SDRAM, transfers, [report.cycles for report in result.reports])
        assert abs(predicted.cycles - result.cycles) < 0.005 * result.cycles
    assert len({result.cycles for result in results[1:]}) <= 2  # the refresh at hand when a run begins


def test_activation_tables_are_fetched_with_the_program() -> None:
    """Every output, every command in its cycles, and the whole run near to what was predicted."""
    config, network, words = PRESETS["demo-tables"], through_tables(), 896
    image = compile_network(network, config, scratchpad_words=words)
    assert 0 < image.scratchpad_words < len(image.words)
    simulation = build_external(config, SDRAM, words, short_runs=True)
    inputs = np.random.default_rng(5).integers(-128, 128, (3, *network.input.shape)).astype(np.int8)
    content = external_words(image.words, config, words)
    results = simulation.run(content, [image.load_bytes(one) for one in inputs])
    transfers = check_external_words(content, config, words)
    for result, output in zip(results, run_network(network, inputs), strict=True):
        assert result.status is ImageStatus.GOOD
        assert (image.outputs(result.outputs) == output).all()
        tables = [
            (report.cycles - report.stalls, command.predicted_cycles)
            for report, command in zip(result.reports, image.commands, strict=True)
            if command.kind == "TABLE"
        ]
        assert len(tables) == 4 and all(found == predicted for found, predicted in tables)
        predicted = fetched_run(config, SDRAM, transfers, [report.cycles for report in result.reports])
        assert abs(predicted.cycles - result.cycles) < 0.05 * result.cycles  # a short run: what fills the queues counts


def damaged(
    words: NDArray[np.uint32], random: Random, scratchpad_words: int = SCRATCHPAD_WORDS, config: ArrayConfig = CONFIG
) -> tuple[NDArray[np.uint32], int]:
    """The image with one flipped bit behind its header, and the number of the transfer that holds it."""
    ends = HEADER_WORDS + np.cumsum(
        [len(one.words) + 3 for one in check_external_words(words, config, scratchpad_words)]
    )
    place = random.randrange(HEADER_WORDS, len(words))
    flipped = words.copy()
    flipped[place] ^= np.uint32(1 << random.randrange(32))
    return flipped, int((place >= ends).sum())


def test_a_bit_that_flips_after_the_check_ends_the_run_and_the_next_one_is_right(
    simulation: NativeSimulation, seed: int
) -> None:
    """The transfer is named, or, where its length has changed, one that cannot be right; no output is wrong before."""
    image, inputs = trained(), digits.prepare().test_inputs[:1]
    words = external_words(image.words, CONFIG, SCRATCHPAD_WORDS)
    features = image.load_bytes(inputs[0])
    expected = run_network(image.network, inputs)[0]
    random = Random(seed)
    for _ in range(8):
        flipped, transfer = damaged(words, random)
        steps: list[Step] = [
            Put(words),
            Check(),
            Put(flipped),
            Run(features),
            Check(),
            Put(words),
            Check(),
            Run(features),
        ]
        first, spoiled, told, again, right = simulation.perform(steps)
        assert first.status is ImageStatus.GOOD
        assert told.status in (ImageStatus.DAMAGED, ImageStatus.LENGTH)
        assert spoiled.status is told.status
        assert spoiled.transfer == told.transfer and told.transfer in (transfer, transfer + 1)
        assert (again.status, right.status) == (ImageStatus.GOOD, ImageStatus.GOOD)
        assert (image.outputs(right.outputs) == expected).all()


def test_an_image_for_a_larger_scratchpad_does_not_run(simulation: NativeSimulation) -> None:
    words = external_words(trained().words, CONFIG, SCRATCHPAD_WORDS + 1)
    check, run = simulation.perform([Put(words), Check(), Run(np.zeros(0, np.int8))])
    assert (check.status, run.status) == (ImageStatus.LENGTH, ImageStatus.NOT_CHECKED)


def test_maps_in_the_sdram(seed: int) -> None:
    """Windows, channels after the other, a pooling: every output, and every RUN in its cycles; also after a run that was ended."""
    config = replace(SPILLING, feature_words=64)
    simulation = build_external(config, SDRAM, SCRATCHPAD, short_runs=True)
    image = compile_network(tall(), config, scratchpad_words=SCRATCHPAD)
    words = external_words(image.words, config, SCRATCHPAD)
    rng = np.random.default_rng(seed)
    inputs = rng.integers(-128, 128, (3, *image.network.input.shape)).astype(np.int8)
    expected = run_network(image.network, inputs)
    features = [image.load_bytes(one) for one in inputs]
    random = Random(seed)
    steps: list[Step] = [Put(words), Check(), *(Run(one) for one in features)]
    for _ in range(3):
        flipped, _ = damaged(words, random, SCRATCHPAD, config)
        steps += [Put(flipped), Run(features[0]), Put(words), Check(), Run(features[1])]
    _, *results = simulation.perform(steps)
    right = [*zip(results[:3], expected, strict=True), *((results[number], expected[1]) for number in (5, 8, 11))]
    for result, output in right:
        assert result.status is ImageStatus.GOOD
        assert (image.outputs(result.outputs) == output).all()
        for report, command in zip(result.reports, image.commands, strict=True):
            if command.kind == "RUN":
                assert report.cycles - report.stalls <= command.predicted_cycles <= report.cycles
    assert {results[number].status for number in (3, 6, 9)} <= {ImageStatus.DAMAGED, ImageStatus.LENGTH}
    predicted = fetched_run(
        config, SDRAM, check_external_words(words, config, SCRATCHPAD), [one.predicted_cycles for one in image.commands]
    )
    # Each small piece waits for the memory, which is not predicted: half of the time of such small windows.
    assert predicted.cycles <= results[1].cycles


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatedBoard]:
    """A small chip, whose few rows are refreshed in time at a slow clock. A real chip would take most of the time to start up."""
    chip = replace(SDRAM.chip, startup=2000, row_bits=6, column_bits=7, refreshes=256)
    sdram = SdramConfig(chip, 12e6)
    with SimulatedBoard(
        CONFIG, clock_hz=12_000_000, baud=3_000_000, shell=SdramBoard, sdram=sdram, memory_words=SCRATCHPAD_WORDS
    ) as board:
        yield board


def opened(simulated: SimulatedBoard) -> Board:
    return Board.open(simulated.port, SIMULATED_BAUD, patience_s=60)


def test_digits_out_of_sdram(simulated: SimulatedBoard) -> None:
    """Over the serial line: sent once, then found there."""
    inputs = digits.prepare().test_inputs[:3]
    expected = run_network(trained().network, inputs)
    for _ in range(2):
        with opened(simulated) as board:
            board.load(trained())
            assert (board.run(inputs) == expected).all()


def test_a_reset_in_the_middle_of_a_burst_is_survived(simulated: SimulatedBoard, seed: int) -> None:
    image = small_image()
    inputs = inputs_of(image, 2)
    expected = run_network(image.network, inputs)
    random = Random(seed)
    with opened(simulated) as board:
        for _ in range(4):
            board.load(image)
            for _ in range(random.randrange(4)):
                simulated.count()  # takes some cycles
            simulated.reset()
            assert (board.run(inputs) == expected).all()
