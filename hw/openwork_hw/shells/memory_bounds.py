"""Finds requests that reach beyond the image memory."""

from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.link import Identity
from openwork_hw.shells.request_registers import REQUEST_HEADER, length_bits, stored_bits


class MemoryBounds(wiring.Component):
    """Say whether a WRITE or PEEK reaches beyond the memory.

    Role
        Part of a `RequestServer`, which drops such a WRITE, and answers such a PEEK without words.
    Function
        beyond = address + length / 4 > memory_words, if the memory can be written. Otherwise beyond = the address has more bits
        than an address of the memory.
    Ports
        header : in, REQUEST_HEADER
        beyond : out
    Timing
        Two cycles after the header, which is long before the request's last byte; without writes, combinational.
    Cost
        An adder and a comparison.
    Limits
        None.
    """

    header: data.View
    beyond: Value

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        super().__init__({"header": In(REQUEST_HEADER), "beyond": Out(1)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        identity, header, stored = self._identity, self.header, stored_bits(self._identity)
        length = header.length[: length_bits(identity)]
        if identity.writable:
            end = Signal(stored + 2)
            m.d.sync += [
                end.eq(header.address[: stored + 1] + length[2:]),
                self.beyond.eq(header.address[stored + 1 :].any() | (end > identity.memory_words)),
            ]
        elif identity.peek:
            m.d.comb += self.beyond.eq(header.address[stored:].any())
        return m
