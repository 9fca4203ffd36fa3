"""PixelPlace: addresses of one local pixel after the other."""

from typing import Any

import numpy as np
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array.pixel_place import PixelPlace


def test_addresses_go_up_by_their_steps_and_begin_anew_with_a_row() -> None:
    dut = PixelPlace(ArrayConfig(pes=1, lanes=3))
    base, stride, tap_bits = 40, 11, 3
    rng = np.random.default_rng(2)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.settings, {"output_base": base, "output_stride": stride, "tap_bits": tap_bits})
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        for _ in range(10):
            hold = int(rng.integers(1, 6))
            for pixel in range(hold):
                await ctx.tick().repeat(int(rng.integers(1, 4)))
                assert ctx.get(dut.table_base) == pixel << tap_bits
                assert ctx.get(dut.address) == base + pixel * stride
                ctx.set(dut.next_row, pixel == hold - 1)
                await ctx.tick()
                ctx.set(dut.next_row, 0)
                ctx.set(dut.next_pixel, 1)
                await ctx.tick()
                ctx.set(dut.next_pixel, 0)

    simulated(dut, bench)
