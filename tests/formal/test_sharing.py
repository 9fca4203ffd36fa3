"""The image memory serves its readers in turn, loses no request and mixes up no answer."""

from pathlib import Path

import pytest

from openwork_dv.formal.mutants import mutant
from openwork_dv.formal.prover import Prover
from openwork_dv.formal.sharing import image_memory_properties
from openwork_hw.arch.config import Technology
from openwork_hw.shells import image_memory
from openwork_hw.shells.image_memory import ImageMemory


@pytest.mark.slow
@pytest.mark.parametrize("readers", [1, 3])
def test_readers_take_turns_and_get_their_words(readers: int, tmp_path: Path) -> None:
    prover = Prover(
        image_memory_properties(ImageMemory(4, readers, Technology.GENERIC), readers=readers, words=4), tmp_path
    )
    assert prover.unproved() == []
    assert prover.unreached(cycles=16) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("healthy", "broken", "claim"),
    [
        ("waiting.eq(asking & ~had)", "waiting.eq(asking)", "turn_of_1"),
        ("turn.eq(asking & -asking)", "turn.eq(asking)", "one_at_a_time"),
        ("had.eq(had | turn)", "had.eq(turn)", "turn_of_2"),
        ("valid.eq(age[-1][reader])", "valid.eq(age[-2][reader])", "answer_of_0"),
        ("for reader in age[1:]]", "for reader in age[2:]]", "answer_of_0"),
        ("Mux(age[1][reader], addresses[reader], 0)", "Mux(turn[reader], addresses[reader], 0)", "word_of_0"),
        ("write.word[low:]", "write.word", "word_of_0"),
    ],
)
def test_a_broken_memory_is_found(healthy: str, broken: str, claim: str, tmp_path: Path) -> None:
    memory = mutant(image_memory, healthy, broken).ImageMemory(4, 3, Technology.GENERIC)
    found = Prover(image_memory_properties(memory, readers=3, words=4), tmp_path).counterexample(cycles=16)
    assert found is not None and found.claim == claim
