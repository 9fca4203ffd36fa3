"""Whatever a program says, a run of it ends, and the next good image runs right: hostile images under a right check sum, in RTL."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.openwork.compiler.test_network import classifier

from openwork.compiler.network import compile_network
from openwork.golden import trace_network
from openwork.image import Image
from openwork.simulator.image import run_image
from openwork_dv.hostile import Anatomy, Part, hostile_words, sealed, watchdog_bits
from openwork_dv.native import Check, NativeSimulation, Put, Run, RunResult, build
from openwork_hw.arch.commands import RunCommand
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.image import COMMAND_WORDS, FEEDER_WORDS, CommandOp, ImageError, ImageStatus, encode_fields
from openwork_hw.arch.nonzeros import Encoding, StreamError

CONFIG = ArrayConfig(2, 3, feature_words=1024, row_buffer_nonzeros=32, tap_entries=128, sum_bits=28, replicas=2)
IMAGE = compile_network(classifier((2, 6, 5)), CONFIG, Encoding.CSR, row_groups=CONFIG.pes, watch=True)
ANATOMY = Anatomy.of(IMAGE)
INPUTS = np.random.default_rng(1).integers(-128, 128, IMAGE.network.input.shape).astype(np.int8)
EXPECTED = trace_network(IMAGE.network, INPUTS[None])


@pytest.fixture(scope="module")
def simulation() -> NativeSimulation:
    """Of a shell's own sizes: a memory that holds the image, and readers that do not count beyond it."""
    return build(
        CONFIG, (Encoding.CSR,), address_bits=bits_for(len(IMAGE.words) + 1), watchdog_bits=watchdog_bits(CONFIG)
    )


def steps(words: NDArray[np.uint32]) -> list[Put | Check | Run]:
    """Check and run these words, and then the good image."""
    features = IMAGE.load_bytes(INPUTS)
    return [Put(words), Check(), Run(features), Put(IMAGE.words), Check(), Run(features)]


def check_good(check: RunResult, result: RunResult) -> None:
    """The good image ran right, and in the cycles that were predicted."""
    assert (check.status, result.status) == (ImageStatus.GOOD, ImageStatus.GOOD)
    assert [one.cycles for one in result.reports] == [one.predicted_cycles for one in IMAGE.commands]
    assert result.cycles == IMAGE.predicted_cycles
    for name, tensor in IMAGE.tensors(result.outputs).items():
        assert (tensor == EXPECTED[name][0]).all(), name


def verdict(words: NDArray[np.uint32]) -> NDArray[np.int8] | str:
    """What the software says of an image: that it is refused, that a stream is malformed, or what it stores."""
    image: Image = replace(IMAGE, words=words)
    try:
        return run_image(image, INPUTS)
    except ImageError:
        return "refused"
    except StreamError:
        return "malformed"


def check_hostile(simulation: NativeSimulation, rng: np.random.Generator, count: int) -> Counter[str]:
    """So many hostile images, one after the other; how many the software refused, and what became of the others."""
    met: Counter[str] = Counter()
    words = [hostile_words(rng, IMAGE.words, ANATOMY) for _ in range(count)]
    results = simulation.perform([step for _, one in words for step in steps(one)])
    for number, (part, one) in enumerate(words):
        check, run, *good = results[4 * number : 4 * number + 4]
        said = verdict(one)
        told = f"image {number}, changed in a {part}"
        if check.status is not ImageStatus.GOOD:
            assert said == "refused", told
        elif isinstance(said, str):
            assert said == "refused" or run.status is ImageStatus.FAULT, told
        else:
            assert run.status is ImageStatus.GOOD, told
            for name, tensor in IMAGE.tensors(run.outputs).items():
                assert (tensor == IMAGE.tensors(said)[name]).all(), f"{told}: {name}"
        check_good(*good)
        met[f"{part} {said if isinstance(said, str) else 'runs'}"] += 1
        met[run.status.name] += 1
    return met


def test_hostile_images_end_and_the_next_one_is_right(simulation: NativeSimulation, seed: int) -> None:
    met = check_hostile(simulation, np.random.default_rng([seed, 1]), 60)
    assert met["TIMED_OUT"] and met["GOOD"] and met["FAULT"], met


@pytest.mark.slow
def test_two_thousand_hostile_images_end_and_mean_what_the_model_says(simulation: NativeSimulation, seed: int) -> None:
    met = check_hostile(simulation, np.random.default_rng([seed, 2]), 2000)
    assert {f"{part} refused" for part in Part if part is not Part.STREAM} <= set(met), met
    assert met["stream malformed"] and met["stream runs"] and met["record runs"], met


def places_of_runs() -> list[int]:
    """Where each RUN's feeder words begin."""
    at, found = int(IMAGE.words[4]), []
    for instruction in IMAGE.instructions:
        at += COMMAND_WORDS
        if isinstance(instruction.command, RunCommand):
            found.append(at)
            at += FEEDER_WORDS * len(CONFIG.feeders) + len(instruction.taps)
    return found


def without_last() -> NDArray[np.uint32]:
    """No record says that it is the last."""
    words = IMAGE.words.copy()
    for place in ANATOMY.places[Part.RECORD][::2]:
        words[place] &= ~np.uint32(1 << 22)
    return words


def early_last() -> NDArray[np.uint32]:
    """Every record says so."""
    words = IMAGE.words.copy()
    for place in ANATOMY.places[Part.RECORD][::2]:
        words[place] |= np.uint32(1 << 22)
    return words


@pytest.mark.parametrize("change", [without_last, early_last])
def test_records_end_with_their_number_whatever_bit_is_set(simulation: NativeSimulation, change: object) -> None:
    assert callable(change)
    words = sealed(change())
    assert verdict(words) == "refused"
    results = simulation.perform(steps(words))
    check_good(*results[:2])
    check_good(*results[2:])


ENDLESS = ("no words", "no records", "an unused feeder is fed", "a RUN becomes a STORE of nothing", "no command")


@pytest.mark.parametrize("what", ENDLESS)
def test_what_would_wait_for_ever_ends(simulation: NativeSimulation, what: str) -> None:
    words = IMAGE.words.copy()
    at = places_of_runs()[0]
    runs = [one.command for one in IMAGE.instructions if isinstance(one.command, RunCommand)]
    statuses = {ImageStatus.TIMED_OUT}
    match what:
        case "no words":
            words[at + 1] = 0
        case "no records":
            words[at + 3] = 0
        case "an unused feeder is fed":
            place = next(number for number, run in enumerate(runs) if run.row_groups == CONFIG.pes)
            at = places_of_runs()[place]
            words[at + FEEDER_WORDS : at + 2 * FEEDER_WORDS] = words[at : at + FEEDER_WORDS]
            # Its words wait in its readers, and are another pass's where it is fed again.
            statuses |= {ImageStatus.GOOD, ImageStatus.FAULT}
        case "a RUN becomes a STORE of nothing":
            words[at - COMMAND_WORDS : at] = encode_fields({"op": CommandOp.STORE, "row_groups": 1})
        case "no command":
            words[at - COMMAND_WORDS] = 5
    words = sealed(words)
    assert verdict(words) == "refused"
    check, run, *good = simulation.perform(steps(words))
    assert check.status is ImageStatus.GOOD
    assert run.status in statuses
    check_good(*good)
