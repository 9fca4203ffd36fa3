"""What comes from outside is refused in a sentence, or means what it says: a thousand of each format; `make campaign` does more."""

from functools import partial

import numpy as np
import pytest

from openwork_dv.fuzzing import FORMATS, FuzzError, fuzz
from openwork_dv.fuzzing import campaign as campaign_module

TIMES = [(name, 10 if name == ".pt2 files" else 100) for name in FORMATS]
"""Formats, and how many trials are quick: a `.pt2` file takes as long as ten others. The thousand of each begin with these."""


@pytest.mark.parametrize(("name", "count"), TIMES)
def test_a_few_of_each_format(name: str, count: int, seed: int) -> None:
    assert fuzz(name, count, seed).trials == count


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_a_thousand_of_each_format(name: str, seed: int) -> None:
    counts = fuzz(name, 1000, seed)
    assert counts.trials == 1000
    assert set(counts.outcomes) >= {"refused", "taken"} - ({"taken"} if name == "feeder regions" else set())


def broken(kind: type[Exception], _rng: np.random.Generator) -> str:
    raise kind("a trial")


def endless(_rng: np.random.Generator) -> str:
    while True:
        pass


@pytest.mark.parametrize(
    ("count", "trial", "said"),
    [
        (2, partial(broken, IndexError), "IndexError: a trial"),
        (2, partial(broken, AssertionError), "AssertionError: a trial"),
        (1, endless, "TimeoutError: a trial takes more than 1 s"),
    ],
)
def test_a_traceback_a_wrong_outcome_and_a_wait_fail(
    count: int, trial: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FORMATS, "broken", trial)
    monkeypatch.setattr(campaign_module, "SECONDS", 1)
    with pytest.raises(FuzzError, match=rf"(?s){count} of {count} trials of broken failed:\nseed \[7, 0\]: .*{said}"):
        fuzz("broken", count, 7)
