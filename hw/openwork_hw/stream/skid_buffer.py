"""Cuts the path of `ready` through a stream."""

from typing import Any

from amaranth.hdl import Elaboratable, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class SkidBuffer(wiring.Component):
    """Pass a stream on with a registered `ready`. A payload that comes while the consumer stalls waits in a register.

    Role
        Part of a `WeightDecoder`: it cuts the path of `ready` without a cycle of latency.
    Function
        `o` repeats the payloads of `i` in order.
    Ports
        i : in, stream of `payload`
        o : out, stream of `payload`
        flush : in; drop what waits. A reset drops nothing
    Timing
        latency_cycles = 0, one payload per cycle, no bubble. Combinational paths: i.payload and i.valid to o; none of ready.
    Cost
        One register of the payload, one multiplexer.
    Limits
        -
    """

    latency_cycles = 0

    i: stream.Interface
    o: stream.Interface
    flush: Signal

    def __init__(self, payload: Any) -> None:
        self._payload = payload
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload)), "flush": In(1)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        waiting = Signal(self._payload, reset_less=True)
        waits = Signal(reset_less=True)
        m.d.comb += [
            self.i.ready.eq(~waits),
            self.o.valid.eq(waits | self.i.valid),
            self.o.payload.eq(Mux(waits, waiting, self.i.payload)),
        ]
        m.d.sync += waits.eq(self.o.valid & ~self.o.ready & ~self.flush)
        with m.If(~waits):
            m.d.sync += waiting.eq(self.i.payload)
        return m
