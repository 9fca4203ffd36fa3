"""CommandCounters: the last word, lane and entry are said in time."""

from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.sequencing.command_counters import CommandCounters


@pytest.mark.parametrize("lanes", [1, 2, 5])
@pytest.mark.parametrize("words", [1, 2, 7])
def test_words_lanes_and_entries_are_counted(words: int, lanes: int) -> None:
    dut = CommandCounters(ArrayConfig(pes=1, lanes=lanes))

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i, {"words": words, "address": 20, "table_entries": words})
        ctx.set(dut.follow, 1)
        await ctx.tick().repeat(2)
        ctx.set(dut.follow, 0)
        await ctx.tick()
        for word in range(words):
            assert ctx.get(dut.more)
            assert (ctx.get(dut.address), ctx.get(dut.entry)) == (20 + word, word)
            assert ctx.get(dut.last_word) == ctx.get(dut.last_entry) == (word == words - 1)
            for lane in range(lanes):
                assert ctx.get(dut.last_lane) == (lane == lanes - 1)
                ctx.set(dut.byte_done, 1)
                ctx.set(dut.word_done, lane == lanes - 1)
                ctx.set(dut.entry_done, lane == lanes - 1)
                await ctx.tick()
            for name in ("byte_done", "word_done", "entry_done"):
                ctx.set(getattr(dut, name), 0)
        assert not ctx.get(dut.more)

    simulated(dut, bench)
