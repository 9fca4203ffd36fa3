"""FlashReader wakes a flash memory and reads words from where it is told, as fast or slowly as they are taken."""

from random import Random
from typing import Any

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from openwork_dv.flash import FlashModel
from openwork_hw.arch.config import ConfigError
from openwork_hw.shells.flash_reader import FlashReader

ADDRESS_BITS = 8
FIRST_BYTE = 1 << 10
WORDS = [Random(7).randrange(1 << 32) for _ in range(1 << ADDRESS_BITS)]


@pytest.mark.parametrize("takes", [1.0, 0.02])
def test_words_come_from_where_they_were_asked(takes: float) -> None:
    random = Random(1)
    m = Module()
    m.submodules.reader = reader = FlashReader(address_bits=ADDRESS_BITS, first_byte=FIRST_BYTE)
    m.submodules.flash = flash = FlashModel(WORDS, FIRST_BYTE)
    for name in ("cs_n", "clk", "data_0", "data_0_enable"):
        m.d.comb += getattr(flash, name).eq(getattr(reader, name))
    m.d.comb += reader.data.eq(flash.data)

    async def bench(ctx: Any) -> None:
        for start in (0, 200, 7):
            ctx.set(reader.i_starts.payload, start)
            ctx.set(reader.i_starts.valid, 1)
            while not ctx.get(reader.i_starts.ready):
                assert not ctx.get(reader.o.valid)
                await ctx.tick()
            await ctx.tick()
            ctx.set(reader.i_starts.valid, 0)
            found, bits = [], 0
            for _ in range(100_000):
                ready = random.random() < takes
                ctx.set(reader.o.ready, ready)
                if ctx.get(reader.o_bits_valid):
                    bits = bits << 2 | ctx.get(reader.o_bits)
                if ready and ctx.get(reader.o.valid):
                    assert bits & 0xFFFFFFFF == ctx.get(reader.o.payload)
                    found.append(ctx.get(reader.o.payload))
                await ctx.tick()
                if len(found) == 5:
                    break
            assert found == WORDS[start : start + 5]
            ctx.set(reader.o.ready, 0)
            for _ in range(random.randrange(40)):  # into the next word, somewhere
                await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_a_place_that_needs_an_adder_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be a multiple of 0x400"):
        FlashReader(address_bits=8, first_byte=512)
