"""A component in Amaranth's own simulator."""

from collections.abc import Callable, Coroutine
from typing import Any

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.sim import Simulator


def simulated(dut: wiring.Component, bench: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Clock the component, which may have no register, until the bench returns."""
    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
