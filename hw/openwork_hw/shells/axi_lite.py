"""AXI4-Lite from the side of a subordinate: its channels become single register accesses."""

from amaranth.hdl import Elaboratable, Module, Mux, ResetSignal, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.stream.output_buffer import OutputBuffer

DATA_BITS = 32
LANES = DATA_BITS // 8


class Response(enum.Enum, shape=2):  # type: ignore[call-arg]  # Amaranth is untyped
    """The answer to an access. A subordinate without exclusive accesses and without routing has only these two."""

    OKAY = 0
    SLVERR = 2


class AxiLite(wiring.Signature):
    """The five channels of AXI4-Lite (ARM IHI 0022, part B) as the manager drives them; their names are the standard's."""

    def __init__(self, address_bits: int) -> None:
        super().__init__(
            {
                "awaddr": Out(address_bits),
                "awprot": Out(3),
                "awvalid": Out(1),
                "awready": In(1),
                "wdata": Out(DATA_BITS),
                "wstrb": Out(LANES),
                "wvalid": Out(1),
                "wready": In(1),
                "bresp": In(Response),
                "bvalid": In(1),
                "bready": Out(1),
                "araddr": Out(address_bits),
                "arprot": Out(3),
                "arvalid": Out(1),
                "arready": In(1),
                "rdata": In(DATA_BITS),
                "rresp": In(Response),
                "rvalid": In(1),
                "rready": Out(1),
            }
        )


WrittenWord = data.StructLayout({"data": DATA_BITS, "strobes": LANES})
ReadWord = data.StructLayout({"data": DATA_BITS, "response": Response})


class AxiLitePort(wiring.Component):
    """Turn the channels of AXI4-Lite into single accesses that are answered in the cycle in which they are made.

    Role
        Part of a `RegisterFile`: the registers know nothing of channels and their order.
    Function
        A write is made when its address and its data have both come, in any order. A read is made when its address has come. The
        answer is kept until the manager takes it. The lowest two bits of an address are ignored, because all accesses are words.
    Ports
        s_axi : in, AxiLite(address_bits)
        o_write : out; high in the cycle of a write
        o_write_address, o_written : out; number of the word that is written, and WrittenWord
        i_write_known : in; the answer in the same cycle: whether there is such a register to write
        o_read : out; high in the cycle of a read
        o_read_address : out; number of the word that is read
        i_read, i_read_known : in; the answer in the same cycle: the word, and whether there is such a register to read
    Timing
        One write and one read per cycle. An access is made one cycle after its last channel was taken, and answered in the next.
        No combinational path from an input of s_axi to any of its outputs.
    Cost
        Two registers per channel.
    Limits
        awprot and arprot are ignored.
    Verified by
        tests/cosim/test_bus_shell.py::test_registers_do_what_the_map_says
    """

    s_axi: wiring.PureInterface
    o_write: Signal
    o_write_address: Signal
    o_written: data.View
    i_write_known: Signal
    o_read: Signal
    o_read_address: Signal
    i_read: Signal
    i_read_known: Signal

    def __init__(self, address_bits: int) -> None:
        self._word_address_bits = address_bits - 2
        super().__init__(
            {
                "s_axi": In(AxiLite(address_bits)),
                "o_write": Out(1),
                "o_write_address": Out(self._word_address_bits),
                "o_written": Out(WrittenWord),
                "i_write_known": In(1),
                "o_read": Out(1),
                "o_read_address": Out(self._word_address_bits),
                "i_read": In(DATA_BITS),
                "i_read_known": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        axi = self.s_axi
        m.submodules.aw = aw = OutputBuffer(self._word_address_bits)
        m.submodules.w = w = OutputBuffer(WrittenWord)
        m.submodules.b = b = OutputBuffer(Response)
        m.submodules.ar = ar = OutputBuffer(self._word_address_bits)
        m.submodules.r = r = OutputBuffer(ReadWord)
        m.d.comb += [buffer.flush.eq(ResetSignal()) for buffer in (aw, w, b, ar, r)]
        m.d.comb += [
            aw.i.payload.eq(axi.awaddr[2:]),
            aw.i.valid.eq(axi.awvalid),
            axi.awready.eq(aw.i.ready),
            w.i.payload.data.eq(axi.wdata),
            w.i.payload.strobes.eq(axi.wstrb),
            w.i.valid.eq(axi.wvalid),
            axi.wready.eq(w.i.ready),
            axi.bresp.eq(b.o.payload),
            axi.bvalid.eq(b.o.valid),
            b.o.ready.eq(axi.bready),
            ar.i.payload.eq(axi.araddr[2:]),
            ar.i.valid.eq(axi.arvalid),
            axi.arready.eq(ar.i.ready),
            axi.rdata.eq(r.o.payload.data),
            axi.rresp.eq(r.o.payload.response),
            axi.rvalid.eq(r.o.valid),
            r.o.ready.eq(axi.rready),
        ]
        m.d.comb += [
            self.o_write.eq(aw.o.valid & w.o.valid & b.i.ready),
            self.o_write_address.eq(aw.o.payload),
            self.o_written.eq(w.o.payload),
            aw.o.ready.eq(self.o_write),
            w.o.ready.eq(self.o_write),
            b.i.valid.eq(self.o_write),
            b.i.payload.eq(Mux(self.i_write_known, Response.OKAY, Response.SLVERR)),
            self.o_read.eq(ar.o.valid & r.i.ready),
            self.o_read_address.eq(ar.o.payload),
            ar.o.ready.eq(self.o_read),
            r.i.valid.eq(self.o_read),
            r.i.payload.data.eq(self.i_read),
            r.i.payload.response.eq(Mux(self.i_read_known, Response.OKAY, Response.SLVERR)),
        ]
        return m
