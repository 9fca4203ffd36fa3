"""The self-test of an external memory: a memory that is right passes, and each fault is named with its bit and its address."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.openwork.command_line import openwork
from tests.openwork.host.models import EXTERNAL
from tests.openwork.host.test_selftest import Worker, checks_of

from openwork.host import Board
from openwork.host.checks import Check
from openwork.host.memory_test import BLOCK_WORDS, memory_checks, memory_plan, sampled_words, word_seconds
from openwork_dv.link import BoardModel, ModelLine
from openwork_hw.arch.link import Identity

Words = NDArray[np.uint32]
Addresses = NDArray[np.int64]

LARGE = replace(EXTERNAL, memory_words=1 << 16, receive_bytes=4096)
SLOW = 115_200


class FaultyMemory:
    """A memory whose address lines or cells do not do what they should.

    Attributes:
        cells: what it holds.
    """

    def __init__(
        self,
        words: int,
        place: Callable[[Addresses], Addresses] = lambda addresses: addresses,
        spoil: Callable[[Addresses, Words], Words] = lambda _, words: words,
    ) -> None:
        """`place`: the cell of each address; `spoil`: what is read instead of the words at addresses."""
        self.cells = np.zeros(words, np.uint32)
        self._place, self._spoil = place, spoil

    def __len__(self) -> int:
        return len(self.cells)

    def _addresses(self, key: Any) -> Addresses:
        return np.atleast_1d(np.arange(len(self.cells))[key])

    def __getitem__(self, key: Any) -> Any:
        addresses = self._addresses(key)
        words = self._spoil(addresses, self.cells[self._place(addresses)].copy())
        return words if isinstance(key, slice) else words[0]

    def __setitem__(self, key: Any, words: Words) -> None:
        self.cells[self._place(self._addresses(key))] = words


def checks_with(
    memory: FaultyMemory | None = None, *, everything: bool = False, identity: Identity = LARGE
) -> list[Check]:
    """The checks of a board with this memory."""
    board = BoardModel(identity, lambda _: b"")
    if memory is not None:
        board.array.memory = memory  # type: ignore[assignment]
    with Board(lambda: ModelLine(board, baud=SLOW)) as host:
        return list(memory_checks(host, np.random.default_rng(1), everything=everything))


def test_a_good_memory_passes_and_a_sample_is_a_part_of_it() -> None:
    sample = checks_with()
    assert [(one.name, one.passed) for one in sample] == [
        ("data lines", True),
        ("address lines", True),
        ("cells", True),
    ]
    assert sample[1].found == "each of 16 bits of the word address"
    assert sample[2].found == "8,192 of 65,536 words, each bit as 0 and 1"
    memory = FaultyMemory(5000)
    whole = checks_with(memory, everything=True, identity=replace(LARGE, memory_words=5000))
    assert all(one.passed for one in whole) and whole[2].found == "5,000 of 5,000 words, each bit as 0 and 1"
    assert (memory.cells != 0).sum() > 4990


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda _, words: words | np.uint32(1 << 5), "bit 5 always reads 1"),
        (lambda _, words: words & np.uint32(0x7FFFFFFE), "bits 0 and 31 always read 0"),
        (lambda _, words: words & (words << np.uint32(1) | np.uint32(0xFFFFFEFF)), "bit 8 depends on other bits"),
        (lambda _, words: words & np.uint32(0xFFFF), "16 bits always read 0"),
    ],
)
def test_a_data_line_is_named(spoil: Callable[[Addresses, Words], Words], found: str) -> None:
    (check,) = checks_with(FaultyMemory(1 << 16, spoil=spoil))
    assert (check.name, check.passed, check.found) == ("data lines", False, found)


@pytest.mark.parametrize("bit", range(16))
@pytest.mark.parametrize("value", [0, 1])
def test_an_address_line_that_is_stuck_is_named(bit: int, value: int) -> None:
    stuck = FaultyMemory(1 << 16, place=lambda addresses: addresses & ~(1 << bit) | value << bit)
    data, check = checks_with(stuck)
    assert data.passed and not check.passed
    assert (
        check.found == f"words 0x0 and {1 << bit:#x} are one cell: address bit {bit} of the word address has no effect"
    )


def test_address_lines_that_touch_are_named() -> None:
    def wired(addresses: Addresses) -> Addresses:
        either = (addresses >> 12 | addresses >> 3) & 1
        return addresses & ~(1 << 12 | 1 << 3) | either << 12 | either << 3

    _, check = checks_with(FaultyMemory(1 << 16, place=wired))
    assert check.found == "words 0x8 and 0x1000 are one cell: address bits 3 and 12 of the word address have no effect"


def test_a_cell_is_named_with_its_bit() -> None:
    def spoil(addresses: Addresses, words: Words) -> Words:
        return np.where(addresses == 2 * BLOCK_WORDS + 77, words & ~np.uint32(1 << 9), words).astype(np.uint32)

    *_, check = checks_with(
        FaultyMemory(5000, spoil=spoil), everything=True, identity=replace(LARGE, memory_words=5000)
    )
    assert not check.passed
    assert check.found.startswith(
        f"1 of 10,000 words are wrong, in bit 9; the first: word {2 * BLOCK_WORDS + 77:#x} reads 0x"
    )
    assert check.found.endswith("which differs in bit 9")


def test_rows_that_forget_are_found_in_a_sample() -> None:
    """A refresh that does not come: what was written is gone when everything has been written."""
    memory = FaultyMemory(1 << 16)
    forgets = FaultyMemory(
        1 << 16, spoil=lambda addresses, words: words ^ np.uint32((addresses[0] // 256 % 4 == 3) * 6)
    )
    assert checks_with(memory)[-1].passed
    assert "in bits 1 and 2" in checks_with(forgets)[-1].found


def test_the_line_is_given_the_time_that_is_said() -> None:
    board = BoardModel(LARGE, lambda _: b"")
    line = ModelLine(board, baud=SLOW)
    with Board(lambda: line) as host:
        start = line.now()
        assert all(one.passed for one in memory_checks(host, np.random.default_rng(1), everything=False))
        taken = line.now() - start
    said = sampled_words(LARGE, SLOW, everything=False) * word_seconds(SLOW)
    assert 0.9 * said < taken < 1.3 * said
    text = memory_plan(LARGE, SLOW, everything=False)
    assert "0.25 MiB of external memory" in text and "8,192 of 65,536 words" in text
    assert "about 12 seconds; --all tests every word and takes about 2 minutes." in text
    assert "every word of the 32 MiB" in memory_plan(replace(LARGE, memory_words=1 << 23), 3_000_000, everything=True)


def test_the_self_test_of_a_board_with_an_external_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(EXTERNAL)
    checks = checks_of(EXTERNAL, monkeypatch, worker)
    lines = ["link", "data lines", "address lines", "cells"]
    assert [one.name for one in checks] == [*lines, "decoder csr", "decoder triplet", "decoder packed"]
    assert all(one.passed for one in checks)
    worker = Worker(EXTERNAL)
    worker.board.array.memory = FaultyMemory(16384, place=lambda all: all & ~64)  # type: ignore[assignment]
    checks = checks_of(EXTERNAL, monkeypatch, worker)
    assert [one.passed for one in checks] == [True, True, False]


def test_the_command_says_beforehand_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(EXTERNAL)
    worker.board.array.memory = FaultyMemory(16384, spoil=lambda _, words: words | np.uint32(4))  # type: ignore[assignment]
    monkeypatch.setattr(Board, "open", lambda *_: Board(lambda: ModelLine(worker.board)))
    for option, said in (((), "Testing every word of the"), (("--all",), "Testing every word of the 0.0625 MiB")):
        status, text = openwork("selftest", "--port", "model", "--seed", "1", *option)
        assert status == 1 and text.startswith(said) and "bit 2 always reads 1" in " ".join(text.split())
