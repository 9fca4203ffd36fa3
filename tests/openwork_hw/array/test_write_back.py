"""WriteBack: words of outputs, loaded words and copies, each once and at its address."""

from dataclasses import replace
from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import LOADED_CYCLES, SUM_CYCLES, write_cycles
from openwork_hw.array.lane_control import gathered_cycles, last_cycles
from openwork_hw.array.payloads import BeatOp
from openwork_hw.array.write_back import WriteBack

CONFIG = ArrayConfig(pes=2, lanes=3, replicas=2)
OUTPUTS = [5, -6, 7]


async def written(ctx: Any, dut: WriteBack) -> tuple[int, list[int]] | None:
    """The word that is written in this cycle."""
    if not ctx.get(dut.o.valid):
        return None
    return ctx.get(dut.o.address), [ctx.get(dut.o.word[lane]) for lane in range(CONFIG.lanes)]


@pytest.mark.parametrize("write", [0, 1])
def test_a_row_is_written_when_its_lanes_have_come(write: int) -> None:
    dut = WriteBack(CONFIG)
    found: dict[int, tuple[int, list[int]]] = {}

    async def bench(ctx: Any) -> None:
        await ctx.tick().repeat(last_cycles(CONFIG) + 2)
        for cycle in range(write_cycles(CONFIG) + 4):
            ctx.set(dut.lasts, (1 << cycle) & ((2 << last_cycles(CONFIG)) - 1))
            ctx.set(dut.end, {"address": 40, "write": write} if cycle >= SUM_CYCLES + 2 else {"address": 1, "write": 1})
            lane = cycle - (gathered_cycles(CONFIG) - CONFIG.lanes)
            ctx.set(dut.activation, OUTPUTS[lane] if 0 <= lane < CONFIG.lanes else -99)
            word = await written(ctx, dut)
            if word is not None:
                found[cycle] = word
            await ctx.tick()

    simulated(dut, bench)
    assert found == ({write_cycles(CONFIG): (40, OUTPUTS)} if write else {})


@pytest.mark.parametrize("is_target", [0, 1])
def test_a_loaded_word_and_a_copy_are_both_written(is_target: int) -> None:
    """The copy comes in the very cycle in which the loaded word wants the memory, and waits for it."""
    dut = WriteBack(CONFIG)
    last_byte = 3
    found: list[tuple[int, tuple[int, list[int]]]] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.settings, {"loading": 1})
        ctx.set(dut.is_target, is_target)
        await ctx.tick().repeat(last_cycles(CONFIG) + 2)
        for cycle in range(last_byte + LOADED_CYCLES + 4):
            # A pause before the last byte.
            byte = {0: 10, 1: 11, last_byte: 12}.get(cycle)
            beat = {"op": BeatOp.LOAD, "weight": byte or 0, "last": cycle == last_byte, "address": 60}
            ctx.set(dut.beat, beat if byte is not None else {"op": BeatOp.IDLE, "weight": 99, "last": 1})
            ctx.set(dut.i_copies[0], {"byte": 20 + cycle, "write": cycle == last_byte + 1, "address": 61})
            word = await written(ctx, dut)
            if word is not None:
                found.append((cycle - last_byte, word))
            await ctx.tick()

    simulated(dut, bench)
    loaded = [(LOADED_CYCLES, (60, [10, 11, 12]))] if is_target else []
    copied = [(LOADED_CYCLES + is_target, (61, [22, 23, 24]))]
    assert found == loaded + copied


@pytest.mark.parametrize("is_last", [0, 1])
def test_a_pooled_sum_is_written_by_a_groups_last_pe_alone(is_last: int) -> None:
    dut = WriteBack(CONFIG)
    found: dict[int, int] = {}

    async def bench(ctx: Any) -> None:
        ctx.set(dut.settings, {"pool": 1})
        ctx.set(dut.is_last, is_last)
        ctx.set(dut.end, {"address": 40, "write": 1})
        await ctx.tick().repeat(last_cycles(CONFIG) + 2)
        for cycle in range(write_cycles(CONFIG, pooled=True) + 4):
            ctx.set(dut.lasts, (1 << cycle) & ((2 << last_cycles(CONFIG)) - 1))
            word = await written(ctx, dut)
            if word is not None:
                found[cycle] = word[0]
            await ctx.tick()

    simulated(dut, bench)
    assert found == ({write_cycles(CONFIG, pooled=True): 40} if is_last else {})


def test_a_word_of_a_map_waits_for_all_others() -> None:
    """An output and a copy want the memory in the same cycle; a word of a map, to be written or read, comes behind them."""
    config = replace(CONFIG, lanes=4, map_stations=True)
    dut = WriteBack(config)
    word = [3, -4, 5, -6]
    found: list[tuple[int, int, bool]] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.settings, {"loading": 1})
        ctx.set(dut.is_target, 1)
        await ctx.tick().repeat(last_cycles(config) + 2)
        offered, reads = -1, False
        for cycle in range(30):
            ctx.set(dut.beat, {"op": BeatOp.LOAD, "weight": 1, "last": cycle % 4 == 0, "address": cycle})
            ctx.set(dut.i_copies[0], {"byte": 9, "write": cycle % 4 == 1, "address": 60})
            if offered < 0:
                offered, reads = cycle, cycle % 2 == 0
            ctx.set(dut.i_map, {"valid": 1, "address": 32, "word": word, "reads": reads})
            if ctx.get(dut.map_taken):
                found.append((offered, cycle, reads))
                offered = -1
            elif cycle > 6:
                assert cycle - offered < config.replicas
            await ctx.tick()
            o = ctx.get(dut.o)
            if found and found[-1][1] == cycle:
                assert o.valid and o.address == 32 and o.reads == reads
                assert [o.word[lane] for lane in range(4)] == word
            elif o.valid:
                assert not o.reads and o.address != 32

    simulated(dut, bench)
    assert {reads for _, _, reads in found} == {False, True}
    assert max(taken - offered for offered, taken, _ in found[3:]) == config.replicas
