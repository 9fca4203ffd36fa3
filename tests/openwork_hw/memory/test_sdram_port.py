"""Commands leave a cycle later, and the words of reads come back when the chip has given them."""

from random import Random
from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.sdram import SDRAM_CHIPS, Command, SdramConfig
from openwork_hw.memory.sdram_port import SdramPort


@pytest.mark.parametrize("clock_hz", [100e6, 133e6])
def test_pins_and_words(clock_hz: float, seed: int) -> None:
    config = SdramConfig(SDRAM_CHIPS["M12L64322A"], clock_hz)
    port, random = SdramPort(config), Random(seed)
    pins = port.pins

    async def bench(ctx: Any) -> None:
        assert (ctx.get(pins.cke), ctx.get(pins.cs_n), ctx.get(pins.dq_oe), ctx.get(pins.dqm)) == (1, 0, 0, 0b1111)
        past: list[dict[str, int]] = []
        words: list[int] = []
        for _ in range(300):
            now = {
                "command": random.choice([*Command, Command.READ]),
                "bank": random.randrange(4),
                "address": random.randrange(1 << config.chip.address_pins),
                "i_word": random.getrandbits(32),
                "masked": random.randrange(2),
            }
            words.append(random.getrandbits(32))
            for name, value in now.items():
                ctx.set(getattr(port, name), value)
            ctx.set(pins.dq_i, words[-1])
            if past:
                before = past[-1]
                command = ctx.get(pins.ras_n) << 2 | ctx.get(pins.cas_n) << 1 | ctx.get(pins.we_n)
                assert command == before["command"]
                assert (ctx.get(pins.ba), ctx.get(pins.a)) == (before["bank"], before["address"])
                assert ctx.get(pins.dq_oe) == (before["command"] == Command.WRITE)
                assert ctx.get(pins.dq_o) == before["i_word"]
                assert ctx.get(pins.dqm) == 0b1111 * before["masked"]
            latency = config.read_latency
            asked = [one["command"] == Command.READ for one in past]
            assert ctx.get(port.o_valid) == (asked[-latency:] != [] and len(asked) >= latency and asked[-latency])
            assert ctx.get(port.busy) == any(asked[1 - latency :])
            if ctx.get(port.o_valid):
                # A READ is on the pins in the next cycle, and its word there a CAS latency later, in the cycle before this one.
                assert ctx.get(port.o_word) == words[-2]
            past.append(now)
            await ctx.tick()

    simulated(port, bench)


def test_a_word_comes_back_a_cas_latency_after_its_command_was_on_the_pins() -> None:
    assert [SdramConfig(SDRAM_CHIPS["AS4C32M16"], hz).read_latency for hz in (100e6, 133e6)] == [1 + 2 + 1, 1 + 3 + 1]
