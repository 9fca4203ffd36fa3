"""LinearChecker: each rule of a linear image, whatever the pace of its memory."""

from random import Random
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator
from numpy.typing import NDArray

from openwork_hw.arch.commands import LoadCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import ImageStatus, Instruction, assemble
from openwork_hw.arch.linear_image import check_sum, linear_words
from openwork_hw.image.linear_checker import LinearChecker

CONFIG = ArrayConfig(pes=1, lanes=1)
MOST_WORDS = 60
LOAD = Instruction(LoadCommand(row_groups=1, group=0, address=0, words=1))


def image(commands: int = 3) -> NDArray[np.uint32]:
    """A linear image of nothing but LOAD commands."""
    return linear_words(assemble([LOAD] * commands, CONFIG), CONFIG)


def statuses(memories: list[NDArray[np.uint32]]) -> list[ImageStatus]:
    """What one checker says of one memory after the other, each followed by words that are no part of it."""
    random = Random(1)
    checker = LinearChecker(CONFIG, most_words=MOST_WORDS)
    found: list[ImageStatus] = []

    async def bench(ctx: Any) -> None:
        for words in memories:
            ctx.set(checker.start, 1)
            await ctx.tick()
            ctx.set(checker.start, 0)
            for word in [*words.tolist(), *([0xFFFFFFFF] * MOST_WORDS)]:
                for low in range(30, -2, -2):
                    ctx.set(checker.i_bits, word >> low & 3)
                    ctx.set(checker.i_bits_valid, 1)
                    await ctx.tick()
                    ctx.set(checker.i_bits_valid, 0)
                    for _ in range(random.randrange(3)):
                        await ctx.tick()
                ctx.set(checker.i.payload, word)
                ctx.set(checker.i.valid, 1)
                assert ctx.get(checker.i.ready)
                await ctx.tick()
                ctx.set(checker.i.valid, 0)
                if ctx.get(checker.done):
                    found.append(ImageStatus(ctx.get(checker.status)))
                    await ctx.tick()
                    break

    simulator = Simulator(checker)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def with_word(place: int, word: int) -> NDArray[np.uint32]:
    """An image with another word and the check sum that belongs to it."""
    words = image()
    words[place] = word
    words[-1] = check_sum(words[:-1])
    return words


@pytest.mark.parametrize(
    ("place", "word", "status"),
    [
        (0, 0x4F574C32, ImageStatus.MAGIC),
        (1, 2, ImageStatus.VERSION),
        (2, CONFIG.fingerprint ^ 1 << 31, ImageStatus.CONFIGURATION),
        (3, 16, ImageStatus.LENGTH),
        (3, MOST_WORDS + 1, ImageStatus.LENGTH),
        (3, 1 << 31, ImageStatus.LENGTH),
        (3, len(image()) - 1, ImageStatus.DAMAGED),
        (3, len(image()) + 1, ImageStatus.DAMAGED),
    ],
)
def test_each_rule_has_its_status_and_a_sound_image_is_good_again(place: int, word: int, status: ImageStatus) -> None:
    assert statuses([image(), with_word(place, word), image(1)]) == [ImageStatus.GOOD, status, ImageStatus.GOOD]


def test_any_bit_behind_the_header_counts() -> None:
    random = Random(2)
    damaged = []
    for _ in range(10):
        words = image()
        words[random.randrange(4, len(words))] ^= 1 << random.randrange(32)
        damaged.append(words)
    assert statuses(damaged) == [ImageStatus.DAMAGED] * 10
