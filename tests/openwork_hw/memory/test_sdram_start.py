"""The start-up's commands in their order, after the chip's pause."""

from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.sdram import SDRAM_CHIPS, Command, SdramConfig
from openwork_hw.memory.sdram_start import SdramStart


@pytest.mark.parametrize("clock_hz", [48e6, 100e6, 133e6])
@pytest.mark.parametrize("name", SDRAM_CHIPS)
def test_the_commands_of_the_start_up(name: str, clock_hz: float) -> None:
    config = SdramConfig(SDRAM_CHIPS[name], clock_hz)
    start = SdramStart(config)
    given: list[tuple[int, Command]] = []

    async def bench(ctx: Any) -> None:
        for tick in range(1, 100):
            # Between ticks nothing is given.
            ctx.set(start.tick, 0)
            assert Command(ctx.get(start.command)) == Command.NONE
            await ctx.tick()
            ctx.set(start.tick, 1)
            if (command := Command(ctx.get(start.command))) != Command.NONE:
                given.append((tick, command))
            assert ctx.get(start.done) == (given[-1:] != [] and given[-1][1] == Command.MODE and tick > given[-1][0])
            await ctx.tick()

    simulated(start, bench)
    assert [command for _, command in given] == [Command.PRECHARGE, *8 * [Command.REFRESH], Command.MODE]
    ticks = [tick for tick, _ in given]
    assert ticks == list(range(ticks[0], ticks[0] + 10)), "one per tick"
    pause = (ticks[0] - 1) * config.refresh_interval / clock_hz * 1e9
    assert pause >= config.chip.startup, "of the first tick, only its end is sure"
