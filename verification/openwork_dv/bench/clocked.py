"""The one clock loop that all benches share: a single coroutine serves every stream after each rising edge."""

import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from openwork_dv.drivers import Sink, Source
from openwork_dv.monitors import Monitor

CLOCK_PERIOD_NS = 10


def read_jobs() -> Any:
    """What `openwork_dv.runner` was asked to simulate."""
    return pickle.loads(Path(os.environ["OPENWORK_JOBS"]).read_bytes())


def write_results(results: Any) -> None:
    """Hand the results back to `openwork_dv.runner`."""
    path = Path(os.environ["OPENWORK_RESULTS"])
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(pickle.dumps(results))
    unfinished.replace(path)


class ClockedBench:
    """Sources, sinks and monitors of a component, one call a cycle.

    Attributes:
        sources: by port name.
        monitors: by port name.
        cycle: rising edges so far.
    """

    def __init__(self, top: Any, sources: Sequence[str], sinks: Sequence[str]) -> None:
        self.top = top
        self.sources = {name: Source(top, name) for name in sources}
        self.monitors = {name: Monitor(top, name) for name in sinks}
        self.cycle = 0
        self.random = Random(0)
        self.stall = 0.0
        self._sinks = [Sink(top, name) for name in sinks]
        self._sources = list(self.sources.values())
        self._monitors = list(self.monitors.values())
        self._edge = RisingEdge(top.clk)
        # Low first: an edge before the inputs are driven would make undefined what no reset defines again.
        Clock(top.clk, CLOCK_PERIOD_NS, unit="ns", impl="gpi").start(start_high=False)

    async def reset(self) -> None:
        """Two cycles of reset; nothing stays queued."""
        for source in self._sources:
            source.clear()
        self.top.rst.value = 1
        for _ in range(2):
            await self._edge
        self.top.rst.value = 0
        await self._edge
        for monitor in self._monitors:
            monitor.clear()

    async def tick(self) -> None:
        """One clock cycle."""
        await self._edge
        self.cycle += 1
        random, stall = self.random, self.stall
        for monitor in self._monitors:
            monitor.edge(self.cycle)
        for source in self._sources:
            if source.busy:
                source.edge(random, stall)
        for sink in self._sinks:
            sink.edge(random, stall)

    def problems(self) -> tuple[str, ...]:
        """What the monitors saw since the last call."""
        found = tuple(problem for monitor in self._monitors for problem in monitor.problems)
        for monitor in self._monitors:
            monitor.problems.clear()
        return found
