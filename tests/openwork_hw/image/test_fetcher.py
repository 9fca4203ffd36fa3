"""The fetcher alone: what it writes, what it announces, and what it says about words that are no external image."""

from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.openwork.compiler.test_network import classifier
from tests.openwork_hw.arch.test_external_image import rebuilt, smallest_scratchpad
from tests.openwork_hw.simulated import simulated
from tests.slow import slow_but

from openwork.compiler.network import compile_network
from openwork_hw.arch.config import PRESETS
from openwork_hw.arch.external_image import check_external_words, external_words
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.transfers import TransferKind
from openwork_hw.image.fetcher import Fetcher

CONFIG = PRESETS["demo"]


@cache
def image() -> tuple[NDArray[np.uint32], int]:
    """An external image with many transfers that wait, and its scratchpad's words."""
    words = compile_network(classifier(), CONFIG).words
    size = smallest_scratchpad(words, CONFIG)
    return external_words(words, CONFIG, size), size


@dataclass
class Seen:
    """What a fetcher did: (address, word) and, of announcements, (writes before it, address, words)."""

    writes: list[tuple[int, int]] = field(default_factory=list)
    announcements: list[tuple[int, int, int]] = field(default_factory=list)
    status: ImageStatus | None = None
    transfer: int = 0
    waited: list[int] = field(default_factory=list)


def fetch(
    words: NDArray[np.uint32], *, dry: bool, seed: int, pause: float = 0.0, reports: int = 1 << 20, cycles: int = 20_000
) -> Seen:
    """Give a fetcher these words, then zeros.

    Args:
        pause: how often a word is not there, a region is not taken, or no command is reported.
        reports: so many commands are reported at most.
    """
    random, seen = Random(seed), Seen()
    dut = Fetcher(CONFIG, scratchpad_words=image()[1], address_bits=20)
    given = [*words.tolist(), *[0] * 100]

    async def bench(ctx: Any) -> None:
        for once in range(2):  # the second time to see that nothing is left of the first
            seen.__init__()  # type: ignore[misc]
            place, reported, started = 0, 0, False
            ctx.set(dut.dry, dry)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for _ in range(cycles):
                ctx.set(dut.o_starts.ready, random.random() >= pause)
                offered = started and (ctx.get(dut.i.valid) or random.random() >= pause)
                ctx.set(dut.i.valid, offered)
                ctx.set(dut.i.payload, given[place])
                ctx.set(dut.o_regions.ready, random.random() >= pause)
                # Once in a while, as commands are.
                pulse = started and reported < reports and random.random() < 0.02
                ctx.set(dut.reported, pulse)
                started |= bool(ctx.get(dut.o_starts.valid) and ctx.get(dut.o_starts.ready))
                if ctx.get(dut.o_writes.valid):
                    seen.writes.append((ctx.get(dut.o_writes.payload.address), ctx.get(dut.o_writes.payload.word)))
                    seen.waited.append(reported)
                if ctx.get(dut.o_regions.valid) and ctx.get(dut.o_regions.ready):
                    region = ctx.get(dut.o_regions.payload)
                    seen.announcements.append((len(seen.writes), region.address, region.words))
                place += bool(offered and ctx.get(dut.i.ready))
                reported += pulse
                if ctx.get(dut.done):
                    seen.status, seen.transfer = ImageStatus(ctx.get(dut.status)), ctx.get(dut.transfer)
                    break
                await ctx.tick()
            await ctx.tick()
            if seen.status is None:
                return
            assert once or not ctx.get(dut.done)

    simulated(dut, bench)
    return seen


@pytest.mark.parametrize("pause", slow_but([0.0, 0.4], 0.4))
def test_every_write_and_every_announcement_is_right(pause: float, seed: int) -> None:
    words, size = image()
    transfers = check_external_words(words, CONFIG, size)
    seen = fetch(words, dry=False, seed=seed, pause=pause)
    assert (seen.status, seen.transfer) == (ImageStatus.GOOD, len(transfers) - 1)
    writes, waits, announcements = [], [], []
    for transfer in transfers[:-1]:
        writes += [(transfer.address + index, word) for index, word in enumerate(transfer.words.tolist())]
        waits += [transfer.after] * len(transfer.words)
        if transfer.kind is TransferKind.PROGRAM:
            announcements.append((len(writes), transfer.address, len(transfer.words)))
    assert seen.writes == writes
    assert seen.announcements == announcements
    assert all(had >= wanted for had, wanted in zip(seen.waited, waits, strict=True))
    assert max(waits) > 0


def test_a_transfer_waits_for_the_commands_whose_words_it_overwrites(seed: int) -> None:
    words, size = image()
    transfers = check_external_words(words, CONFIG, size)
    first = next(number for number, transfer in enumerate(transfers) if transfer.after)
    seen = fetch(words, dry=False, seed=seed, reports=transfers[first].after - 1, cycles=6000)
    assert seen.status is None
    assert len(seen.writes) == sum(len(transfer.words) for transfer in transfers[:first])


def test_a_check_reads_all_and_does_nothing(seed: int) -> None:
    seen = fetch(image()[0], dry=True, seed=seed)
    assert seen.status is ImageStatus.GOOD
    assert not seen.writes
    assert not seen.announcements


def headed(place: int, word: int) -> NDArray[np.uint32]:
    """The image with another word in its header, and a right sum."""
    words, size = image()
    changed = words.copy()
    changed[place] = word
    if place != 3:
        return rebuilt(changed, check_external_words(words, CONFIG, size))
    from zlib import crc32

    changed[8] = crc32(changed[:8].tobytes())
    return changed


@pytest.mark.parametrize(
    ("place", "change", "status"),
    [
        (0, 5, ImageStatus.MAGIC),
        (1, 2, ImageStatus.VERSION),
        (2, 7, ImageStatus.CONFIGURATION),
        (3, 1 << 25, ImageStatus.LENGTH),
        pytest.param(3, +1, ImageStatus.LENGTH, marks=pytest.mark.slow),
        (3, -1, ImageStatus.LENGTH),
        (4, 1 << 20, ImageStatus.LENGTH),
    ],
)
def test_a_wrong_header_is_found(place: int, change: int, status: ImageStatus, seed: int) -> None:
    word = int(image()[0][3]) + change if place == 3 else change
    assert fetch(headed(place, word), dry=True, seed=seed).status is status


@pytest.mark.parametrize("number", slow_but([1, 6], 1))
def test_any_flipped_bit_is_found_before_a_command_that_could_use_it(number: int, seed: int) -> None:
    """In dry runs and in others; whatever has been announced before is whole."""
    words, size = image()
    random = Random(seed)
    transfers = check_external_words(words, CONFIG, size)
    whole = fetch(words, dry=False, seed=seed)
    for _ in range(number):
        place = random.randrange(9, len(words))
        damaged = words.copy()
        damaged[place] ^= np.uint32(1 << random.randrange(32))
        seen = fetch(damaged, dry=random.random() < 0.5, seed=seed)
        assert seen.status in (ImageStatus.DAMAGED, ImageStatus.LENGTH)
        assert seen.transfer < len(transfers)
        assert seen.announcements == whole.announcements[: len(seen.announcements)]
        assert seen.writes[: sum(len(one.words) for one in transfers[: seen.transfer])] == (
            whole.writes[: sum(len(one.words) for one in transfers[: seen.transfer])] if seen.writes else []
        )
