"""Registers of ports that need no reset."""

from typing import Any

from amaranth.hdl import Module, Signal


def without_reset(m: Module, port: Any, name: str) -> Any:
    """A register that drives `port` and that no reset clears: what it holds before it is first written has no effect.

    A reset is a wire to every flip-flop that has one. What a component's `clear` puts in order, or what only means something
    while a valid is high, does without.
    """
    register = Signal(port.shape(), name=name, reset_less=True)
    m.d.comb += port.eq(register)
    return register
