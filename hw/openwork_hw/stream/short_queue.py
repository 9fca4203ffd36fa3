"""A queue of two between parts that lie far apart."""

from typing import Any

from amaranth.hdl import Elaboratable, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class ShortQueue(wiring.Component):
    """Pass a stream on through two registers that are filled in turn.

    Role
        Between two parts that lie far apart, such as the readers and the image memory.
    Function
        `o` repeats the payloads of `i` in order.
    Ports
        i : in, stream of `payload`; ready as long as one of the two places is free
        o : out, stream of `payload`
        flush : in; drop what waits
    Timing
        latency_cycles = 1, one payload per cycle, no bubble. No combinational path. Neither o.ready nor i.valid reaches more than
        a few flip-flops; o.payload comes out of a multiplexer.
    Cost
        Two registers of the payload, one multiplexer.
    Limits
        No transfer on `i` while `flush` is high.
    Verified by
        tests/formal/test_buffers.py::test_buffers_keep_order_payload_and_offers
    """

    latency_cycles = 1

    i: stream.Interface
    o: stream.Interface
    flush: Signal

    def __init__(self, payload: Any) -> None:
        self._payload = payload
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload)), "flush": In(1)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        places = [Signal(self._payload, name=f"place_{number}", reset_less=True) for number in range(2)]
        put, take = Signal(), Signal()
        there, full = Signal(), Signal()
        comes, goes = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~full),
            self.o.valid.eq(there),
            self.o.payload.eq(Mux(take, places[1], places[0])),
            comes.eq(self.i.valid & ~full),
            goes.eq(self.o.ready & there),
        ]
        # The place that is free next takes whatever is offered, and keeps it when it counts.
        for number, place in enumerate(places):
            with m.If((put == number) & ~full):
                m.d.sync += place.eq(self.i.payload)
        m.d.sync += [
            put.eq(put ^ comes),
            take.eq(take ^ goes),
            there.eq((full | comes | (there & ~goes)) & ~self.flush),
            full.eq(there & ~goes & (full | comes) & ~self.flush),
        ]
        with m.If(self.flush):
            m.d.sync += take.eq(put)
        return m
