"""ReturnPath: bytes wait in order, and none of before the chain was in order."""

from typing import Any

import numpy as np
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import BACK_HOPS
from openwork_hw.sequencing.return_path import ReturnPath, queue_bytes

CONFIG = ArrayConfig(pes=1, lanes=3)


def test_as_many_bytes_wait_as_the_queue_holds() -> None:
    dut = ReturnPath(CONFIG)
    sent = np.random.default_rng(7).integers(-128, 128, queue_bytes(CONFIG)).tolist()
    came: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i_byte_valid, 1)
        await ctx.tick().repeat(BACK_HOPS + 3)
        ctx.set(dut.i_byte_valid, 0)
        await ctx.tick().repeat(BACK_HOPS + 3)
        ctx.set(dut.flushed, 1)
        ctx.set(dut.i_byte_valid, 1)
        for value in sent:
            ctx.set(dut.i_byte, value)
            await ctx.tick()
        ctx.set(dut.i_byte_valid, 0)
        await ctx.tick().repeat(BACK_HOPS + 5)
        ctx.set(dut.o.ready, 1)
        for _ in sent:
            assert ctx.get(dut.o.valid)
            came.append(ctx.get(dut.o.payload))
            await ctx.tick()
        assert not ctx.get(dut.o.valid)
        ctx.set(dut.i_done, 1)
        ctx.set(dut.i_fault, {"kind": 3})
        await ctx.tick().repeat(BACK_HOPS - 1)
        assert not ctx.get(dut.done)
        await ctx.tick()
        assert ctx.get(dut.done) and ctx.get(dut.fault.kind) == 3

    simulated(dut, bench)
    assert came == sent
