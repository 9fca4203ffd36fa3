"""A block memory that may lie far from its users."""

from collections.abc import Sequence

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import wiring

from openwork_hw.arch.config import Technology
from openwork_hw.primitives.block_memory import BlockMemory
from openwork_hw.primitives.technologies import primitives_of


class RegisteredMemory(wiring.Component):
    """Hold `depth` words of `width` bits behind registers: the way to the memory takes a cycle, and so does the way back.

    Role
        The memory of images, requests and results: it may lie far from its users and does not slow the clock.
    Function
        read_data[t + latency_cycles] = the word that was last written to read_address[t] before t.
    Ports
        as BlockMemory
    Timing
        latency_cycles, one read and one write per cycle. No combinational path.
    Cost
        A BlockMemory, and a register per input. No other memory shares these registers, so they can lie beside the memory.
    Limits
        Reading the address that is written in the same cycle gives the old word or the new one. Contents as BlockMemory's; what its
        device does not hold, synthesis puts together.
    """

    latency_cycles = 1 + BlockMemory.latency_cycles

    write_enable: Signal
    write_address: Signal
    write_data: Signal
    read_address: Signal
    read_data: Signal

    def __init__(self, width: int, depth: int, technology: Technology, start: Sequence[int] = ()) -> None:
        """`start`: the first words after power-up."""
        primitives = primitives_of(technology)
        held = depth <= (primitives.block_words or depth) and (primitives.block_start or not start)
        self._memory = BlockMemory(width, depth, technology if held else Technology.GENERIC, start)
        super().__init__(self._memory.signature)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.memory = memory = self._memory
        for name in ("write_enable", "write_address", "write_data", "read_address"):
            port = getattr(self, name)
            register = Signal.like(port, name=f"{name}_kept", reset_less=True, attrs={"keep": 1})
            m.d.sync += register.eq(port)
            m.d.comb += getattr(memory, name).eq(register)
        m.d.comb += self.read_data.eq(memory.read_data)
        return m
