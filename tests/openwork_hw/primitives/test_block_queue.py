"""BlockQueue gives back what came, in order, and is full when it is."""

from random import Random
from typing import Any

import pytest
from amaranth.sim import Simulator

from openwork_hw.arch.config import ConfigError, Technology
from openwork_hw.primitives.block_queue import BlockQueue

DEPTH = 8


@pytest.mark.parametrize(("fills", "empties"), [(0.9, 0.1), (0.1, 0.9), (0.5, 0.5), (1.0, 1.0)])
def test_payloads_come_out_in_order(fills: float, empties: float) -> None:
    random = Random(1)
    dut = BlockQueue(12, DEPTH, Technology.GENERIC)
    inside: list[int] = []
    taken, fullest = 0, 0

    async def bench(ctx: Any) -> None:
        nonlocal taken, fullest
        for _ in range(2000):
            payload, offers, takes = random.randrange(1 << 12), random.random() < fills, random.random() < empties
            ctx.set(dut.i.payload, payload)
            ctx.set(dut.i.valid, offers)
            ctx.set(dut.o.ready, takes)
            assert ctx.get(dut.i.ready) == (len(inside) < DEPTH)
            if takes and ctx.get(dut.o.valid):
                assert ctx.get(dut.o.payload) == inside[0]
                taken += 1
                leaves = True
            else:
                leaves = False
            if offers and ctx.get(dut.i.ready):
                inside.append(payload)
            if leaves:
                inside.pop(0)
            fullest = max(fullest, len(inside))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert taken > 100 and (fullest == DEPTH or fills < empties)


def test_a_depth_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(ConfigError, match="power of two of places, 2 or more, not 12"):
        BlockQueue(8, 12, Technology.GENERIC)
