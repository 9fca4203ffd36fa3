"""A few bits of every word of the image memory."""

from collections.abc import Sequence

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import Technology, bits_for
from openwork_hw.primitives.block_memory import MOST_WORDS, BlockMemory

SLICE_BITS = 8
"""A large memory lies all over the part: so many bits of its words have registers of their own, and can lie together."""


class MemorySlice(wiring.Component):
    """Hold a few bits of each word, behind registers.

    Function
        read_data[t + latency_cycles] = what was written to read_address[t] last before t, where write_enable was high.
    Ports
        read_address : in, bits_for(words); read every cycle
        read_data : out, SLICE_BITS
        write_enable : in, 1
        write_address : in, bits_for(words)
        write_data : in, SLICE_BITS
    Timing
        latency_cycles, a read and a write each cycle. No combinational path.
    Cost
        words x SLICE_BITS of block memory, its registers, and one for each input.
    Limits
        Reading the address that is written in the same cycle gives the old bits or the new ones.
    """

    latency_cycles = 1 + BlockMemory.latency_cycles

    read_address: Signal
    read_data: Signal
    write_enable: Signal
    write_address: Signal
    write_data: Signal

    def __init__(self, words: int, technology: Technology, start: Sequence[int]) -> None:
        """`start`: the bits of the first words after power-up."""
        # Synthesis finds room for what block memories of our own do not hold.
        ours = technology is Technology.ECP5 and words <= MOST_WORDS[technology]
        self._bits = BlockMemory(SLICE_BITS, words, technology if ours else Technology.GENERIC, start)
        address_bits = bits_for(words)
        super().__init__(
            {
                "read_address": In(address_bits),
                "read_data": Out(SLICE_BITS),
                "write_enable": In(1),
                "write_address": In(address_bits),
                "write_data": In(SLICE_BITS),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.bits = bits = self._bits
        for name in ("read_address", "write_enable", "write_address", "write_data"):
            port = getattr(self, name)
            # It must not be taken for one with that of another slice.
            register = Signal.like(port, name=f"{name}_kept", reset_less=True, attrs={"keep": 1})
            m.d.sync += register.eq(port)
            m.d.comb += getattr(bits, name).eq(register)
        m.d.comb += self.read_data.eq(bits.read_data)
        return m
