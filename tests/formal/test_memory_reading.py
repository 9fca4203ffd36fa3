"""The memory reader asks for its regions' words, each once and in order, and loses none."""

from pathlib import Path

import pytest

from openwork_dv.formal.memory_reading import memory_reader_properties
from openwork_dv.formal.mutants import mutant
from openwork_dv.formal.properties import Properties
from openwork_dv.formal.prover import Prover
from openwork_hw.image import memory_reader
from openwork_hw.image.memory_reader import ADDRESS_BITS, MemoryReader


def reader_properties(kind: type[MemoryReader], ahead: int, address_bits: int) -> Properties:
    reader = kind(ahead=ahead, address_bits=address_bits)
    return memory_reader_properties(reader, ahead=ahead, address_bits=address_bits, word_bits=3)


@pytest.mark.slow
@pytest.mark.parametrize(("ahead", "address_bits"), [(3, ADDRESS_BITS), (4, 5)])
def test_the_reader_asks_for_its_regions_and_keeps_order(ahead: int, address_bits: int, tmp_path: Path) -> None:
    prover = Prover(reader_properties(MemoryReader, ahead, address_bits), tmp_path)
    assert prover.unproved() == []
    assert prover.unreached(cycles=25) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("healthy", "broken", "claim"),
    [
        ("begins.eq(waits & (to_come == 0))", "begins.eq(waits & (to_ask == 0))", "asks_within_the_region"),
        ("more & (room != 0)", "(to_come != 0) & (room != 0)", "asks_within_the_region"),
        ("room.eq(room - asks + goes)", "room.eq(room - asks + comes)", "order_and_payload"),
        ("word.last.eq(to_come == 1)", "word.last.eq(to_ask == 1)", "order_and_payload"),
        ("self.i_regions.ready.eq(~waits)", "self.i_regions.ready.eq(1)", "region_is_taken_when_none_waits"),
        ("queue.r_en.eq(self.o.ready | self.clear)", "queue.r_en.eq(self.o.ready)", "idle_leaves_nothing"),
        ("with m.If(~self.o_requests.valid | self.o_requests.ready):", "with m.If(1):", "request_stays"),
        ("self.idle.eq(~waits & ~more & (room == self._ahead))", "self.idle.eq(~waits & ~more)", "idle_leaves_nothing"),
        ("address.eq(address + asks)", "address.eq(address + self.o_requests.valid)", "asks_in_order"),
    ],
)
def test_a_broken_reader_is_found(healthy: str, broken: str, claim: str, tmp_path: Path) -> None:
    twin = mutant(memory_reader, healthy, broken)
    found = Prover(reader_properties(twin.MemoryReader, 4, ADDRESS_BITS), tmp_path).counterexample(cycles=20)
    assert found is not None and found.claim == claim


def test_a_queue_that_could_lose_words_is_refused() -> None:
    with pytest.raises(ValueError, match="ahead must be 3 or more, not 2"):
        MemoryReader(ahead=2, address_bits=ADDRESS_BITS)
