"""Computes how many results there are for a READ."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.link import Identity
from openwork_hw.shells.request_registers import length_bits, position_bits


class ResultWindow(wiring.Component):
    """Compare the results that the array has given with the results that the host asks for.

    Role
        Part of a `Responder`.
    Function
        available = given - read, or 0 where the host asks for results that are not there yet; enough = available >= length.
    Ports
        given, read : in; positions of the result buffer
        length : in; what is asked for
        available, enough : out
    Timing
        `available` is two cycles late, and `enough` three. Each step has a cycle of its own, because two steps together would set
        the clock of a large part. No combinational path.
    Cost
        A subtraction and a comparison, two registers.
    Limits
        None.
    """

    given: Value
    read: Value
    length: Value
    available: Value
    enough: Value

    latency_cycles = 3

    def __init__(self, identity: Identity) -> None:
        bits = position_bits(identity)
        super().__init__(
            {
                "given": In(bits),
                "read": In(bits),
                "length": In(length_bits(identity)),
                "available": Out(bits),
                "enough": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        behind = Signal(len(self.given))
        m.d.sync += [
            behind.eq(self.given - self.read),
            self.available.eq(Mux(behind[-1] & behind[:-1].any(), 0, behind)),
            self.enough.eq(self.available >= self.length),
        ]
        return m
