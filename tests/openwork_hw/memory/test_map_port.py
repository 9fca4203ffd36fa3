"""Pieces of maps to the model of an SDRAM chip and back, while an image is read in order and single words come in between."""

from itertools import product
from random import Random
from typing import Any

import pytest
from amaranth.hdl import Elaboratable, Module, ResetInserter, Signal
from amaranth.lib import wiring
from tests.openwork_hw.memory.test_sdram_controller import CONFIGS
from tests.openwork_hw.memory.test_sdram_words import content, fill, handed, run
from tests.slow import slow_but

from openwork_dv.sdram.chip import SdramModel
from openwork_hw.arch.sdram import SdramConfig
from openwork_hw.memory.map_port import MapPort
from openwork_hw.memory.sdram_memory import SdramMemory


class MapSystem(Elaboratable):
    """The port, the memory and its chip."""

    def __init__(self, config: SdramConfig) -> None:
        self.port = MapPort(config.burst_words)
        self.words = SdramMemory(config)
        self.model = SdramModel(config)
        self.reset = Signal()

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.port = ResetInserter(self.reset)(self.port)
        m.submodules.words, m.submodules.model = self.words, self.model
        wiring.connect(m, self.words.pins, self.model.pins)
        wiring.connect(m, self.port.o_requests, self.words.i_map_requests)
        wiring.connect(m, self.port.o_words, self.words.i_map_words)
        wiring.connect(m, self.words.o_map_words, self.port.i_words)
        m.d.comb += [self.port.idle.eq(self.words.map_idle), self.words.map_drop.eq(self.reset)]
        return m


def random_pieces(random: Random, first: int, last: int, number: int) -> list[tuple[int, int, bool]]:
    """Byte address, bytes, and whether they are stored; those that are stored begin at words."""
    pieces: list[tuple[int, int, bool]] = []
    for _ in range(number):
        store = len(pieces) < 4 or random.random() < 0.4
        count = random.choice((1, 2, 3, 7, 49, 64, 255, random.randint(1, 700)))
        address = random.randrange(first, last - count - 4) & ~3
        if not store:
            begin, most, _ = random.choice([piece for piece in pieces if piece[2]])
            address = begin + random.randrange(most)
            count = random.randint(1, begin + most - address)
        pieces.append((address, count, store))
    return pieces


@pytest.mark.parametrize(
    ("name", "pause"),
    slow_but(product(["16 bits, CAS latency 2", "32 bits"], [0.0, 0.6]), ("16 bits, CAS latency 2", 0.6)),
)
def test_bytes_come_back_from_wherever_they_were_put(name: str, pause: float, seed: int) -> None:
    config = CONFIGS[name]
    system = MapSystem(config)
    random = Random(seed)
    size = 1 << config.chip.word_address_bits
    image_words = 200
    memory = bytearray(4 * size)
    pieces = random_pieces(random, 4 * image_words, 4 * size, 24)

    began = False

    async def offer(ctx: Any) -> None:
        """The pieces, as early as they are taken."""
        while not began:
            await ctx.tick()
        for address, count, store in pieces:
            if pause and random.random() < 0.5:
                await ctx.tick().repeat(random.randrange(200))
            await handed(ctx, system.port.i_pieces, {"address": address, "store": store, "bytes": count})

    async def bench(ctx: Any) -> None:
        nonlocal began
        await fill(ctx, system, range(image_words))
        await handed(ctx, system.words.i_starts, 0)
        began = True
        seen = 0
        for address, count, store in pieces:
            given = bytes(random.getrandbits(8) for _ in range(count))
            if store:
                memory[address : address + count] = given
                end = -(-(address + count) // 4) * 4
                memory[address + count : end] = bytes(end - address - count)
            moved: list[int] = []
            offered = False
            for _ in range(40 * count + 4000):
                ctx.set(system.words.o.ready, random.random() < 0.3)
                if ctx.get(system.words.o.valid) and ctx.get(system.words.o.ready):
                    if seen < image_words:
                        assert ctx.get(system.words.o.payload) == content(seen)
                    seen += 1
                if store:
                    offered = offered or random.random() >= pause
                    ctx.set(system.port.i.valid, offered)
                    ctx.set(system.port.i.payload, given[len(moved)] if offered else 0)
                    if offered and ctx.get(system.port.i.ready):
                        moved.append(given[len(moved)])
                        offered = False
                else:
                    ctx.set(system.port.o.ready, random.random() >= pause)
                    if ctx.get(system.port.o.valid) and ctx.get(system.port.o.ready):
                        moved.append(ctx.get(system.port.o.payload) & 0xFF)
                await ctx.tick()
                if len(moved) == count:
                    break
            ctx.set(system.port.i.valid, 0)
            ctx.set(system.port.o.ready, 0)
            assert bytes(moved) == bytes(memory[address : address + count])
        assert seen > 0

    run(system, bench, offer)


@pytest.mark.slow
@pytest.mark.parametrize("count", [48, 64, 231])
def test_there_is_no_gap_between_pieces_that_load(count: int) -> None:
    system = MapSystem(CONFIGS["16 bits, CAS latency 2"])
    pieces = [97 * number for number in range(12)]
    moved = bytearray()
    began = False

    async def offer(ctx: Any) -> None:
        while not began:
            await ctx.tick()
        for address in pieces:
            await handed(ctx, system.port.i_pieces, {"address": address, "store": 0, "bytes": count})

    async def bench(ctx: Any) -> None:
        nonlocal began
        await fill(ctx, system, range(400))
        began = True
        ctx.set(system.port.o.ready, 1)
        cycles = 0
        while len(moved) < count * len(pieces):
            assert cycles < 2 * count * len(pieces)
            if ctx.get(system.port.o.valid):
                moved.append(ctx.get(system.port.o.payload) & 0xFF)
            cycles += bool(moved)
            await ctx.tick()
        memory = b"".join(content(word).to_bytes(4, "little") for word in range(400))
        assert moved == b"".join(memory[address : address + count] for address in pieces)
        # But for a refresh now and then.
        assert cycles < 1.03 * len(moved)

    run(system, bench, offer)
