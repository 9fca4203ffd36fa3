"""Cuts a field out of the halves of words that hold it."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, bits_for
from openwork_hw.arch.packed import MAX_RICE, VALUE_BITS

HALF_BITS = WORD_BITS // 2
FIELD_BITS = VALUE_BITS + MAX_RICE
WINDOW_BITS = HALF_BITS - 1 + FIELD_BITS
OFFSET_BITS = bits_for(HALF_BITS)


class FieldShifter(wiring.Component):
    """Shift right in stages: each stage works on one bit of the distance.

    Role
        Part of a `PackedDecoder`, behind a `FieldString`: it moves each field to bit 0.
    Function
        o = (window >> offset)[:FIELD_BITS], latency_cycles advances later.
    Ports
        window : in, WINDOW_BITS bits
        offset : in, 4 bits
        advance : in; the registers on the way to `o` move on
        o : out, 15 bits
    Timing
        latency_cycles = 4 advances, one field each. No combinational path.
    Cost
        A shifter in four stages of 22, 18, 16 and 15 bits: each stage keeps the bits that the later stages can still reach.
    Limits
        None.
    Verified by
        tests/cosim/test_decoder.py::test_streams_decode_to_their_rows_at_every_stall_rate
    """

    latency_cycles = OFFSET_BITS

    window: Value
    offset: Value
    advance: Value
    o: Value

    def __init__(self) -> None:
        super().__init__({"window": In(WINDOW_BITS), "offset": In(OFFSET_BITS), "advance": In(1), "o": Out(FIELD_BITS)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        shifted: Value = self.window
        by: Value = self.offset
        for stage, bit in enumerate(reversed(range(OFFSET_BITS))):
            narrower = Signal(FIELD_BITS + (1 << bit) - 1, name=f"shifted_{stage}", reset_less=True)
            rest = Signal(bit, name=f"by_{stage}", reset_less=True)
            with m.If(self.advance):
                m.d.sync += [narrower.eq(Mux(by[bit], shifted[1 << bit :], shifted)), rest.eq(by[:bit])]
            shifted, by = narrower, rest
        m.d.comb += self.o.eq(shifted)
        return m
