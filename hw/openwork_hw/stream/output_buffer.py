"""A buffer that ends a pipeline: its stall signal and its offer are registers."""

from typing import Any

from amaranth.hdl import Elaboratable, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.primitives.registers import without_reset


class OutputBuffer(wiring.Component):
    """Pass a stream on through two places, so that no path leads from its output to its input.

    Role
        The end of a pipeline, such as a decoder: the consumer's logic begins at a register.
    Function
        `o` repeats the payloads of `i` in order.
    Ports
        i : in, stream of `payload`; ready as long as one of the two places is free
        o : out, stream of `payload`
        flush : in; drop what waits. A reset drops nothing
    Timing
        latency_cycles = 1, one payload per cycle, no bubble. No combinational path.
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
        valid = without_reset(m, self.o.valid, "valid")
        offered = without_reset(m, self.o.payload, "offered")
        waiting = Signal(self._payload, reset_less=True)
        waits = Signal(reset_less=True)
        moves = Signal()
        m.d.comb += [self.i.ready.eq(~waits), moves.eq(~valid | self.o.ready)]
        m.d.sync += waits.eq((waits | self.i.valid) & ~moves & ~self.flush)
        with m.If(~waits):
            m.d.sync += waiting.eq(self.i.payload)
        with m.If(moves):
            m.d.sync += [
                valid.eq(waits | self.i.valid),
                offered.eq(Mux(waits, waiting, self.i.payload)),
            ]
        with m.If(self.flush):
            m.d.sync += valid.eq(0)
        return m
