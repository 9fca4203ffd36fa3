"""Drain: sums become activations lane by lane, those outside the map the fill value."""

from typing import Any

import numpy as np
import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.arithmetic import requantize_folded
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import ACTIVATION_TABLE_CYCLES, REQUANTIZER_CYCLES, SUM_CYCLES
from openwork_hw.array.drain import Drain

FILL = 33


def in_table(value: int) -> int:
    """What stands in the table of these tests for a byte."""
    return (value * 7 + 3) % 256 - 128


@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.parametrize("full_lanes", [0, 2, 4])
@pytest.mark.parametrize("tabled", [None, False, True], ids=["no_tables", "table_unused", "table"])
def test_a_lane_each_cycle_comes_out(full_lanes: int, outside: bool, tabled: bool | None) -> None:
    config = ArrayConfig(pes=1, lanes=4, activation_tables=tabled is not None)
    dut = Drain(config)
    rng = np.random.default_rng(6)
    late = ACTIVATION_TABLE_CYCLES if config.activation_tables else 0

    async def table(ctx: Any) -> None:
        """Answers as late as a block memory."""
        asked = [0] * ACTIVATION_TABLE_CYCLES
        async for *_, place in ctx.tick().sample(dut.o_look_up):
            asked = [place - 128, *asked[:-1]]
            ctx.set(dut.i_looked_up, in_table(asked[-1]))

    async def bench(ctx: Any) -> None:
        settings = {"low": -100, "high": 90, "fill": FILL, "full_lanes": full_lanes}
        ctx.set(dut.settings, settings | ({"tabled": tabled} if config.activation_tables else {}))
        for beyond_right in (0, 1, 0, 1):
            sums = rng.integers(-60_000, 60_000, config.lanes).tolist()
            offset, shift = int(rng.integers(-900, 900)), int(rng.integers(0, 11))
            end = {"offset": offset, "shift": shift, "address": 17}
            ctx.set(dut.i, {"end": end, "beyond_right": beyond_right, "outside": outside})
            ctx.set(dut.i_change, 1)
            await ctx.tick()
            ctx.set(dut.i_change, 0)
            ctx.set(dut.i, {"end": {"offset": 1}, "beyond_right": 1 - beyond_right})
            await ctx.tick().repeat(SUM_CYCLES - 1)
            ctx.set(dut.i_sums, sums)
            ctx.set(dut.capture, (1 << config.lanes) - 1)
            await ctx.tick()
            ctx.set(dut.capture, 0)
            ctx.set(dut.i_sums, [1] * config.lanes)
            ctx.set(dut.begins, 1)
            # The row's captured a cycle after it was known: that is when `begins` is high.
            await ctx.tick()
            ctx.set(dut.begins, 0)
            await ctx.tick()
            assert ctx.get(dut.o_end.address) == 17
            await ctx.tick().repeat(REQUANTIZER_CYCLES + late)
            for lane, value in enumerate(sums):
                filled = outside or lane > full_lanes or (lane == full_lanes and beyond_right)
                number = requantize_folded(value, offset, shift, -100, 90)
                assert ctx.get(dut.o) == (FILL if filled else in_table(number) if tabled else number)
                await ctx.tick()

    simulated(dut, bench, *([table] if config.activation_tables else []))
