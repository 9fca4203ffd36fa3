"""SkidBuffer passes everything on, in order, at any rate."""

from random import Random
from typing import Any

import pytest
from amaranth.sim import Simulator

from openwork_hw.stream.skid_buffer import SkidBuffer

CYCLES = 300


@pytest.mark.parametrize(("offer", "accept"), [(1.0, 1.0), (0.5, 0.5), (1.0, 0.2), (0.2, 1.0)])
def test_order_and_rate(offer: float, accept: float) -> None:
    random = Random(1)
    buffer = SkidBuffer(8)
    received: list[int] = []
    sent = 0

    async def bench(ctx: Any) -> None:
        nonlocal sent
        offering = False
        for _ in range(CYCLES):
            offering = offering or random.random() < offer
            ready_before = ctx.get(buffer.i.ready)
            ctx.set(buffer.i.valid, offering)
            ctx.set(buffer.i.payload, sent & 255)
            ctx.set(buffer.o.ready, random.random() < accept)
            assert ctx.get(buffer.i.ready) == ready_before, "ready depends on the other side"
            if ctx.get(buffer.o.valid) and ctx.get(buffer.o.ready):
                received.append(ctx.get(buffer.o.payload))
            if offering and ctx.get(buffer.i.ready):
                sent, offering = sent + 1, False
            await ctx.tick()

    simulator = Simulator(buffer)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert received == [index & 255 for index in range(len(received))]
    assert len(received) >= sent - 1
    if offer == accept == 1.0:
        assert len(received) == CYCLES
