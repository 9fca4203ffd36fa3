"""Refreshes are owed one per interval, and none is forgotten while few are owed."""

from random import Random
from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ConfigError
from openwork_hw.arch.sdram import MOST_OWED
from openwork_hw.memory.refresh_timer import RefreshTimer


@pytest.mark.parametrize("interval", [1, 2, 7, 16])
def test_one_is_owed_per_interval_and_one_less_after_each_refresh(interval: int, seed: int) -> None:
    timer, random = RefreshTimer(interval), Random(seed)

    async def bench(ctx: Any) -> None:
        owed, ends = 0, interval - 1
        for cycle in range(600):
            restart = random.random() < 0.02
            refreshed = owed > 0 and random.random() < 0.5 / interval
            ctx.set(timer.restart, restart)
            ctx.set(timer.refreshed, refreshed)
            assert (ctx.get(timer.tick), ctx.get(timer.owed)) == (cycle == ends, owed)
            more = restart or cycle == ends
            ends = cycle + interval if more else ends
            owed = min(owed + more - refreshed, MOST_OWED)
            await ctx.tick()

    simulated(timer, bench)


def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="an interval has 1 cycle or more, not 0"):
        RefreshTimer(0)
