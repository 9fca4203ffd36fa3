"""Decodes triplet weight streams."""

from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.arch.timing import DECODER_CYCLES
from openwork_hw.decoder.byte_gearbox import ByteGearbox
from openwork_hw.decoder.payloads import DecodedNonzero, WeightWord
from openwork_hw.primitives.registers import without_reset

TRIPLET_BYTES = 5


class TripletDecoder(wiring.Component):
    """Turn the words of a triplet stream, after its header, into nonzeros.

    Role
        One of the decoders that a `WeightDecoder` is built with: the one for `triplet`.
    Function
        The format is that of `openwork_hw.arch.triplet`: per nonzero row (u16), column (u16) and value (i8). A nonzero is held
        back until the next nonzero, or the end of the stream, tells whether it ends its row. It is dropped if an error follows.
    Ports
        i_words : in, stream of WeightWord
        o : out, stream of DecodedNonzero; the error is TRUNCATED: the stream ends within a nonzero
        exhausted : out; the last word is taken, and nothing but zero padding is left; level until `restart`
        restart : in; return to the start
    Timing
        Four nonzeros in five cycles when a word comes every cycle. The first nonzero is offered latency_cycles after
        its first word is taken, if two more follow at once. Combinational path: o.ready to i_words.ready.
    Cost
        One ByteGearbox, one 16-bit comparison.
    Limits
        No `i_words` transfer while `restart` is high.
    Verified by
        tests/cosim/test_decoder.py::test_streams_decode_to_their_rows_at_every_stall_rate
    """

    latency_cycles = DECODER_CYCLES[Encoding.TRIPLET]

    i_words: stream.Interface
    o: stream.Interface
    exhausted: Value
    restart: Value

    def __init__(self) -> None:
        super().__init__(
            {
                "i_words": In(stream.Signature(WeightWord)),
                "o": Out(stream.Signature(DecodedNonzero)),
                "exhausted": Out(1),
                "restart": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.gearbox = gearbox = ByteGearbox(takes=(TRIPLET_BYTES,))
        wiring.connect(m, wiring.flipped(self.i_words), gearbox.i_words)
        m.d.comb += gearbox.restart.eq(self.restart)

        held = Signal(DecodedNonzero, reset_less=True)
        held_valid = Signal(reset_less=True)
        row = gearbox.o[:16]
        payload = without_reset(m, self.o.payload, "payload")
        valid = without_reset(m, self.o.valid, "valid")
        exhausted = without_reset(m, self.exhausted, "exhausted")
        with m.If(~valid | self.o.ready):
            m.d.sync += [valid.eq(0), payload.eq(held), payload.last.eq(row != held.row)]
            with m.If(gearbox.level >= TRIPLET_BYTES):
                m.d.comb += gearbox.take.eq(TRIPLET_BYTES)
                m.d.sync += [
                    valid.eq(held_valid),
                    held_valid.eq(1),
                    held.row.eq(row),
                    held.column.eq(gearbox.o[16:32]),
                    held.value.eq(gearbox.o[32:].as_signed()),
                ]
            with m.Elif(gearbox.ended):
                with m.If((gearbox.level == 4) | (gearbox.o[:24] != 0)):
                    m.d.sync += [valid.eq(1), payload.error.eq(StreamErrorKind.TRUNCATED)]
                with m.Else():
                    m.d.sync += [valid.eq(held_valid), payload.last.eq(1), held_valid.eq(0)]
                    m.d.sync += exhausted.eq(~held_valid)
        with m.If(self.restart):
            m.d.sync += [valid.eq(0), exhausted.eq(0), held_valid.eq(0)]
        return m
