"""LaneControl: each part of a beat comes when its datasheet says, to every lane."""

from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import OPERAND_CYCLES, SUM_CYCLES
from openwork_hw.array.lane_control import LaneControl, last_cycles
from openwork_hw.array.payloads import BeatOp, Neighbour

LANES = 3
ALL = (1 << LANES) - 1


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize(("is_first", "is_last"), [(0, 0), (1, 0), (0, 1)])
def test_a_beat_arrives_piece_by_piece(is_first: int, is_last: int, compact: bool) -> None:
    config = ArrayConfig(pes=3, lanes=LANES, compact=compact)
    dut = LaneControl(config)
    seen: list[dict[str, Any]] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.is_first, is_first)
        ctx.set(dut.is_last, is_last)
        await ctx.tick().repeat(last_cycles(config) + 2)
        for cycle in range(last_cycles(config) + 1):
            if cycle == 0:
                beat = {
                    "weight": -5,
                    "lane_shift": Neighbour.AFTER,
                    "pe_shift": Neighbour.BEFORE,
                    "first": 1,
                    "last": 1,
                }
                ctx.set(dut.beat, {"op": BeatOp.MAC} | beat)
            else:
                # What an idle beat holds counts for nothing.
                ctx.set(dut.beat, {"op": BeatOp.IDLE, "weight": 77, "first": 1, "last": 1})
            seen.append({name: ctx.get(getattr(dut, name)) for name in ("weight", "first", "capture", "lasts")})
            seen[-1] |= {
                name: [ctx.get(getattr(dut, name)[n]) for n in range(LANES)] for name in ("pe_shift", "lane_shift")
            }
            await ctx.tick()

    simulated(dut, bench)
    assert [one["weight"] for one in seen] == [-5 if cycle == OPERAND_CYCLES else 0 for cycle in range(len(seen))]
    assert [one["first"] for one in seen] == [ALL if cycle == SUM_CYCLES - 1 else 0 for cycle in range(len(seen))]
    assert [one["capture"] for one in seen] == [ALL if cycle == SUM_CYCLES else 0 for cycle in range(len(seen))]
    assert [one["lasts"] for one in seen] == [1 << cycle for cycle in range(len(seen))]
    assert seen[OPERAND_CYCLES]["lane_shift"] == [Neighbour.AFTER] * LANES
    assert seen[OPERAND_CYCLES - 1]["pe_shift"] == [Neighbour.PAD if is_first else Neighbour.BEFORE] * LANES


def test_a_filler_has_no_part_in_a_maximum() -> None:
    """The row's first nonzero of another value begins it."""
    dut = LaneControl(ArrayConfig(pes=1, lanes=LANES))

    async def bench(ctx: Any) -> None:
        ctx.set(dut.maximum, 1)
        enables, compares = [], []
        for cycle in range(SUM_CYCLES + 4):
            weights = {0: 0, 1: 4, 2: 0, 3: 9}
            ctx.set(
                dut.beat,
                {
                    "op": BeatOp.MAC if cycle in weights else BeatOp.IDLE,
                    "weight": weights.get(cycle, 0),
                    "first": cycle == 0,
                },
            )
            enables.append(ctx.get(dut.enable))
            compares.append(ctx.get(dut.compare))
            await ctx.tick()
        begins = [
            cycle - SUM_CYCLES + 1 for cycle, bits in enumerate(enables) if bits == ALL and cycle >= SUM_CYCLES - 1
        ]
        counts = [
            cycle - SUM_CYCLES + 1 for cycle, bits in enumerate(compares) if bits == ALL and cycle >= SUM_CYCLES - 1
        ]
        assert (begins, counts) == ([1], [1, 3])

    simulated(dut, bench)
