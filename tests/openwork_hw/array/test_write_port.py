"""The write port hands on every word once, those of the first source at once."""

from collections import deque
from typing import Any

import numpy as np
from amaranth.sim import Simulator

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.array.write_port import WritePort

CONFIG = ArrayConfig(pes=1, lanes=2, feature_words=64)
SOURCES = 3


def test_words_leave_once_and_those_of_the_first_source_at_once() -> None:
    rng = np.random.default_rng(5)
    dut = WritePort(CONFIG, sources=SOURCES)
    waiting: list[deque[tuple[int, list[int]]]] = [deque() for _ in range(SOURCES)]
    expected: list[tuple[int, list[int]] | None] = []
    written: list[tuple[int, list[int]] | None] = []

    async def bench(ctx: Any) -> None:
        for _ in range(300):
            for source in range(SOURCES):
                if not waiting[source] and rng.random() < 0.4:
                    word = rng.integers(-128, 128, CONFIG.lanes).tolist()
                    waiting[source].append((int(rng.integers(CONFIG.feature_words)), word))
                offered = waiting[source]
                # A source that has nothing shows something all the same.
                address, word = offered[0] if offered else (63, [-1] * CONFIG.lanes)
                ctx.set(dut.i[source], {"valid": bool(offered), "address": address, "word": word})
            first = next((source for source in range(SOURCES) if waiting[source]), None)
            assert ctx.get(dut.taken) == (0 if first is None else 1 << first)
            expected.append(None if first is None else waiting[first].popleft())
            await ctx.tick()
            o = ctx.get(dut.o)
            written.append((o.address, [o.word[lane] for lane in range(CONFIG.lanes)]) if o.valid else None)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert dut.latency_cycles == 1
    assert written == expected
    assert sum(word is None for word in written) > 10
