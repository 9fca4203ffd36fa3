"""Whatever a program says, a run of it ends, and the next good image runs right: hostile images under a right check sum, in RTL."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from openwork.image import Image
from openwork_dv.fuzzing.rtl import ARRAYS, HostileRuns, hostile_runs
from openwork_dv.fuzzing.subjects import SMALL
from openwork_dv.hostile import Part, sealed
from openwork_hw.arch.commands import RunCommand
from openwork_hw.arch.image import COMMAND_WORDS, FEEDER_WORDS, CommandOp, ImageStatus, encode_fields
from openwork_hw.arch.nonzeros import Encoding


@pytest.fixture(scope="module")
def runs() -> HostileRuns:
    return HostileRuns(SMALL, Encoding.CSR, seed=1)


def test_hostile_images_end_and_the_next_one_is_right(runs: HostileRuns, seed: int) -> None:
    met = runs.trials(np.random.default_rng([seed, 1]), 60)
    assert met["TIMED_OUT"] and met["GOOD"] and met["FAULT"], met


@pytest.mark.slow
@pytest.mark.parametrize("name", ARRAYS)
def test_two_thousand_hostile_images_end_and_mean_what_the_model_says(name: str, seed: int) -> None:
    met = hostile_runs(ARRAYS[name], Encoding.CSR, 2000 if ARRAYS[name] is SMALL else 400, seed, lambda _: None)
    assert met["refused"] and met["malformed stream"] and met["taken"] and met["answered timed_out"], met


def places_of_runs(image: Image) -> list[int]:
    """Where each RUN's feeder words begin."""
    at, found = int(image.words[4]), []
    for instruction in image.instructions:
        at += COMMAND_WORDS
        if isinstance(instruction.command, RunCommand):
            found.append(at)
            at += FEEDER_WORDS * len(SMALL.feeders) + len(instruction.taps)
    return found


def without_last(runs: HostileRuns) -> NDArray[np.uint32]:
    """No record says that it is the last."""
    words = runs.image.words.copy()
    for place in runs.anatomy.places[Part.RECORD][::2]:
        words[place] &= ~np.uint32(1 << 22)
    return words


def early_last(runs: HostileRuns) -> NDArray[np.uint32]:
    """Every record says so."""
    words = runs.image.words.copy()
    for place in runs.anatomy.places[Part.RECORD][::2]:
        words[place] |= np.uint32(1 << 22)
    return words


@pytest.mark.parametrize("change", [without_last, early_last])
def test_records_end_with_their_number_whatever_bit_is_set(
    runs: HostileRuns, change: Callable[[HostileRuns], NDArray[np.uint32]]
) -> None:
    words = sealed(change(runs))
    assert runs.verdict(words) == "refused"
    ((_, run),) = runs.results([words])
    assert run.status is ImageStatus.GOOD
    assert (run.outputs == runs.results([runs.image.words])[0][1].outputs).all()


ENDLESS = ("no words", "no records", "an unused feeder is fed", "a RUN becomes a STORE of nothing", "no command")


@pytest.mark.parametrize("what", ENDLESS)
def test_what_would_wait_for_ever_ends(runs: HostileRuns, what: str) -> None:
    words = runs.image.words.copy()
    places = places_of_runs(runs.image)
    commands = [one.command for one in runs.image.instructions if isinstance(one.command, RunCommand)]
    at = places[0]
    statuses = {ImageStatus.TIMED_OUT}
    match what:
        case "no words":
            words[at + 1] = 0
        case "no records":
            words[at + 3] = 0
        case "an unused feeder is fed":
            at = places[next(number for number, run in enumerate(commands) if run.row_groups == SMALL.pes)]
            words[at + FEEDER_WORDS : at + 2 * FEEDER_WORDS] = words[at : at + FEEDER_WORDS]
            # Its words wait in its readers, and are another pass's where it is fed again.
            statuses |= {ImageStatus.GOOD, ImageStatus.FAULT}
        case "a RUN becomes a STORE of nothing":
            words[at - COMMAND_WORDS : at] = encode_fields({"op": CommandOp.STORE, "row_groups": 1})
        case "no command":
            words[at - COMMAND_WORDS] = 5
    words = sealed(words)
    assert runs.verdict(words) == "refused"
    ((check, run),) = runs.results([words])
    assert check.status is ImageStatus.GOOD
    assert run.status in statuses
