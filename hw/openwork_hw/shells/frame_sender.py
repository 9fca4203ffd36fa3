"""Adds the CRC to each response."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib import crc, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from openwork_hw.shells.frame_receiver import FrameByte

CRC_BYTES = 4


class FrameSender(wiring.Component):
    """Hand on the bytes of responses, and add the CRC-32 after the last byte of each response.

    Role
        Part of a `BoardLink`: the host trusts only responses with a right CRC.
    Ports
        i : in, stream of FrameByte
        o : out, stream of 8
    Timing
        10 cycles per byte. No combinational path.
    Cost
        A CRC-32 of one bit per cycle.
    Limits
        -
    Verified by
        tests/formal/test_framing.py::test_responses_leave_with_their_crc
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(FrameByte)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.crc = check = crc.Processor(crc.Parameters(catalog.CRC32_ISO_HDLC, data_width=1))
        byte = Signal(8)
        last = Signal()
        turns_left = Signal(range(9))
        crc_left = Signal(range(CRC_BYTES + 1))
        in_crc = crc_left != 0
        # A byte goes round once while the CRC takes it. The CRC's own bytes come out of it in the same way: a bit that is what
        # the CRC ends with leaves it shifted, nothing else.
        crc_bit = check.crc[0]
        m.d.comb += [
            self.o.payload.eq(byte),
            check.data.eq(Mux(in_crc, ~crc_bit, byte[0])),
            check.valid.eq(turns_left != 0),
        ]
        with m.If(turns_left != 0):
            m.d.sync += [turns_left.eq(turns_left - 1), byte.eq(Cat(byte[1:], Mux(in_crc, crc_bit, byte[0])))]
            with m.If(turns_left == 1):
                m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.valid):
            # Its last byte waits: the CRC has been said.
            m.d.comb += check.start.eq(crc_left == 1)
            with m.If(self.o.ready):
                m.d.sync += self.o.valid.eq(0)
                with m.If(in_crc):
                    m.d.sync += crc_left.eq(crc_left - 1)
                with m.Elif(last):
                    m.d.sync += crc_left.eq(CRC_BYTES)
        with m.Elif(in_crc):
            m.d.sync += turns_left.eq(8)
        with m.Else():
            # Taken in before it is known whether it counts: what comes from the server late steers few flip-flops then.
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [byte.eq(self.i.payload.byte), last.eq(self.i.payload.last)]
            with m.If(self.i.valid):
                m.d.sync += turns_left.eq(8)
        return m
