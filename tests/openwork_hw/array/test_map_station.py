"""MapStation: words of maps go into a feature memory and come out of it, whatever else is written."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array.map_station import READ_BACK_CYCLES, MapStation
from openwork_hw.array.payloads import MapOp

CONFIG = ArrayConfig(pes=5, lanes=4, feature_words=64, replicas=3, map_stations=True)
IDLE = {"op": MapOp.NONE, "left": 0, "step": 0, "address": 7, "byte": 99, "last": 1}


def busy(rng: np.random.Generator, cycles: int) -> list[bool]:
    """When outputs and copies are written: each of `replicas` sources has a word every `lanes` cycles or less often."""
    waiting, due = 0, [int(rng.integers(CONFIG.lanes)) for _ in range(CONFIG.replicas)]
    found = []
    for cycle in range(cycles):
        for source in range(CONFIG.replicas):
            if due[source] == cycle:
                waiting += 1
                due[source] += CONFIG.lanes + int(rng.integers(3)) * int(rng.integers(2))
        found.append(waiting > 0)
        waiting -= found[-1]
    return found


@pytest.mark.parametrize("seed", range(4))
def test_words_go_in_and_come_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dut = MapStation(CONFIG)
    memory: dict[int, list[int]] = {}
    expected: dict[int, list[int]] = {}
    given: list[int] = []
    asked: list[int] = []
    taken_reads: dict[int, list[int]] = {}
    taken = busy(rng, 4000)
    cycle = 0

    def beats() -> Iterator[Mapping[str, object]]:
        for _ in range(20):
            words = {int(a): rng.integers(-128, 128, CONFIG.lanes).tolist() for a in rng.permutation(64)[:6]}
            for address, word in words.items():
                for lane, byte in enumerate(word):
                    mine = bool(rng.integers(5))
                    yield {
                        "op": MapOp.BYTE,
                        "left": 0,
                        "step": 2,
                        "address": address,
                        "byte": byte,
                        "last": lane == CONFIG.lanes - 1,
                    }
                    if not mine:  # a byte for another PE, or a pause
                        yield {"op": MapOp.BYTE, "left": 3, "step": 2, "address": 1, "byte": 5, "last": 1}
                expected[address] = word
            yield from (IDLE for _ in range(CONFIG.replicas + 2))
            for address in words:
                asked.extend(words[address])
                yield {"op": MapOp.ASK, "left": 0, "step": 4, "address": address, "byte": 0, "last": 0}
                yield from (IDLE for _ in range(CONFIG.row_spacing - 1))
            yield from (IDLE for _ in range(CONFIG.lanes + CONFIG.replicas + READ_BACK_CYCLES + 4))

    async def bench(ctx: Any) -> None:
        nonlocal cycle
        ctx.set(dut.i, IDLE)
        await ctx.tick().repeat(20)
        for beat in beats():
            ctx.set(dut.i, beat)
            ctx.set(dut.back_data, taken_reads.pop(cycle, [-1] * CONFIG.lanes))
            goes = bool(ctx.get(dut.o_word.valid)) and not taken[cycle]
            ctx.set(dut.taken, goes)
            if goes:
                address = ctx.get(dut.o_word.address)
                if ctx.get(dut.o_word.reads):
                    taken_reads[cycle + READ_BACK_CYCLES] = memory[address]
                else:
                    memory[address] = [ctx.get(dut.o_word.word[lane]) for lane in range(CONFIG.lanes)]
            if ctx.get(dut.o_byte_valid):
                given.append(ctx.get(dut.o_byte))
            else:
                assert ctx.get(dut.o_byte) == 0
            await ctx.tick()
            cycle += 1

    simulated(dut, bench)
    print(f"seed {seed}: {cycle} cycles, written in {sum(taken[:cycle])} of them by others")
    assert memory == expected
    assert given == asked


@pytest.mark.parametrize(("left", "step", "following"), [(0, 2, 2), (3, 2, 2), (1, 4, 0)])
def test_a_beat_counts_pes(left: int, step: int, following: int) -> None:
    dut = MapStation(CONFIG)

    async def bench(ctx: Any) -> None:
        beat = {"op": MapOp.BYTE, "left": left, "step": step, "address": 3, "byte": -4, "last": 0}
        ctx.set(dut.i, beat)
        await ctx.tick()
        o = ctx.get(dut.o)
        assert (o.op, o.left, o.step, o.address, o.byte, o.last) == (MapOp.BYTE, following, step, 3, -4, 0)

    simulated(dut, bench)
