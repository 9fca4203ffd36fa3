"""Words of 32 bits out of the model of an SDRAM chip: each the right one, in the cycle predicted, whatever comes in between."""

from itertools import product
from random import Random
from typing import Any

import pytest
from amaranth.hdl import Elaboratable, Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from tests.openwork_hw.memory.test_sdram_controller import CONFIGS
from tests.slow import slow_but

from openwork_dv.sdram.chip import SdramModel
from openwork_dv.sdram.violations import violated
from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.sdram import SdramConfig, WordSchedule
from openwork_hw.memory.sdram_memory import SdramMemory


class System(Elaboratable):
    """The memory and its chip."""

    def __init__(self, config: SdramConfig) -> None:
        self.words = SdramMemory(config)
        self.model = SdramModel(config)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.words, m.submodules.model = self.words, self.model
        wiring.connect(m, self.words.pins, self.model.pins)
        return m


def run(system: System, bench: Any, *others: Any) -> None:
    """Run a bench to its end, beside others."""

    async def watched(ctx: Any) -> None:
        await bench(ctx)
        assert violated(ctx.get(system.model.seen)) == []

    simulator = Simulator(system)
    simulator.add_clock(1e-8)
    simulator.add_testbench(watched)
    for other in others:
        simulator.add_testbench(other, background=True)
    simulator.run()


async def handed(ctx: Any, port: Any, payload: Any) -> None:
    """Offer a payload until it is taken."""
    ctx.set(port.payload, payload)
    ctx.set(port.valid, 1)
    while not ctx.get(port.ready):
        await ctx.tick()
    await ctx.tick()
    ctx.set(port.valid, 0)


def content(address: int) -> int:
    """Of each word: no two words are alike."""
    return (address * 0x9E3779B1 ^ 0x5A5A5A5A) & 0xFFFFFFFF


async def fill(ctx: Any, system: System, addresses: range) -> None:
    for address in addresses:
        await handed(ctx, system.words.i_writes, {"address": address, "word": content(address)})


@pytest.mark.parametrize(
    ("name", "pause"),
    slow_but(
        product(["16 bits, CAS latency 2", "16 bits, CAS latency 3", "32 bits"], [0.0, 0.7]),
        ("16 bits, CAS latency 2", 0.7),
    ),
)
def test_words_come_in_the_cycles_predicted(name: str, pause: float, seed: int) -> None:
    """From two starts, the second near the chip's end, with a reader that pauses for long and for short."""
    config = CONFIGS[name]
    system = System(config)
    random = Random(seed)
    size = 1 << config.chip.word_address_bits

    async def bench(ctx: Any) -> None:
        await fill(ctx, system, range(200))
        await fill(ctx, system, range(size - 70, size))
        for begin in (3, size - 70):
            ctx.set(system.words.i_starts.payload, begin)
            ctx.set(system.words.i_starts.valid, 1)
            while not ctx.get(system.words.i_starts.ready):
                await ctx.tick()
            schedule, cycle, earliest = WordSchedule(config, begin), 0, 0
            await ctx.tick()
            ctx.set(system.words.i_starts.valid, 0)
            cycle += 1
            for address in range(begin, begin + 190):
                rest = random.randrange(200) if random.random() < pause / 20 else int(random.random() < pause)
                wanted = cycle + rest
                ctx.set(system.words.o.ready, 0)
                for _ in range(rest):
                    await ctx.tick()
                    cycle += 1
                ctx.set(system.words.o.ready, 1)
                while not ctx.get(system.words.o.valid):
                    await ctx.tick()
                    cycle += 1
                assert ctx.get(system.words.o.payload) == content(address % size), address
                earliest = max(schedule.word(), wanted)
                assert cycle == earliest, address
                schedule.take(cycle)
                await ctx.tick()
                cycle += 1
            ctx.set(system.words.o.ready, 0)

    run(system, bench)


@pytest.mark.slow
def test_writes_and_peeks_come_in_between(seed: int) -> None:
    config = CONFIGS["16 bits, CAS latency 2"]
    system = System(config)
    random = Random(seed)
    size = 1 << config.chip.word_address_bits
    memory = {address: content(address) for address in range(size)}

    async def bench(ctx: Any) -> None:
        await fill(ctx, system, range(size))
        await handed(ctx, system.words.i_starts, 0)
        ctx.set(system.words.o.ready, 1)
        seen = 0
        for _ in range(150):
            # The half that is read in order is not written meanwhile.
            address = random.randrange(size // 2, size)
            if random.random() < 0.5:
                memory[address] = random.getrandbits(WORD_BITS)
                port = system.words.i_writes
                ctx.set(port.payload, {"address": address, "word": memory[address]})
            else:
                port = system.words.i_peeks
                ctx.set(port.payload, address)
            ctx.set(port.valid, 1)
            answered = port is system.words.i_writes
            taken = False
            while not (taken and answered):
                if ctx.get(system.words.o.valid):
                    place = seen % size
                    if place < size // 2:
                        assert ctx.get(system.words.o.payload) == content(place)
                    seen += 1
                if ctx.get(system.words.o_peeked.valid):
                    assert ctx.get(system.words.o_peeked.payload) == memory[address]
                    answered = True
                took = not taken and ctx.get(port.ready)
                await ctx.tick()
                if took:
                    ctx.set(port.valid, 0)
                    taken = True
        assert seen > size // 2

    run(system, bench)


def test_a_peek_that_is_forgotten_gives_no_word_and_the_next_one_does() -> None:
    config = CONFIGS["16 bits, CAS latency 2"]
    system = System(config)

    async def bench(ctx: Any) -> None:
        await fill(ctx, system, range(8))
        for wait in range(14):
            await handed(ctx, system.words.i_peeks, 5)
            given = []
            for cycle in range(40):
                ctx.set(system.words.forget, cycle >= wait)
                if ctx.get(system.words.o_peeked.valid):
                    given.append(ctx.get(system.words.o_peeked.payload))
                    assert cycle < wait
                await ctx.tick()
            ctx.set(system.words.forget, 0)
            assert given in ([], [content(5)])
            await handed(ctx, system.words.i_peeks, 6)
            while not ctx.get(system.words.o_peeked.valid):
                await ctx.tick()
            assert ctx.get(system.words.o_peeked.payload) == content(6)
        assert given == [content(5)]

    run(system, bench)
