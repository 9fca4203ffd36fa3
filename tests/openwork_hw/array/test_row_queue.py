"""RowQueue: rows leave in the order in which they came, each with its own record."""

from collections import deque
from typing import Any

import numpy as np
import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import QUEUED_ROWS
from openwork_hw.array.row_queue import RowQueue

CONFIG = ArrayConfig(pes=1, lanes=1, row_buffer_nonzeros=16)


@pytest.mark.parametrize(("comes", "goes"), [(0.9, 0.2), (0.2, 0.9), (0.6, 0.6), (1.0, 1.0)])
def test_rows_and_records_stay_together(comes: float, goes: float) -> None:
    dut = RowQueue(CONFIG)
    rng = np.random.default_rng(4)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        waiting: deque[tuple[int, int]] = deque()
        full, number, popped, most, since_pop = False, 0, 0, 0, 9
        for _ in range(500):
            push = not full and bool(rng.random() < comes)
            end, row = number % 32, 3 * number % 1000
            ctx.set(dut.push, push)
            ctx.set(dut.i, {"end": end, "single": number % 2})
            ctx.set(dut.i_record, {"row": row})
            since_pop += 1
            # A row is replayed for three cycles or more.
            pop = bool(ctx.get(dut.occupied) & 1) and since_pop >= 3 and bool(rng.random() < goes)
            ctx.set(dut.pop, pop)
            if push:
                waiting.append((end, row))
                number += 1
            if pop:
                assert ctx.get(dut.head.end) == waiting[0][0]
                assert ctx.get(dut.head_record.row) == waiting[0][1]
                waiting.popleft()
                popped, since_pop = popped + 1, 0
            most = max(most, len(waiting))
            full = bool(ctx.get(dut.full))
            await ctx.tick()
        assert popped > 50 and most <= QUEUED_ROWS
        if comes > goes:
            assert most == QUEUED_ROWS

    simulated(dut, bench)
