"""RowFaults: each kind of fault, the first of them, and where it was."""

from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.array.row_faults import RowFaults

GOOD: dict[str, Any] = {"accept": 1, "check_rows": 1, "nonzero": {"row": 7, "last": 1}, "record": {"row": 7}}


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        ({"nonzero": {"row": 6}}, StreamErrorKind.ROW),
        ({"nonzero": {"row": 7, "last": 1, "final": 1}}, StreamErrorKind.RECORDS),
        ({"record": {"row": 7, "last": 1}}, StreamErrorKind.RECORDS),
        ({"too_long": 1}, StreamErrorKind.ROW_TOO_LONG),
        ({"upstream_fault": StreamErrorKind.CODE}, StreamErrorKind.CODE),
        ({"nonzero": {"row": 6}, "too_long": 1}, StreamErrorKind.ROW),
        ({"nonzero": {"row": 6}, "check_rows": 0}, StreamErrorKind.NONE),
        ({"nonzero": {"row": 6}, "accept": 0}, StreamErrorKind.NONE),
    ],
)
def test_the_first_fault_is_kept_with_its_position(bad: dict[str, Any], kind: StreamErrorKind) -> None:
    dut = RowFaults(ArrayConfig(pes=1, lanes=1))

    async def offer(ctx: Any, position: int, fields: dict[str, Any]) -> None:
        blank = {"too_long": 0, "upstream_fault": 0, "i_position": position}
        for name, value in (blank | GOOD | fields).items():
            ctx.set(getattr(dut, name), value)
        await ctx.tick()

    async def bench(ctx: Any) -> None:
        ctx.set(dut.clear, 1)
        await ctx.tick()
        ctx.set(dut.clear, 0)
        for position in range(3):
            await offer(ctx, position, {})
            assert not ctx.get(dut.stopped)
        await offer(ctx, 3, bad)
        await offer(ctx, 4, {"upstream_fault": StreamErrorKind.HEADER} if kind else {})
        await offer(ctx, 5, {})
        assert ctx.get(dut.error) == kind
        assert bool(ctx.get(dut.stopped)) == bool(kind)
        assert not kind or ctx.get(dut.position) == 3
        ctx.set(dut.clear, 1)
        await ctx.tick()
        assert not ctx.get(dut.stopped) and ctx.get(dut.error) == StreamErrorKind.NONE

    simulated(dut, bench)
