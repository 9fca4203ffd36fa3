"""The sequencer after a reset: nothing of the command before it counts."""

from typing import Any

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator

from openwork_hw.accelerator import Accelerator
from openwork_hw.arch.commands import LoadCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import command_fields

CONFIG = ArrayConfig(1, 2, feature_words=64, row_buffer_nonzeros=16, tap_entries=16)
LOADED = [1, -2, 3, -4]


@pytest.mark.parametrize("left", [0, 1, 2], ids=lambda left: f"{left}_bytes_taken")
def test_bytes_that_wait_when_a_reset_comes_are_forgotten(left: int) -> None:
    """A STORE is cut off after some of its bytes were taken; the same STORE after the reset gives all of them, and its report."""
    reset = Signal()
    dut = Accelerator(CONFIG)
    outputs: list[int] = []

    async def command(ctx: Any, one: LoadCommand | StoreCommand) -> None:
        ctx.set(dut.i_commands.payload, command_fields(one, CONFIG))
        ctx.set(dut.i_commands.valid, 1)
        await ctx.tick().until(dut.i_commands.ready)
        ctx.set(dut.i_commands.valid, 0)

    async def report(ctx: Any) -> None:
        ctx.set(dut.o_reports.ready, 1)
        for _ in range(500):
            if ctx.get(dut.o_reports.valid):
                await ctx.tick()
                ctx.set(dut.o_reports.ready, 0)
                return
            if ctx.get(dut.o_features.valid) and ctx.get(dut.o_features.ready):
                outputs.append(ctx.get(dut.o_features.payload))
            await ctx.tick()
        raise AssertionError("there is no report")

    async def bench(ctx: Any) -> None:
        store = StoreCommand(0, 0, len(LOADED) // CONFIG.lanes)
        await command(ctx, LoadCommand(1, 0, 0, store.words))
        ctx.set(dut.i_features.valid, 1)
        for value in LOADED:
            ctx.set(dut.i_features.payload, value)
            await ctx.tick().until(dut.i_features.ready)
        ctx.set(dut.i_features.valid, 0)
        await report(ctx)
        await command(ctx, store)
        for _ in range(left):
            ctx.set(dut.o_features.ready, 1)
            await ctx.tick().until(dut.o_features.valid)
            ctx.set(dut.o_features.ready, 0)
        await ctx.tick().repeat(100)
        ctx.set(reset, 1)
        await ctx.tick().repeat(2)
        ctx.set(reset, 0)
        ctx.set(dut.o_features.ready, 1)
        await command(ctx, store)
        await report(ctx)

    simulator = Simulator(ResetInserter(reset)(dut))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert outputs == LOADED
