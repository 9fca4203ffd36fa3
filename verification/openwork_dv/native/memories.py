"""Memories for compiled simulations."""

from amaranth.hdl import ClockSignal, Elaboratable, Instance, Shape
from amaranth.lib import memory

LOADED = "openwork_loaded"
"""The attribute of memories that a program can fill before it begins; its value is the memory's name for that."""


class PlainMemories:
    """A platform whose memories of zeros are `plain_memory` of memory.v, where they have one port to write and one to read.

    Those with the attribute LOADED are `loaded_memory` of loaded_memory.v.
    """

    def get_memory(self, words: memory.Memory) -> Elaboratable:
        """What Amaranth asks for each memory."""
        writes, reads = words.write_ports, words.read_ports
        plain = len(writes) == len(reads) == 1 and len(writes[0].en) == 1 and not reads[0].transparent_for
        if not plain or {writes[0].domain, reads[0].domain} != {"sync"} or any(words.init):
            return words.elaborate(None)
        write, read = writes[0], reads[0]
        loaded = words.attrs.get(LOADED)
        return Instance(
            "plain_memory" if loaded is None else "loaded_memory",
            *([] if loaded is None else [("p", "NAME", loaded)]),
            p_WIDTH=Shape.cast(words.shape).width,
            p_DEPTH=words.depth,
            p_ADDRESS_BITS=max(len(read.addr), 1),
            i_clk=ClockSignal(),
            i_write_enable=write.en,
            i_write_address=write.addr,
            i_write_data=write.data,
            i_read_enable=read.en,
            i_read_address=read.addr,
            o_read_data=read.data,
        )
