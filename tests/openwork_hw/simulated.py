"""A component in Amaranth's own simulator."""

from collections.abc import Callable, Coroutine
from typing import Any

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import wiring
from amaranth.sim import Simulator

Bench = Callable[[Any], Coroutine[Any, Any, None]]


def simulated(dut: wiring.Component, bench: Bench, *models: Bench) -> None:
    """Clock the component, which may have no register, until the bench returns. `models` run beside the bench."""
    m = Module()
    m.domains.sync = ClockDomain()
    m.submodules.dut = dut
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    for model in models:
        simulator.add_process(model)
    simulator.run()
