"""Turns words into bytes: as many bytes per cycle as the consumer asks for."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.decoder.payloads import WeightWord
from openwork_hw.primitives.registers import without_reset

BUFFER_BYTES = 8


class ByteGearbox(wiring.Component):
    """Show the next five bytes of a stream of words and drop as many as the consumer says.

    Role
        Part of a `CsrDecoder` or a `TripletDecoder`, whose fields do not begin at the edges of words.
    Function
        `o` holds the next bytes, the first byte lowest. Bytes that have not come yet are 0. `take` bytes leave.
    Ports
        i_words : in, stream of WeightWord
        take : in, 4 bits; bytes to drop, one of `takes`, at most `level`
        o : out, 40 bits; the next bytes
        level : out, 0 to 8; bytes that are there
        ended : out; the stream's last word is in the buffer: nothing will follow
        restart : in; forget everything
    Timing
        A word's bytes show the cycle after it is taken. Words are taken at one per cycle as long as the bytes left after
        `take` are at most 4. Combinational path: take to i_words.ready.
    Cost
        64 bits of buffer; no multiplier, no memory.
    Limits
        No `i_words` transfer while `restart` is high.
    Verified by
        tests/cosim/test_decoder.py::test_streams_decode_to_their_rows_at_every_stall_rate
    """

    latency_cycles = 1

    i_words: stream.Interface
    take: Value
    o: Value
    level: Value
    ended: Value
    restart: Value

    def __init__(self, *, takes: tuple[int, ...]) -> None:
        self._takes = takes
        super().__init__(
            {
                "i_words": In(stream.Signature(WeightWord)),
                "take": In(4),
                "o": Out(40),
                "level": Out(range(BUFFER_BYTES + 1)),
                "ended": Out(1),
                "restart": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        level = without_reset(m, self.level, "level")
        ended = without_reset(m, self.ended, "ended")
        buffer = Signal(8 * BUFFER_BYTES, reset_less=True)
        kept = Signal(8 * BUFFER_BYTES)
        kept_level = Signal(range(BUFFER_BYTES + 1))
        word = Signal(32)
        m.d.comb += [
            self.o.eq(buffer),
            kept.eq(buffer),
            kept_level.eq(level - self.take),
            self.i_words.ready.eq((kept_level <= BUFFER_BYTES - 4) & ~ended & ~self.restart),
            word.eq(Mux(self.i_words.valid & self.i_words.ready, self.i_words.payload.data, 0)),
        ]
        with m.Switch(self.take):
            for count in self._takes:
                with m.Case(count):
                    m.d.comb += kept.eq(buffer >> 8 * count)
        m.d.sync += [buffer.eq(kept), level.eq(kept_level)]
        with m.If(self.i_words.valid & self.i_words.ready):
            m.d.sync += [level.eq(kept_level + 4), ended.eq(self.i_words.payload.last)]
        with m.Switch(kept_level):
            for count in range(BUFFER_BYTES - 4 + 1):
                with m.Case(count):
                    m.d.sync += buffer.eq(kept | word << 8 * count)
        with m.If(self.restart):
            m.d.sync += [buffer.eq(0), level.eq(0), ended.eq(0)]
        return m
