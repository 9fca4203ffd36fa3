"""MapEngine: orders one after the other, each byte to its PEs, no more words asked for than there is room for."""

from collections import deque
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import landed_cycles
from openwork_hw.array.payloads import MapOp
from openwork_hw.sequencing.map_engine import MapEngine
from openwork_hw.sequencing.return_path import queue_bytes

CONFIG = ArrayConfig(pes=6, lanes=4, feature_words=64, replicas=2, map_stations=True)
WAY = 17
"""Cycles from an ASK to the bytes of its word."""


@pytest.mark.parametrize("seed", range(4))
def test_maps_go_where_they_should(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dut = MapEngine(CONFIG)
    orders = []
    for _ in range(30):
        store, words = bool(rng.integers(2)), int(rng.integers(1, 9))
        address = int(rng.integers(CONFIG.feature_words - words))
        left, step = (int(rng.integers(6)), 5) if store else (int(rng.integers(3)), 2)
        orders.append({"store": store, "left": left, "step": step, "address": address, "words": words})
    to_load = rng.integers(-128, 128, 9 * CONFIG.lanes * len(orders)).tolist()
    content = rng.integers(-128, 128, (6, CONFIG.feature_words, CONFIG.lanes))
    sent: list[tuple[int, ...]] = []
    stored: list[int] = []
    came: deque[tuple[int, int]] = deque()  # bytes that are on their way back, with the cycle in which they are there
    asks: list[int] = []
    most = 0

    async def bench(ctx: Any) -> None:
        nonlocal most
        offered, given, cycle, last_byte = deque(orders), 0, 0, -100
        while offered or ctx.get(dut.busy):
            ctx.set(dut.i.valid, bool(offered) and bool(rng.integers(4)))
            if offered:
                ctx.set(dut.i.payload, offered[0])
            ctx.set(dut.i_bytes.valid, bool(rng.integers(5)))
            ctx.set(dut.i_bytes.payload, to_load[given])
            ctx.set(dut.o_bytes.ready, bool(rng.integers(3)) if cycle // 200 % 2 else cycle % 200 > 120)
            there = bool(came) and came[0][0] <= cycle
            ctx.set(dut.i_back.valid, there)
            ctx.set(dut.i_back.payload, came[0][1] if there else 0)
            if offered and ctx.get(dut.i.valid) and ctx.get(dut.i.ready):
                offered.popleft()
            if ctx.get(dut.i_bytes.valid) and ctx.get(dut.i_bytes.ready):
                given, last_byte = given + 1, cycle
                assert ctx.get(dut.moves)
            if ctx.get(dut.o_bytes.valid) and ctx.get(dut.o_bytes.ready):
                assert ctx.get(dut.storing) and ctx.get(dut.moves)
                stored.append(ctx.get(dut.o_bytes.payload))
                came.popleft()
            assert ctx.get(dut.busy) or cycle - last_byte > landed_cycles(CONFIG)
            beat = ctx.get(dut.o_beat)
            if beat.op == MapOp.BYTE:
                sent.append((beat.left, beat.step, beat.address, beat.byte, beat.last))
            if beat.op == MapOp.ASK:
                asks.append(cycle)
                # What was loaded before it has landed.
                assert cycle - last_byte > landed_cycles(CONFIG) - CONFIG.pes
                for lane in range(CONFIG.lanes):
                    came.append((cycle + WAY + lane, int(content[beat.left, beat.address, lane])))
            most = max(most, len(came))
            cycle += 1
            await ctx.tick()

    simulated(dut, bench)
    print(f"seed {seed}: {len(asks)} words asked for, {most} bytes under way at most")
    expected_bytes, expected_stored, next_byte = [], [], 0
    for one in orders:
        for word in range(int(one["words"])):
            address = int(one["address"]) + word
            for lane in range(CONFIG.lanes):
                if one["store"]:
                    expected_stored.append(int(content[int(one["left"]), address, lane]))
                else:
                    last = lane == CONFIG.lanes - 1
                    expected_bytes.append((one["left"], one["step"], address, to_load[next_byte], last))
                    next_byte += 1
    assert stored == expected_stored
    assert sent == expected_bytes
    assert min(later - earlier for earlier, later in pairwise(asks)) == CONFIG.row_spacing
    assert most <= queue_bytes(CONFIG)


def test_it_is_busy_until_the_last_byte_has_landed() -> None:
    dut = MapEngine(CONFIG)
    cycles: dict[str, int] = {}

    async def bench(ctx: Any) -> None:
        ctx.set(dut.i_bytes.valid, 1)
        ctx.set(dut.i.payload, {"store": 0, "left": 0, "step": 0, "address": 0, "words": 2})
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        ctx.set(dut.i.valid, 0)
        for cycle in range(80):
            if ctx.get(dut.i_bytes.ready):
                cycles["last byte"] = cycle
            if ctx.get(dut.busy):
                cycles["busy"] = cycle
            await ctx.tick()

    simulated(dut, bench)
    assert cycles["busy"] - cycles["last byte"] == landed_cycles(CONFIG) + 1
