"""ResultWindow: how much there is of what is asked for."""

from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.link import Identity
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.shells.result_window import ResultWindow

IDENTITY = Identity(ArrayConfig(1, 1), (Encoding.CSR,), 64, 64, 64, 1_000_000)


@pytest.mark.parametrize(
    ("given", "read", "length", "available"),
    [(10, 4, 6, 6), (10, 4, 7, 6), (4, 4, 0, 0), (3, 120, 11, 11), (64, 0, 64, 64), (4, 10, 1, 0)],
)
def test_results_are_counted_around_the_buffer(given: int, read: int, length: int, available: int) -> None:
    dut = ResultWindow(IDENTITY)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.given, given)
        ctx.set(dut.read, read)
        ctx.set(dut.length, length)
        await ctx.tick().repeat(dut.latency_cycles)
        assert ctx.get(dut.available) == available
        assert ctx.get(dut.enough) == (available >= length)

    simulated(dut, bench)
