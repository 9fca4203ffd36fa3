"""ActivationTable: every byte becomes the value that was written for it, for each user."""

from typing import Any

import numpy as np
import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import Technology
from openwork_hw.array.activation_table import ActivationTable


@pytest.mark.parametrize("users", [1, 2])
def test_every_byte_becomes_its_value(users: int) -> None:
    dut = ActivationTable(users, Technology.GENERIC)
    rng = np.random.default_rng(users)
    values = rng.integers(-128, 128, 256).tolist()
    asked = rng.integers(0, 256, (600, users)).tolist()
    found: list[list[int]] = []

    async def bench(ctx: Any) -> None:
        for address, value in enumerate(values):
            ctx.set(dut.i_write, {"enable": 1, "address": address, "value": value})
            await ctx.tick()
        ctx.set(dut.i_write, {"enable": 0, "address": 7, "value": 99})
        for numbers in asked:
            for user, number in enumerate(numbers):
                ctx.set(dut.i[user], number)
            found.append([ctx.get(one) for one in dut.o])
            await ctx.tick()

    simulated(dut, bench)
    late = dut.latency_cycles
    assert found[late:] == [[values[number] for number in numbers] for numbers in asked[:-late]]
