"""RegisteredMemory gives what was written last."""

from random import Random
from typing import Any

from amaranth.sim import Simulator

from openwork_hw.arch.config import Technology
from openwork_hw.primitives.registered_memory import RegisteredMemory

WIDTH, WORDS = 9, 12


def test_reads_give_what_was_written_before() -> None:
    random = Random(1)
    content = [random.randrange(1 << WIDTH) for _ in range(WORDS)]
    dut = RegisteredMemory(WIDTH, WORDS, Technology.GENERIC, content[:7])
    content[7:] = [0] * (WORDS - 7)
    expected: list[int] = []
    seen: list[int] = []

    async def bench(ctx: Any) -> None:
        for _ in range(500):
            writes, read, written = random.random() < 0.5, random.randrange(WORDS), random.randrange(WORDS)
            if writes and written == read:
                written = (read + 1) % WORDS
            data = random.randrange(1 << WIDTH)
            ctx.set(dut.write_enable, writes)
            ctx.set(dut.write_address, written)
            ctx.set(dut.write_data, data)
            ctx.set(dut.read_address, read)
            expected.append(content[read])
            seen.append(ctx.get(dut.read_data))
            if writes:
                content[written] = data
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen[dut.latency_cycles :] == expected[: -dut.latency_cycles]
