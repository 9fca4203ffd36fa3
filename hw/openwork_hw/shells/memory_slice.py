"""A few bits of every word of the image memory."""

from collections.abc import Sequence

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import bits_for

SLICE_BITS = 8
"""A large memory lies all over the part: so many bits of its words have registers of their own, and can lie together."""


class MemorySlice(wiring.Component):
    """Hold a few bits of each word, between registers.

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
        words x SLICE_BITS of block memory, two addresses, SLICE_BITS twice.
    Limits
        Reading the address that is written in the same cycle gives the old bits or the new ones.
    """

    latency_cycles = 3

    read_address: Signal
    read_data: Signal
    write_enable: Signal
    write_address: Signal
    write_data: Signal

    def __init__(self, words: int, image: Sequence[int]) -> None:
        """`image`: what the first words hold from the start."""
        self._words = words
        self._image = image
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
        m.submodules.bits = bits = memory.Memory(shape=SLICE_BITS, depth=self._words, init=self._image)
        write, read = bits.write_port(), bits.read_port()

        def kept(name: str, value: Signal) -> Signal:
            """A register of `value` that is not taken for one with that of another slice."""
            register = Signal.like(value, name=name, reset_less=True, attrs={"keep": 1})
            m.d.sync += register.eq(value)
            return register

        m.d.comb += [
            read.addr.eq(kept("reads", self.read_address)),
            write.en.eq(kept("writes", self.write_enable)),
            write.addr.eq(kept("written", self.write_address)),
            write.data.eq(kept("data", self.write_data)),
        ]
        m.d.sync += self.read_data.eq(read.data)
        return m
