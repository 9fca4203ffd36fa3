"""ImageChecker: each rule of an image, and the pauses of its memory."""

from random import Random
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from numpy.typing import NDArray

from openwork_hw.arch.commands import LoadCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import ImageStatus, Instruction, assemble
from openwork_hw.image.checker import ImageChecker

CONFIG = ArrayConfig(pes=1, lanes=1)
ADDRESS_BITS = 6


def image(commands: int) -> NDArray[np.uint32]:
    """An image of nothing but LOAD commands; the last word is the check sum."""
    load = Instruction(LoadCommand(row_groups=1, group=0, address=0, words=1))
    return assemble([load] * commands, CONFIG)


def status(words: NDArray[np.uint32], seed: int, offer: float) -> ImageStatus:
    """What the checker says of an image in a memory that has a word with this probability in each cycle."""
    random = Random(seed)
    checker = ImageChecker(CONFIG, address_bits=ADDRESS_BITS)
    found: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(checker.start, 1)
        await ctx.tick()
        ctx.set(checker.start, 0)
        left: list[tuple[int, bool]] = []
        for _ in range(10_000):
            ctx.set(checker.o_regions.ready, not left)
            if ctx.get(checker.o_regions.valid) and not left:
                region = ctx.get(checker.o_regions.payload)
                end = region.address + region.words
                left = [(int(words[at % len(words)]), at == end - 1) for at in range(region.address, end)]
                await ctx.tick()
                continue
            offers = bool(left) and random.random() < offer
            ctx.set(checker.i.valid, offers)
            if offers:
                ctx.set(checker.i.payload, {"data": left[0][0], "last": left[0][1]})
                # An offered word stays until it is taken.
                while not ctx.get(checker.i.ready):
                    await ctx.tick()
                left.pop(0)
            if ctx.get(checker.done):
                found.append(int(ctx.get(checker.status)))
                return
            await ctx.tick()

    simulator = Simulator(checker)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return ImageStatus(found[0])


@pytest.mark.parametrize("offer", [1.0, 0.3])
def test_a_whole_image_is_good(offer: float) -> None:
    assert status(image(2), 1, offer) == ImageStatus.GOOD


@pytest.mark.parametrize("bit", [0, 7, 8, 31])
@pytest.mark.parametrize("place", [5, 8, -2, -1])
def test_a_changed_bit_is_damage(place: int, bit: int) -> None:
    words = image(2)
    words[place] ^= np.uint32(1 << bit)
    assert status(words, 2, 0.7) == ImageStatus.DAMAGED


@pytest.mark.parametrize(
    ("place", "rule"), [(0, ImageStatus.MAGIC), (1, ImageStatus.VERSION), (2, ImageStatus.CONFIGURATION)]
)
def test_a_wrong_header_is_told(place: int, rule: ImageStatus) -> None:
    words = image(2)
    words[place] += np.uint32(1)
    assert status(words, 3, 0.7) == rule


def test_more_words_than_the_memory_has_are_refused() -> None:
    fits, too_long = image(5), image(6)
    assert len(fits) < 1 << ADDRESS_BITS <= len(too_long)
    assert status(fits, 4, 1.0) == ImageStatus.GOOD
    assert status(too_long, 4, 1.0) == ImageStatus.LENGTH
