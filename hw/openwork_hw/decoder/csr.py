"""Decodes CSR weight streams."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.arch.timing import DECODER_CYCLES
from openwork_hw.decoder.byte_gearbox import ByteGearbox
from openwork_hw.decoder.payloads import DecodedNonzero, WeightWord
from openwork_hw.primitives.registers import without_reset

LENGTH_BYTES = 2
NONZERO_BYTES = 3


class CsrDecoder(wiring.Component):
    """Turn the words of a CSR stream, after its header, into nonzeros.

    Role
        One of the decoders that a `WeightDecoder` is built with: the one for `csr` in arrays that are not compact.
    Function
        The format is that of `openwork_hw.arch.csr`: per row its length (u16), then per nonzero column (u16) and value (i8).
    Ports
        i_words : in, stream of WeightWord
        o : out, stream of DecodedNonzero; errors are LENGTH (a row of length 0) and TRUNCATED
        exhausted : out; the last word is taken, and nothing but zero padding is left; level until `restart`
        restart : in; return to the start
    Timing
        A row's length and first nonzero take one cycle, every other nonzero one: no bubble as long as words come fast
        enough (3 bytes per nonzero and 2 per row, from one word per cycle). The first nonzero is offered latency_cycles
        after its first word is taken. Combinational path: o.ready to i_words.ready.
    Cost
        One ByteGearbox, one 16-bit counter.
    Limits
        No `i_words` transfer while `restart` is high.
    Verified by
        tests/cosim/test_decoder.py::test_streams_decode_to_their_rows_at_every_stall_rate
    """

    latency_cycles = DECODER_CYCLES[Encoding.CSR]

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
        m.submodules.gearbox = gearbox = ByteGearbox(takes=(NONZERO_BYTES, LENGTH_BYTES + NONZERO_BYTES))
        wiring.connect(m, wiring.flipped(self.i_words), gearbox.i_words)
        m.d.comb += gearbox.restart.eq(self.restart)

        left = Signal(16, reset_less=True)  # nonzeros of the row that are still to come
        at_row = Signal(init=1, reset_less=True)
        length = gearbox.o[: 8 * LENGTH_BYTES]
        nonzero = Mux(at_row, gearbox.o[8 * LENGTH_BYTES :], gearbox.o[: 8 * NONZERO_BYTES])
        needed = Mux(at_row, LENGTH_BYTES + NONZERO_BYTES, NONZERO_BYTES)
        payload = without_reset(m, self.o.payload, "payload")
        valid = without_reset(m, self.o.valid, "valid")
        exhausted = without_reset(m, self.exhausted, "exhausted")
        with m.If(~valid | self.o.ready):
            m.d.sync += [
                valid.eq(0),
                payload.row.eq(0),
                payload.column.eq(nonzero[:16]),
                payload.value.eq(nonzero[16:24].as_signed()),
                payload.last.eq(Mux(at_row, length == 1, left == 1)),
                payload.error.eq(StreamErrorKind.NONE),
            ]
            with m.If(gearbox.level >= needed):
                m.d.comb += gearbox.take.eq(needed)
                m.d.sync += [valid.eq(1), left.eq(Mux(at_row, length, left) - 1)]
                m.d.sync += at_row.eq(Mux(at_row, length == 1, left == 1))
                with m.If(at_row & (length == 0)):
                    m.d.sync += payload.error.eq(StreamErrorKind.LENGTH)
            with m.Elif(gearbox.ended):
                with m.If(at_row & (gearbox.level < 4) & (gearbox.o[:24] == 0)):
                    m.d.sync += exhausted.eq(1)
                with m.Else():
                    m.d.sync += valid.eq(1)
                    m.d.sync += payload.error.eq(
                        Mux(at_row & (length == 0), StreamErrorKind.LENGTH, StreamErrorKind.TRUNCATED)
                    )
        with m.If(self.restart):
            m.d.sync += [valid.eq(0), exhausted.eq(0), at_row.eq(1)]
        return m
