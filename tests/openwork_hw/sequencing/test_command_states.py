"""CommandStates: each kind of command goes through its states, and one of them at a time."""

from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import CommandOp
from openwork_hw.arch.timing import held_cycles
from openwork_hw.sequencing.command_states import CommandStates

STATES = ("idle", "setting", "loading", "tabulating", "running", "storing", "reporting", "filling")
WAY = {
    CommandOp.CLEAR: [],
    CommandOp.LOAD: [("loading", "words_done")],
    CommandOp.STORE: [("storing", "returned")],
    CommandOp.MOVE: [("storing", "returned")],
    CommandOp.TABLE: [("filling", "entries_done")],
    CommandOp.RUN: [("tabulating", "entries_done"), ("running", "chain_done")],
}
"""For each op the states on its way, and what ends them."""


@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("op", list(WAY))
def test_a_command_goes_its_way(op: CommandOp, compact: bool) -> None:
    config = ArrayConfig(pes=2, lanes=2, compact=compact, activation_tables=True)
    dut = CommandStates(config)

    async def bench(ctx: Any) -> None:
        def states() -> list[str]:
            return [name for name in STATES if ctx.get(getattr(dut, name))]

        async def until(name: str, within: int = 99) -> int:
            for cycle in range(within + 1):
                if states() == [name]:
                    return cycle
                assert len(states()) <= 1
                await ctx.tick()
            raise AssertionError(f"{states()} and not {name}")

        await until("idle")
        assert ctx.get(dut.flushed)
        await ctx.tick().repeat(3)
        for _ in range(2):
            ctx.set(dut.op, op)
            ctx.set(dut.offered, 1)
            await until("setting", 1)
            ctx.set(dut.offered, 0)
            for state, event in WAY[op]:
                await until(state, 2)
                await ctx.tick().repeat(5)
                assert states() == [state]
                ctx.set(getattr(dut, event), 1)
                await ctx.tick()
                assert states() != [state]
                if event == "chain_done":
                    # Nothing goes on until it has fallen again.
                    await ctx.tick().repeat(4)
                    assert states() == []
                ctx.set(getattr(dut, event), 0)
            late = 0 if op in (CommandOp.RUN, CommandOp.CLEAR) else held_cycles(config)
            assert await until("reporting") >= late
            await ctx.tick().repeat(4)
            assert states() == ["reporting"]
            ctx.set(dut.reported, 1)
            await ctx.tick()
            ctx.set(dut.reported, 0)
            assert states() == ["idle"]

    simulated(dut, bench)
