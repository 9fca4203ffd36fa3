"""ReplayPointer: pixel outer, nonzero inner, at the pace of the elements."""

from itertools import pairwise
from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import write_cycles
from openwork_hw.array.replay_pointer import ReplayPointer

LENGTH = 5


@pytest.mark.parametrize("single_port", [False, True])
@pytest.mark.parametrize("lanes", [1, 4, 7])
@pytest.mark.parametrize("hold", [1, 2, 4])
def test_a_row_is_walked_once_for_each_pixel(hold: int, lanes: int, single_port: bool) -> None:
    config = ArrayConfig(pes=1, lanes=lanes, row_buffer_nonzeros=16, single_port=single_port)
    dut = ReplayPointer(config)
    issued: list[tuple[int, int, int, int]] = []
    cycles: list[int] = []
    lasts: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.settings, {"single_pixel": hold == 1, "turn_base": max(hold - 2, 0)})
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        # One row of LENGTH nonzeros is in the ring, and the only one in the queue.
        ctx.set(dut.seen, LENGTH)
        ctx.set(dut.before_seen, LENGTH - 1)
        ctx.set(dut.head, {"end": LENGTH - 1, "before_end": LENGTH - 2, "final": 1})
        ctx.set(dut.occupied, 1)
        pixel = 0
        for cycle in range(200):
            if ctx.get(dut.issue):
                issued.append((ctx.get(dut.pointer), ctx.get(dut.first), ctx.get(dut.last), ctx.get(dut.free)))
                cycles.append(cycle)
                if issued[-1][2]:
                    lasts.append(cycle)
            ctx.set(dut.table_base, pixel)
            pixel += ctx.get(dut.ended)
            popped = ctx.get(dut.pop)
            await ctx.tick()
            if popped:
                ctx.set(dut.occupied, 0)
        assert ctx.get(dut.finished)

    simulated(dut, bench)
    assert issued == [
        (number, number == 0, number == LENGTH - 1, pixel == hold - 1)
        for pixel in range(hold)
        for number in range(LENGTH)
    ]
    apart = max(LENGTH, config.row_spacing)
    assert all(later - early >= apart for early, later in pairwise(lasts))
    written = {last + write_cycles(config) for last in lasts} if single_port else set()
    assert not written & set(cycles)
    # Where no write is in the way there is no bubble.
    if not written & set(range(cycles[0], cycles[-1])):
        assert [later - early for early, later in pairwise(lasts)] == [apart] * (hold - 1)
