"""Takes the part of a stream that belongs to one pass, and leaves the rest for later passes."""

from typing import Any

from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.stream.output_buffer import OutputBuffer


class PassBuffer(wiring.Component):
    """Pass a stream on, from the beginning of a pass to the payload marked `last`.

    Role
        The input of a `Feeder` for words and for records: the stream goes on with the next pass.
    Function
        `o` repeats the payloads of `i` in order. The payloads after a `last` wait at `i` for the next pass.
    Ports
        i : in, stream of `payload`, a layout with a field `last`
        o : out, stream of `payload`
        clear : in; return to the state before a pass; the pass begins when `clear` falls
    Timing
        latency_cycles = 1, one payload per cycle, no bubble. Combinational paths: clear to i.ready. Without `registers` the latency
        is 0, and there are combinational paths between `i` and `o`, both ways.
    Cost
        Two registers of the payload, one multiplexer; without `registers` a flip-flop.
    Limits
        None.
    """

    latency_cycles = OutputBuffer.latency_cycles

    i: stream.Interface
    o: stream.Interface
    clear: Signal

    def __init__(self, payload: Any, *, registers: bool = True) -> None:
        self._payload = payload
        self._registers = registers
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload)), "clear": In(1)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        onward = wiring.flipped(self.o)
        if self._registers:
            m.submodules.buffer = buffer = OutputBuffer(self._payload)
            wiring.connect(m, buffer.o, onward)
            m.d.comb += buffer.flush.eq(self.clear)
            onward = buffer.i
        open_ = Signal()
        ended = Signal(reset_less=True)
        m.d.comb += [
            open_.eq(~self.clear & ~ended),
            onward.payload.eq(self.i.payload),
            onward.valid.eq(self.i.valid & open_),
            self.i.ready.eq(onward.ready & open_),
        ]
        with m.If(self.clear):
            m.d.sync += ended.eq(0)
        with m.Elif(onward.valid & onward.ready):
            m.d.sync += ended.eq(self.i.payload.last)
        return m
