"""The UART keeps to its rate, receives at one that is not quite its own, and drops what is no byte."""

from random import Random
from typing import Any

import pytest
from amaranth.sim import Simulator

from openwork_hw.arch.config import ConfigError
from openwork_hw.shells.uart import Uart, clocks_per_bit


@pytest.mark.parametrize("clocks", [4, 5, 16])
def test_bytes_go_out_at_the_rate(clocks: int) -> None:
    uart = Uart(clocks)
    content = [0x00, 0xFF, 0xA5]
    wire: list[int] = []

    async def bench(ctx: Any) -> None:
        left = list(content)
        while len(wire) < 12 * clocks * len(content):
            ctx.set(uart.i.valid, bool(left))
            ctx.set(uart.i.payload, left[0] if left else 0)
            if left and ctx.get(uart.i.ready):
                left.pop(0)
            wire.append(ctx.get(uart.tx))
            await ctx.tick()

    simulate(uart, bench)
    at = 0
    for byte in content:
        at = wire.index(0, at)
        bits = [set(wire[at + bit * clocks : at + (bit + 1) * clocks]) for bit in range(10)]
        assert bits == [{0}, *({byte >> bit & 1} for bit in range(8)), {1}]
        at += 10 * clocks
    assert at == wire.index(0) + len(content) * 10 * clocks + len(content) - 1


@pytest.mark.parametrize(("clocks", "error"), [(4, 0.0), (8, 0.02), (8, -0.02), (16, 0.03), (16, -0.03)])
def test_bytes_come_in_at_another_clock(clocks: int, error: float) -> None:
    """The sender's bit is longer or shorter by the error, and begins anywhere between two edges."""
    uart = Uart(clocks)
    random = Random(1)
    content = random.randbytes(40)
    bit_cycles = clocks * (1 + error)
    received = bytearray()

    async def bench(ctx: Any) -> None:
        ctx.set(uart.o.ready, 1)
        edges: list[tuple[float, int]] = []
        at = 10.0
        for byte in content:
            for bit in [0, *(byte >> place & 1 for place in range(8)), 1]:
                edges.append((at, bit))
                at += bit_cycles
            at += random.random() * 3
        cycle = 0
        while cycle < at + 10 * clocks:
            while edges and edges[0][0] <= cycle:
                ctx.set(uart.rx, edges.pop(0)[1])
            if ctx.get(uart.o.valid):
                received.append(ctx.get(uart.o.payload))
            await ctx.tick()
            cycle += 1

    simulate(uart, bench)
    assert received == content


def test_a_spike_and_a_byte_without_stop_bit_are_dropped() -> None:
    uart = Uart(8)
    received = bytearray()

    async def bench(ctx: Any) -> None:
        ctx.set(uart.o.ready, 1)
        for level, cycles in ((1, 20), (0, 2), (1, 100), (0, 80), (1, 200)):
            ctx.set(uart.rx, level)
            for _ in range(cycles):
                if ctx.get(uart.o.valid):
                    received.append(ctx.get(uart.o.payload))
                await ctx.tick()

    simulate(uart, bench)
    assert received == b""


def test_rates_that_cannot_be_made_are_refused() -> None:
    assert clocks_per_bit(48e6, 3_000_000) == 16
    with pytest.raises(ConfigError, match="3,000,000 baud need a clock of 12 MHz, not 8"):
        clocks_per_bit(8e6, 3_000_000)
    with pytest.raises(ConfigError, match="is not 3,000,000 baud to 2 %"):
        clocks_per_bit(16e6, 3_000_000)
    with pytest.raises(ConfigError, match="at least 4 clock cycles, not 3"):
        Uart(3)


def simulate(uart: Uart, bench: Any) -> None:
    simulator = Simulator(uart)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
