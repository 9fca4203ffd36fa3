"""MoveLanes: the bytes of the lanes asked for go to their addresses, the others drop."""

from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.sequencing.move_lanes import MoveLanes


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize(("lanes", "first", "count"), [(1, 0, 1), (3, 0, 3), (3, 1, 1), (4, 1, 2), (4, 3, 1)])
def test_bytes_go_where_the_command_says(lanes: int, first: int, count: int, compact: bool) -> None:
    dut = MoveLanes(ArrayConfig(pes=1, lanes=lanes, compact=compact))
    words, target, word_step, lane_step = 3, 100, 17, 5
    found: list[tuple[int, int]] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i, {"first_lane": first, "move_lanes": count, "move_target": target})
        ctx.set(dut.word_step, word_step)
        ctx.set(dut.lane_step, lane_step)
        ctx.set(dut.follow, 1)
        await ctx.tick()
        ctx.set(dut.follow, 0)
        for number in range(words * lanes):
            await ctx.tick().repeat(2)
            ctx.set(dut.valid, 1)
            beat = 0
            while True:
                # Between two beats there may be a pause, in which nothing happens.
                ctx.set(dut.pauses, 1)
                assert not ctx.get(dut.drop)
                await ctx.tick()
                ctx.set(dut.pauses, 0)
                ctx.set(dut.last_lane, beat == lanes - 1)
                if ctx.get(dut.moved) and beat == lanes - 1:
                    found.append((number, ctx.get(dut.address)))
                dropped = ctx.get(dut.drop)
                beat += 1
                await ctx.tick()
                if dropped:
                    break
            ctx.set(dut.valid, 0)
            assert beat == (lanes if first <= number % lanes < first + count else 1) or lanes == 1

    simulated(dut, bench)
    assert found == [
        (word * lanes + first + n, target + word * word_step + n * lane_step)
        for word in range(words)
        for n in range(count)
    ]
