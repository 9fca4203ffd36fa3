"""RunControl: requests in order, and every one of them ends."""

from typing import Any

import pytest
from amaranth.sim import Simulator

from openwork_hw.arch.config import ConfigError
from openwork_hw.arch.image import ImageStatus
from openwork_hw.image.run_control import ABORT_CYCLES, Request, RunControl
from openwork_hw.sequencing.payloads import CYCLE_BITS

WATCHDOG_BITS = 6
PERIOD = 1 << WATCHDOG_BITS


def answers(
    requests: list[Any], *, stuck: str = "", moves: int = 0, most_cycles_bits: int | None = None
) -> list[tuple[int, int]]:
    """Status and cycles of each answer, of a control whose neighbours do at once what they are asked for.

    Args:
        stuck: what it waits for in vain.
        moves: cycles from one move to the next; 0 for none.
    """
    control = RunControl(watchdog_bits=WATCHDOG_BITS, most_cycles_bits=most_cycles_bits)
    found: list[tuple[int, int]] = []

    async def bench(ctx: Any) -> None:
        ctx.set(control.quiet, 1)
        ctx.set(control.found, ImageStatus.GOOD)
        ctx.set(control.o_answers.ready, 1)
        left = list(requests)
        for cycle in range(3000):
            ctx.set(control.i_requests.valid, bool(left))
            if left:
                ctx.set(control.i_requests.payload, left[0])
            ctx.set(control.moved, bool(moves) and cycle % moves == 0)
            for name, asked in (
                ("checked", control.checking),
                ("commanded", control.clear),
                ("reported", control.rewind),
                ("started", control.start),
                ("ended", control.running),
            ):
                ctx.set(getattr(control, name), ctx.get(asked) and name != stuck)
            if left and ctx.get(control.i_requests.ready):
                left.pop(0)
            if ctx.get(control.o_answers.valid):
                payload = ctx.get(control.o_answers.payload)
                found.append((int(payload.status), payload.cycles))
                if len(found) == len(requests):
                    return
            await ctx.tick()

    simulator = Simulator(control)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def test_a_run_needs_a_check_that_found_the_image_good() -> None:
    statuses = [status for status, _ in answers([Request.RUN, Request.CHECK, Request.RUN])]
    assert statuses == [ImageStatus.NOT_CHECKED, ImageStatus.GOOD, ImageStatus.GOOD]


@pytest.mark.parametrize("stuck", ["commanded", "reported", "started", "ended"])
def test_what_never_comes_ends_a_run(stuck: str) -> None:
    _, (status, cycles), (again, _) = answers([Request.CHECK, Request.RUN, Request.RUN], stuck=stuck)
    assert status == again == ImageStatus.TIMED_OUT
    assert PERIOD <= cycles <= 2 * PERIOD + 2 * ABORT_CYCLES + 4


def test_a_check_that_never_ends_ends_and_leaves_nothing_checked() -> None:
    (status, cycles), (run, _) = answers([Request.CHECK, Request.RUN], stuck="checked")
    assert (status, run) == (ImageStatus.TIMED_OUT, ImageStatus.NOT_CHECKED)
    assert PERIOD <= cycles <= 2 * PERIOD + 2 * ABORT_CYCLES + 4


@pytest.mark.parametrize(("moves", "ends"), [(PERIOD // 2, False), (4 * PERIOD, True)])
def test_what_moves_now_and_then_goes_on(moves: int, ends: bool) -> None:
    found = answers([Request.CHECK, Request.RUN], stuck="ended", moves=moves)
    assert [status for status, _ in found[1:]] == [ImageStatus.TIMED_OUT] * ends


def test_a_run_without_end_ends_although_all_moves() -> None:
    _, (status, cycles) = answers([Request.CHECK, Request.RUN], stuck="ended", moves=1, most_cycles_bits=8)
    assert status == ImageStatus.TIMED_OUT
    assert 256 <= cycles <= 260 + 2 * ABORT_CYCLES


@pytest.mark.parametrize("after", range(17))
def test_a_run_that_cannot_go_on_ends_and_resets_the_array_for_long_enough(after: int) -> None:
    """In whatever cycle it is found out."""
    control = RunControl(watchdog_bits=5)
    statuses, aborted = [], 0

    async def bench(ctx: Any) -> None:
        nonlocal aborted
        for name in ("quiet", "checked", "commanded", "started", "moved"):
            ctx.set(getattr(control, name), 1)
        ctx.set(control.o_answers.ready, 1)
        ran = 0
        for request in (Request.CHECK, Request.RUN):
            ctx.set(control.i_requests.payload, request)
            ctx.set(control.i_requests.valid, 1)
            while not ctx.get(control.o_answers.valid):
                ctx.set(control.reported, ctx.get(control.rewind))
                ctx.set(control.commanded, ctx.get(control.clear))
                ran += ctx.get(control.running)
                ctx.set(control.failed, ran == after + 1)
                ctx.set(control.found, ImageStatus.DAMAGED if ran == after + 1 else ImageStatus.GOOD)
                aborted += ctx.get(control.abort)
                await ctx.tick()
            statuses.append(ctx.get(control.o_answers.payload.status))
            await ctx.tick()

    simulator = Simulator(control)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert statuses == [ImageStatus.GOOD, ImageStatus.DAMAGED]
    assert ABORT_CYCLES <= aborted <= 2 * ABORT_CYCLES


def test_a_watchdog_that_no_counter_has_is_refused() -> None:
    with pytest.raises(ConfigError, match="watchdog_bits must be from 5 to 31, not 32"):
        RunControl(watchdog_bits=CYCLE_BITS)
