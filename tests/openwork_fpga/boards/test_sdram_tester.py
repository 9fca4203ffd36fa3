"""The design that tries out an SDRAM chip says what is right and what is not."""

from dataclasses import replace
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from tests.openwork_hw.simulated import simulated
from tests.slow import slow_but

from openwork_dv.sdram.chip import SdramModel
from openwork_fpga.boards.sdram_tester import SdramTester
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig

CHIP = replace(
    SDRAM_CHIPS["IS42S16160G"], row_bits=2, column_bits=3, refreshes=4, startup=200, startup_refreshes=2, retention=4000
)
CONFIG = SdramConfig(CHIP, 100e6)
CLOCKS = 8


class Wired(wiring.Component):
    """The tester, and the chip with something wrong between them: `stuck` data bits read 1; `row` has its highest bit cut."""

    def __init__(self) -> None:
        super().__init__({"tx": wiring.Out(1), "seen": wiring.Out(32), "stuck": wiring.In(16), "cut": wiring.In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.tester = tester = SdramTester(CONFIG, baud=round(100e6 / CLOCKS))
        m.submodules.model = model = SdramModel(CONFIG)
        ours, theirs = tester.sdram, model.pins
        for name in ("cke", "cs_n", "ras_n", "cas_n", "we_n", "ba", "dqm", "dq_o", "dq_oe"):
            m.d.comb += getattr(theirs, name).eq(getattr(ours, name))
        highest = Signal(len(ours.a))
        m.d.comb += [
            highest.eq(self.cut << CHIP.row_bits - 1),
            theirs.a.eq(ours.a & ~highest),
            ours.dq_i.eq(theirs.dq_i | self.stuck),
            self.tx.eq(tester.tx),
            self.seen.eq(model.seen),
        ]
        return m


async def heard(ctx: Any, dut: Wired) -> str:
    """The next byte."""
    while ctx.get(dut.tx):
        await ctx.tick()
    await ctx.tick().repeat(CLOCKS // 2)
    value = 0
    for bit in range(8):
        await ctx.tick().repeat(CLOCKS)
        value |= ctx.get(dut.tx) << bit
    await ctx.tick().repeat(CLOCKS)
    return chr(value)


@pytest.mark.parametrize("fault", slow_but([{"stuck": 0x0800}, {"cut": 1}], {"cut": 1}))
def test_a_fault_is_told_while_it_is_there(fault: dict[str, int]) -> None:
    dut = Wired()

    async def bench(ctx: Any) -> None:
        good = [await heard(ctx, dut) for _ in range(3)]
        assert good == [".", ".", "."]
        assert ctx.get(dut.seen) == 0
        for name, value in fault.items():
            ctx.set(getattr(dut, name), value)
        bad = [await heard(ctx, dut) for _ in range(4)]
        assert bad[1:] == ["x", "x", "x"]
        for name in fault:
            ctx.set(getattr(dut, name), 0)
        again = [await heard(ctx, dut) for _ in range(4)]
        assert again[2:] == [".", "."]

    simulated(dut, bench)
