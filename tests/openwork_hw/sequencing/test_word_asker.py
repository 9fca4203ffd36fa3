"""WordAsker: words come row_spacing apart, or a period, and the queue of bytes never runs over."""

from itertools import pairwise
from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.timing import way_cycles
from openwork_hw.sequencing.return_path import queue_bytes
from openwork_hw.sequencing.word_asker import WordAsker

WORDS = 60


@pytest.mark.parametrize(("pes", "lanes"), [(1, 1), (1, 3), (21, 7), (29, 3), (5, 15), (60, 8)])
@pytest.mark.parametrize("moving", [False, True])
def test_words_come_as_fast_as_their_bytes_are_taken(pes: int, lanes: int, moving: bool) -> None:
    """With a way as long as the array's, bytes are taken as soon as they come; then nobody takes any, and it stops."""
    config = ArrayConfig(pes=pes, lanes=lanes, group_sizes=(pes,))
    period = max(config.row_spacing, 1 + lanes**2) if moving else config.row_spacing
    dut = WordAsker(config)
    # From a promise to the first byte at the end of the queue: the beat's register, the way, the queue.
    way = way_cycles(config) + 4
    promises: list[int] = []

    async def bench(ctx: Any) -> None:
        ctx.set(dut.asks, 1)
        ctx.set(dut.moving, moving)
        ctx.set(dut.period, period if moving else 1)
        coming: list[int] = []
        for cycle in range(WORDS * period + way + 20):
            ctx.set(dut.more, len(promises) < WORDS)
            if ctx.get(dut.promise):
                promises.append(cycle)
                coming += [cycle + way + lane for lane in range(lanes)]
            taken = bool(coming) and coming[0] <= cycle
            if taken:
                coming.pop(0)
            ctx.set(dut.taken, taken)
            await ctx.tick()
        await ctx.tick().repeat(4)
        assert ctx.get(dut.returned)
        stuck = 0
        ctx.set(dut.more, 1)
        for _ in range(20 * queue_bytes(config)):
            stuck += ctx.get(dut.promise)
            await ctx.tick()
        assert stuck * lanes <= queue_bytes(config) < (stuck + 3) * lanes
        assert not ctx.get(dut.returned)

    simulated(dut, bench)
    apart = {later - early for early, later in pairwise(promises)}
    assert len(promises) == WORDS and apart == {period}
