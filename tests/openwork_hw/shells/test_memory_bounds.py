"""MemoryBounds: a request that reaches beyond the memory by a word is found, one that ends with it is not."""

from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.link import Identity
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.shells.memory_bounds import MemoryBounds

WORDS = 100


@pytest.mark.parametrize("writable", [False, True])
@pytest.mark.parametrize(
    ("address", "words", "beyond"),
    [(0, 8, 0), (92, 8, 0), (93, 8, 1), (100, 1, 1), (1 << 8, 1, 1), (1 << 31, 1, 1), ((1 << 32) - 4, 8, 1)],
)
def test_the_last_word_is_inside_and_the_next_one_beyond(address: int, words: int, beyond: int, writable: bool) -> None:
    """A memory that is read alone has a power of two of words: only the address counts."""
    memory_words = WORDS if writable else 1 << 7
    dut = MemoryBounds(Identity(ArrayConfig(1, 1), (Encoding.CSR,), memory_words, 64, 64, 1_000_000, writable=writable))

    async def bench(ctx: Any) -> None:
        ctx.set(dut.header, {"address": address, "length": 4 * words})
        await ctx.tick().repeat(2)
        assert ctx.get(dut.beyond) == (beyond if writable else address >= memory_words)

    simulated(dut, bench)
