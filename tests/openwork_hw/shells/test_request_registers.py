"""RequestRegisters: a header goes in byte by byte, and is counted field by field."""

from typing import Any

from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.link import HEADER, Identity, Kind
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.shells.request_registers import RequestRegisters

IDENTITY = Identity(ArrayConfig(1, 1), (Encoding.CSR,), 64, 64, 64, 1_000_000)


def test_a_header_and_a_word_are_shifted_and_counted() -> None:
    dut = RequestRegisters(IDENTITY)

    async def once(ctx: Any, name: str, **values: int) -> None:
        for port, value in values.items():
            ctx.set(getattr(dut, port), value)
        ctx.set(getattr(dut, name), 1)
        await ctx.tick()
        ctx.set(getattr(dut, name), 0)

    async def bench(ctx: Any) -> None:
        def header() -> tuple[int, int, int]:
            return ctx.get(dut.header.kind), ctx.get(dut.header.length), ctx.get(dut.header.address)

        for byte in HEADER.pack(Kind.PEEK, 77, 20, 0x123456FF):
            await once(ctx, "take_header", byte=byte)
        assert header() == (Kind.PEEK, 20, 0x123456FF)
        await once(ctx, "count")
        assert header() == (Kind.PEEK, 19, 0x123456FF)
        # As many bits are counted as a position or the memory needs.
        await once(ctx, "next_address")
        assert header() == (Kind.PEEK, 19, 0x12345680)
        await once(ctx, "set_length", new_length=5)
        assert header()[1] == 5
        await once(ctx, "begin")
        for place, byte in enumerate((0x11, 0x22, 0x33, 0x44)):
            assert ctx.get(dut.word_place) == place
            await once(ctx, "gather", byte=byte)
        assert (ctx.get(dut.word), ctx.get(dut.word_place)) == (0x44332211, 0)
        await once(ctx, "shift")
        assert (ctx.get(dut.word), ctx.get(dut.word_place)) == (0x443322, 1)
        await once(ctx, "set_word", new_word=0xAABBCCDD)
        assert (ctx.get(dut.word), ctx.get(dut.word_place)) == (0xAABBCCDD, 1)

    simulated(dut, bench)
