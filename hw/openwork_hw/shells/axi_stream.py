"""AXI4-Stream interfaces. A packet that comes in is an image; a packet that goes out is the features of a run."""

from amaranth.hdl import Elaboratable, Module, ResetSignal, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.registers import LOADED
from openwork_hw.shells.memory import WordWrite
from openwork_hw.stream.output_buffer import OutputBuffer


class AxiStream(wiring.Signature):
    """A channel of AXI4-Stream (ARM IHI 0051) as its transmitter drives it; `last` says whether packets have marked ends."""

    def __init__(self, data_bits: int, *, last: bool) -> None:
        ends = {"tlast": Out(1)} if last else {}
        super().__init__({"tdata": Out(data_bits), "tvalid": Out(1), "tready": In(1), **ends})


class ImageLoader(wiring.Component):
    """Write each packet of words to the image memory, from its first word on.

    Role
        Part of a `BusShell`: a DMA engine writes an image through it.
    Function
        Word k of a packet goes to address k. Words from number `words` on are dropped.
    Ports
        s_axis : in, AxiStream(32, last=True)
        hold : in; take words and drop them; the next word is the first of a packet
        wait : in; take nothing
        o_writes : out, stream of WordWrite
        writes : out; high in the cycle of a write
        loaded : out; words so far of the current packet, or words of the last packet
        done : out; high for one cycle after a packet's last word
    Timing
        One word per cycle. No combinational path from s_axis to s_axis.
    Cost
        Two registers of a word, one counter.
    Limits
        -
    Verified by
        tests/cosim/test_bus_shell.py::test_every_output_and_every_cycle_is_right
    """

    s_axis: wiring.PureInterface
    hold: Signal
    wait: Signal
    o_writes: stream.Interface
    writes: Signal
    loaded: Signal
    done: Signal

    def __init__(self, words: int) -> None:
        self._words = words
        super().__init__(
            {
                "s_axis": In(AxiStream(WORD_BITS, last=True)),
                "hold": In(1),
                "wait": In(1),
                "o_writes": Out(stream.Signature(WordWrite)),
                "writes": Out(1),
                "loaded": Out(LOADED.fields[0].bits),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.buffer = buffer = OutputBuffer(data.StructLayout({"data": WORD_BITS, "last": 1}))
        axis, word, write = self.s_axis, buffer.o.payload, self.o_writes.payload
        within = Signal()  # a packet has begun
        takes = Signal()
        m.d.comb += [
            buffer.flush.eq(ResetSignal()),
            buffer.i.payload.data.eq(axis.tdata),
            buffer.i.payload.last.eq(axis.tlast),
            buffer.i.valid.eq(axis.tvalid),
            axis.tready.eq(buffer.i.ready),
            write.address.eq(self.loaded & within.replicate(len(self.loaded))),
            write.word.eq(word.data),
            self.o_writes.valid.eq(buffer.o.valid & ~self.hold & ~self.wait & (write.address < self._words)),
            buffer.o.ready.eq(self.hold | ~self.wait & (self.o_writes.ready | ~self.o_writes.valid)),
            takes.eq(buffer.o.valid & buffer.o.ready & ~self.hold),
            self.writes.eq(self.o_writes.valid & self.o_writes.ready),
        ]
        m.d.sync += self.done.eq(takes & word.last)
        with m.If(takes):
            m.d.sync += [self.loaded.eq(write.address + 1), within.eq(~word.last)]
        with m.If(self.hold):
            m.d.sync += within.eq(0)
        return m


class FeaturePackets(wiring.Component):
    """Give the bytes of a run as one packet.

    Role
        Part of a `BusShell`: a DMA engine gets the outputs of a run as one packet.
    Function
        o_axis repeats `i`; the last byte before `end` has tlast. A run without bytes gives no packet.
    Ports
        i : in, stream of signed 8
        end : in; the run is over: all its bytes have been given
        m_axis : out, AxiStream(8, last=True)
    Timing
        One byte per cycle. Each byte is kept back until another byte or the end follows. No combinational path from m_axis to
        m_axis.
    Cost
        Three registers of a byte.
    Limits
        No byte comes together with `end`.
    Verified by
        tests/cosim/test_bus_shell.py::test_every_output_and_every_cycle_is_right
    """

    i: stream.Interface
    end: Signal
    m_axis: wiring.PureInterface

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(signed(8))), "end": In(1), "m_axis": Out(AxiStream(8, last=True))})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.buffer = buffer = OutputBuffer(data.StructLayout({"data": 8, "last": 1}))
        axis = self.m_axis
        kept = Signal(8, reset_less=True)
        keeps = Signal()
        ending = Signal()
        m.d.comb += [
            buffer.flush.eq(ResetSignal()),
            axis.tdata.eq(buffer.o.payload.data),
            axis.tlast.eq(buffer.o.payload.last),
            axis.tvalid.eq(buffer.o.valid),
            buffer.o.ready.eq(axis.tready),
            buffer.i.payload.data.eq(kept),
            buffer.i.payload.last.eq(ending),
            buffer.i.valid.eq(keeps & (ending | self.i.valid)),
            self.i.ready.eq(~ending & (~keeps | buffer.i.ready)),
        ]
        with m.If(self.end & keeps):
            m.d.sync += ending.eq(1)
        with m.If(ending & buffer.i.ready):
            m.d.sync += [keeps.eq(0), ending.eq(0)]
        with m.Elif(self.i.valid & self.i.ready):
            m.d.sync += [kept.eq(self.i.payload), keeps.eq(1)]
        return m
