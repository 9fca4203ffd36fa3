"""Reads a region of the image memory as a stream."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.decoder.payloads import WeightWord

ADDRESS_BITS = 32
"""Bits of a word address in the image memory, and of a count of words."""

Region = data.StructLayout({"address": ADDRESS_BITS, "words": ADDRESS_BITS})
"""Words of the image memory, one after the other; at least one."""


class MemoryReader(wiring.Component):
    """Ask a memory for the words of a region ahead of time, and hand them on.

    Role
        Part of an `ImageRunner`, once per weight stream and once for the program, and part of a `RecordReader`.
    Function
        Each region gives its words in order, with `last` at its last word. `clear` drops the region, and all words that wait or are
        on their way.
    Ports
        i_regions : in, stream of Region
        o_requests : out, stream of word addresses, to the memory
        i_words : in, stream of words: the memory's answers, in the order of the requests, after any time
        o : out, stream of WeightWord
        clear : in, 1; forget every region; a request that is offered stays until the memory takes it
        idle : out, 1; no region waits, no request waits, and every word that was asked for has come and gone
        primed : out, 1; the queue is full, or it holds all that is left of the last region
    Timing
        One word per cycle, if the memory answers every cycle, each request within `ahead` - 2 cycles. A further region waits
        until all words of the region before have come from the memory. Combinational path: none from `o` to the memory.
    Cost
        A queue of `ahead` words.
    Limits
        `ahead` is 3 or more, because a queue of two places is full for a cycle when it holds one word. `clear` is held until
        `idle`, and no region comes before that.
    Verified by
        tests/formal/test_memory_reading.py::test_the_reader_asks_for_its_regions_and_keeps_order
    """

    i_regions: stream.Interface
    o_requests: stream.Interface
    i_words: stream.Interface
    o: stream.Interface
    clear: Signal
    idle: Signal
    primed: Signal

    def __init__(self, *, ahead: int, address_bits: int) -> None:
        """`address_bits`: of a word address that the memory has, and of the words of a region."""
        if ahead < 3:
            raise ValueError(f"ahead must be 3 or more, not {ahead}")
        self._ahead = ahead
        self._address_bits = address_bits
        super().__init__(
            {
                "i_regions": In(stream.Signature(Region)),
                "o_requests": Out(stream.Signature(ADDRESS_BITS)),
                "i_words": In(stream.Signature(WORD_BITS)),
                "o": Out(stream.Signature(WeightWord)),
                "clear": In(1),
                "idle": Out(1),
                "primed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=WeightWord.size, depth=self._ahead)
        to_ask = Signal(self._address_bits)
        more = Signal()  # to_ask is not 0, and `last` is that it is 1
        last = Signal(reset_less=True)
        to_come = Signal(self._address_bits)
        address = Signal(self._address_bits, reset_less=True)
        room = Signal(range(self._ahead + 1), init=self._ahead)
        region = Signal(Region, reset_less=True)
        waits = Signal()
        begins, asks, comes, goes = (Signal(name=name) for name in ("begins", "asks", "comes", "goes"))
        word = Signal(WeightWord)
        m.d.comb += [
            self.i_regions.ready.eq(~waits),
            begins.eq(waits & (to_come == 0)),
            self.o_requests.payload.eq(address),
            self.o_requests.valid.eq(more & (room != 0)),
            asks.eq(self.o_requests.valid & self.o_requests.ready),
            # Places were kept for what was asked for.
            self.i_words.ready.eq(1),
            comes.eq(self.i_words.valid),
            word.data.eq(self.i_words.payload),
            word.last.eq(to_come == 1),
            queue.w_en.eq(comes),
            queue.w_data.eq(word),
            self.o.payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready | self.clear),
            goes.eq(self.o.valid & (self.o.ready | self.clear)),
            self.idle.eq(~waits & ~more & (room == self._ahead)),
            self.primed.eq(~waits & ((to_come == 0) | (queue.level == self._ahead))),
        ]
        m.d.sync += room.eq(room - asks + goes)
        with m.If(~waits):
            m.d.sync += [region.eq(self.i_regions.payload), waits.eq(self.i_regions.valid)]
        with m.If(begins):
            m.d.sync += waits.eq(0)
            m.d.sync += [address.eq(region.address), to_ask.eq(region.words), to_come.eq(region.words)]
            m.d.sync += [more.eq(1), last.eq(region.words == 1)]
        with m.Else():
            with m.If(asks):
                m.d.sync += [more.eq(~last), last.eq(to_ask == 2)]
            m.d.sync += [
                address.eq(address + asks),
                to_ask.eq(Mux(asks, to_ask - 1, to_ask)),
                to_come.eq(Mux(comes, to_come - 1, to_come)),
            ]
        with m.If(self.clear):
            m.d.sync += [waits.eq(0), to_come.eq(0)]
            with m.If(~self.o_requests.valid | self.o_requests.ready):
                m.d.sync += more.eq(0)
        return m
