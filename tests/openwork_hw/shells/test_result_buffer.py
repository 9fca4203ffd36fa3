"""The result buffer takes as many bytes as it has room for, and no more, and gives them back."""

from random import Random
from typing import Any

import pytest
from amaranth.sim import Simulator

from openwork_hw.arch.config import PRESETS
from openwork_hw.shells.result_buffer import ResultBuffer

BYTES = 64


@pytest.mark.parametrize("released_at", [0.02, 0.5, 0.98])
def test_takes_exactly_what_it_has_room_for(released_at: float) -> None:
    random = Random(1)
    dut = ResultBuffer(PRESETS["demo"], BYTES, reports=False)
    taken: list[int] = []
    most = 0

    async def bench(ctx: Any) -> None:
        nonlocal most
        released, offered = 0, None
        asked: list[int] = []
        for _ in range(3000):
            if offered is None and random.random() < 0.9:
                offered = random.randrange(-128, 128)
            ctx.set(dut.i_features.valid, offered is not None)
            ctx.set(dut.i_features.payload, offered or 0)
            if released < len(taken) and random.random() < released_at:
                released += random.randint(1, len(taken) - released)
            ctx.set(dut.released, released % (2 * BYTES))
            assert ctx.get(dut.given) == len(taken) % (2 * BYTES)
            # The oldest byte that is kept, or one behind it.
            position = random.randint(released, max(released, len(taken) - 1))
            ctx.set(dut.read, position % (2 * BYTES))
            asked.append(position if position < len(taken) else -1)
            if len(asked) > dut.latency_cycles and (place := asked[-1 - dut.latency_cycles]) >= released:
                assert ctx.get(dut.data) == taken[place] & 0xFF
            if offered is not None and ctx.get(dut.i_features.ready):
                taken.append(offered)
                offered = None
            most = max(most, len(taken) - released)
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert len(taken) > 100
    assert most <= BYTES
    if released_at < 0.5:
        assert most == BYTES, "the last place is used, too"
