"""OperandShift: every shift of lanes and PEs, with the pad value at the edges."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array.operand_shift import OperandShift
from openwork_hw.array.payloads import Neighbour

PAD = -99
SHIFTS = [Neighbour(number) for number in range(4)]


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_operands_come_from_where_the_shifts_say(lanes: int) -> None:
    dut = OperandShift(ArrayConfig(pes=3, lanes=lanes))
    rng = np.random.default_rng(5)

    async def bench(ctx: Any) -> None:
        ctx.set(dut.pad, PAD)
        for pe_shift, lane_shift in product(SHIFTS, SHIFTS):
            words = rng.integers(-128, 128, (3, lanes)).tolist()  # here, above, below
            ctx.set(dut.i_word, words[0])
            assert [ctx.get(dut.o_word_own[lane]) for lane in range(lanes)] == words[0]
            await ctx.tick()
            ctx.set(dut.i_word_above, words[1])
            ctx.set(dut.i_word_below, words[2])
            ctx.set(dut.pe_shift, [pe_shift] * lanes)
            await ctx.tick()
            assert [ctx.get(dut.o_word_old[lane]) for lane in range(lanes)] == words[0]
            ctx.set(dut.lane_shift, [lane_shift] * lanes)
            source = {Neighbour.HERE: 0, Neighbour.BEFORE: 1, Neighbour.AFTER: 2}.get(pe_shift)
            word = [PAD] * lanes if source is None else words[source]
            padded = [PAD, *word, PAD]
            step = {Neighbour.HERE: 1, Neighbour.BEFORE: 0, Neighbour.AFTER: 2}.get(lane_shift)
            expected = [PAD] * lanes if step is None else padded[step : step + lanes]
            assert [ctx.get(dut.o[lane]) for lane in range(lanes)] == expected
        assert dut.latency_cycles == 2

    simulated(dut, bench)
