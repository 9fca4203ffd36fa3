"""PooledSum: over lanes, then over PEs."""

from typing import Any

import numpy as np
import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array.pooled_sum import PooledSum

CONFIG = ArrayConfig(pes=2, lanes=3)


@pytest.mark.parametrize("is_first", [False, True])
def test_the_sum_is_that_of_all_lanes_and_the_pes_above(is_first: bool) -> None:
    dut = PooledSum(CONFIG)
    rng = np.random.default_rng(1)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.is_first, is_first)
        for _ in range(20):
            sums = rng.integers(-5000, 5000, CONFIG.lanes).tolist()
            for lane, value in enumerate(sums):
                ctx.set(dut.i, value)
                ctx.set(dut.first, lane == 0)
                await ctx.tick()
            above = int(rng.integers(-5000, 5000))
            ctx.set(dut.i_total, above)
            await ctx.tick()
            assert ctx.get(dut.o_total) == sum(sums) + (0 if is_first else above)

    simulated(dut, bench)
