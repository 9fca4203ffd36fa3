"""A queue in block memory."""

from typing import Any

from amaranth.hdl import Cat, Elaboratable, Module, Shape, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ConfigError, Technology, bits_for
from openwork_hw.primitives.block_memory import BlockMemory


class BlockQueue(wiring.Component):
    """Keep up to `depth` payloads in the order in which they came, for a slow consumer.

    Role
        Part of a `LinearReader`: the row records of a pass wait there.
    Function
        `o` repeats the payloads of `i`.
    Ports
        i, o : in, out, streams of `payload`
    Timing
        One payload per cycle at `i`, one per four cycles at `o`. No combinational path.
    Cost
        A BlockMemory, two pointers. A queue of Amaranth's library costs two payloads of flip-flops more: it can read a word in
        the cycle in which it is written, which never happens here.
    Limits
        `depth` is a power of two.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, payload: Any, depth: int, technology: Technology) -> None:
        if depth < 2 or depth & (depth - 1):
            raise ConfigError(f"a queue in block memory has a power of two of places, 2 or more, not {depth}")
        self._depth = depth
        self._memory = BlockMemory(Shape.cast(payload).width, depth, technology)
        super().__init__({"i": In(stream.Signature(payload)), "o": Out(stream.Signature(payload))})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.memory = memory = self._memory
        put, take = (Signal(bits_for(self._depth) + 1, name=name) for name in ("put", "take"))
        settled = Signal(BlockMemory.latency_cycles)  # what is at `take` has been there for so many cycles
        m.d.comb += [
            self.i.ready.eq((put ^ take) != self._depth),
            memory.write_enable.eq(self.i.valid & self.i.ready),
            memory.write_address.eq(put[:-1]),
            memory.write_data.eq(self.i.payload),
            memory.read_address.eq(take[:-1]),
            self.o.payload.eq(memory.read_data),
            self.o.valid.eq(settled[-1]),
        ]
        m.d.sync += settled.eq(Cat(put != take, settled))
        with m.If(memory.write_enable):
            m.d.sync += put.eq(put + 1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [take.eq(take + 1), settled.eq(0)]
        return m
