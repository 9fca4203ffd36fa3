"""The image memory answers every reader in order, whatever the others ask."""

from random import Random
from typing import Any

import pytest
from amaranth.sim import Simulator

from openwork_hw.arch.config import ConfigError, Technology
from openwork_hw.shells.image_memory import ImageMemory

WORDS = 50
IMAGE = [0x1000 + place for place in range(WORDS)]


@pytest.mark.parametrize("rates", [(1.0, 1.0, 1.0), (1.0, 0.2, 0.5), (0.1, 0.1, 0.1)])
def test_readers_get_their_own_words_in_order(rates: tuple[float, ...]) -> None:
    memory = ImageMemory(WORDS, len(rates), Technology.GENERIC, IMAGE)
    random = Random(1)
    asked: list[list[int]] = [[] for _ in rates]
    given: list[list[int]] = [[] for _ in rates]
    cycles = 400

    async def bench(ctx: Any) -> None:
        offered: list[int | None] = [None] * len(rates)
        for cycle in range(cycles):
            for reader, rate in enumerate(rates):
                if offered[reader] is None and cycle < cycles - 20 and random.random() < rate:
                    offered[reader] = random.randrange(WORDS)
                ctx.set(memory.i_requests[reader].valid, offered[reader] is not None)
                ctx.set(memory.i_requests[reader].payload, offered[reader] or 0)
            for reader in range(len(rates)):
                address = offered[reader]
                if address is not None and ctx.get(memory.i_requests[reader].ready):
                    asked[reader].append(address)
                    offered[reader] = None
                if ctx.get(memory.o_words[reader].valid):
                    given[reader].append(ctx.get(memory.o_words[reader].payload))
            await ctx.tick()

    simulate(memory, bench)
    assert given == [[IMAGE[address] for address in addresses] for addresses in asked]
    counts = [len(addresses) for addresses in asked]
    if rates == (1.0, 1.0, 1.0):
        assert sum(counts) >= cycles - 20 and max(counts) - min(counts) <= 1, "a word each cycle, in turn"


def test_what_was_asked_before_is_forgotten_and_what_was_written_is_kept() -> None:
    memory = ImageMemory(WORDS, 1, Technology.GENERIC)
    seen: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(memory.i_writes.payload, {"address": 7, "word": 0xABCD})
        ctx.set(memory.i_writes.valid, 1)
        await ctx.tick()
        ctx.set(memory.i_writes.valid, 0)
        for forget in (1, 0):
            ctx.set(memory.i_requests[0].payload, 7)
            ctx.set(memory.i_requests[0].valid, 1)
            await ctx.tick()
            ctx.set(memory.i_requests[0].valid, 0)
            ctx.set(memory.forget, forget)
            for _ in range(16):
                if ctx.get(memory.o_words[0].valid):
                    seen.append(ctx.get(memory.o_words[0].payload))
                await ctx.tick()
            ctx.set(memory.forget, 0)

    simulate(memory, bench)
    assert seen == [0xABCD]


def test_an_image_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="a memory of 50 words does not hold an image of 51"):
        ImageMemory(WORDS, 1, Technology.GENERIC, [0] * 51)


def simulate(memory: ImageMemory, bench: Any) -> None:
    simulator = Simulator(memory)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
