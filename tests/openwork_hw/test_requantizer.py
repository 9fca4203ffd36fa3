"""The requantizer against the formula of the contract."""

from typing import Any

import numpy as np
from amaranth.sim import Simulator

from openwork_hw.arch.arithmetic import requantize_folded
from openwork_hw.arch.config import PRESETS
from openwork_hw.requantizer import Requantizer

CONFIG = PRESETS["demo"]


def outputs_of(cases: list[tuple[int, int, int]], low: int, high: int) -> list[int]:
    """What the gateware makes of (sum, offset, shift) cases, one a cycle."""
    dut = Requantizer(CONFIG)
    outputs: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i_low, low)
        ctx.set(dut.i_high, high)
        for index in range(len(cases) + dut.latency_cycles):
            total, offset, shift = cases[min(index, len(cases) - 1)]
            ctx.set(dut.i_sum, total)
            ctx.set(dut.i_offset, offset)
            ctx.set(dut.i_shift, shift)
            if index >= dut.latency_cycles:
                outputs.append(ctx.get(dut.o))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return outputs


def test_every_shift_and_both_saturations_match_the_formula() -> None:
    rng = np.random.default_rng(11)
    edge = 1 << (CONFIG.sum_bits - 2)
    cases = [
        (s, o, k)
        for k in range(CONFIG.max_shift + 1)
        for s in (-edge, -1, 0, 1, edge - 1)
        for o in (-edge, 0, edge - 1)
    ]
    for shift in range(CONFIG.max_shift + 1):
        # Sums around the int8 range of this shift, where rounding and saturation meet.
        for total in rng.integers(-300 << shift, 300 << shift, 20):
            cases.append((int(total), int(rng.integers(-1000, 1000)), shift))
    for low, high in ((-128, 127), (-5, 127), (-128, 99), (7, 7)):
        expected = [requantize_folded(total, offset, shift, low, high) for total, offset, shift in cases]
        assert outputs_of(cases, low, high) == expected
