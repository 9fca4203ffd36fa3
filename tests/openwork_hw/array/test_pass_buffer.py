"""PassBuffer: a pass takes what belongs to it, and what follows waits for the next pass."""

from typing import Any

import numpy as np
import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.array.pass_buffer import PassBuffer
from openwork_hw.decoder.payloads import WeightWord


@pytest.mark.parametrize("registers", [False, True])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_each_pass_gets_its_own_payloads(stall: float, registers: bool) -> None:
    dut = PassBuffer(WeightWord, registers=registers)
    rng = np.random.default_rng(9)
    passes = [list(range(10 * number, 10 * number + length)) for number, length in enumerate((3, 1, 5, 2), 1)]
    words = [(value, value == one[-1]) for one in passes for value in one]
    came: list[list[int]] = []

    async def bench(ctx: Any) -> None:
        at = 0
        for one in passes:
            ctx.set(dut.clear, 1)
            ctx.set(dut.o.ready, 1)
            await ctx.tick()
            ctx.set(dut.clear, 0)
            came.append([])
            for _ in range(12 * len(one)):
                offered = at < len(words) and bool(rng.random() >= stall)
                ctx.set(dut.i.valid, offered)
                if offered:
                    ctx.set(dut.i.payload, {"data": words[at][0], "last": words[at][1]})
                ctx.set(dut.o.ready, bool(rng.random() >= stall))
                if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                    came[-1].append(ctx.get(dut.o.payload.data))
                at += offered and ctx.get(dut.i.ready)
                await ctx.tick()
            ctx.set(dut.i.valid, 0)

    simulated(dut, bench)
    assert came == passes
