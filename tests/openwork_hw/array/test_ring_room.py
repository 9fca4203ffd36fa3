"""RingRoom: never more in the ring than it holds, and all of it is used."""

from collections import deque
from typing import Any

import numpy as np
import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array.ring_room import RingRoom

CONFIG = ArrayConfig(pes=1, lanes=1, row_buffer_nonzeros=16)


@pytest.mark.parametrize("leaves", [0.0, 0.3, 0.9])
def test_there_is_room_for_as_many_as_the_ring_holds(leaves: float) -> None:
    dut = RingRoom(CONFIG)
    rng = np.random.default_rng(3)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        held, most, full = 0, 0, False
        freed = deque([0, 0], maxlen=2)  # what is freed counts two cycles later
        for _ in range(400):
            queue_full = bool(rng.random() < 0.1)
            accept = bool(ctx.get(dut.room)) and not full and bool(rng.random() < 0.8)
            free = held > 0 and bool(rng.random() < leaves)
            ctx.set(dut.accept, accept)
            ctx.set(dut.free, free)
            ctx.set(dut.queue_full, queue_full)
            held += accept - free
            most = max(most, held)
            assert held <= CONFIG.row_buffer_nonzeros
            late = held + free + freed[-1]
            freed.append(free)
            await ctx.tick()
            full = queue_full
            assert not (queue_full and ctx.get(dut.room))
            if not queue_full and late < CONFIG.row_buffer_nonzeros:
                assert ctx.get(dut.room)
        if leaves == 0.0:
            assert held == most == CONFIG.row_buffer_nonzeros and ctx.get(dut.overfull)

    simulated(dut, bench)
