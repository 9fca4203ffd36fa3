"""Takes the stops of a packed stream, one per cycle."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.packed import STOP_WORDS
from openwork_hw.decoder.word_queue import WordQueue
from openwork_hw.primitives.registers import without_reset
from openwork_hw.stream.output_buffer import OutputBuffer

BYTE_BITS = 8
BYTES = WORD_BITS // BYTE_BITS
GROUP_BITS = 4

Byte = data.StructLayout({"bits": BYTE_BITS, "some": 1, "single": 1, "ends": 1})
"""A byte of stops: it holds some, at most one, it is its word's last."""

Stop = data.StructLayout({"place": range(BYTE_BITS), "frees": 1})
"""A stop by its place in its byte; `frees`: with it a word is done."""


class StopString(wiring.Component):
    """Keep STOP_WORDS words of the stop string and find its next stop: the lowest 1.

    Role
        Part of a `PackedDecoder`: it finds the quotient of each nonzero.
    Function
        The string is taken byte by byte. A byte `u` gives the stop ``u & -u`` and becomes ``u & (u - 1)``. After its last
        stop, the next byte takes its place.
    Ports
        i : in, 32 bits; a word
        i_valid : in; take it in
        o : out, stream of Stop
        dry : out; a byte was all 0, so no further stop will be offered
        stray : out; a stop came after that byte
        empty : out; neither a stop nor a byte is left
        restart : in; return to the start
    Timing
        One stop per cycle. The first stop of a word is offered 4 cycles after the word came, if nothing waits before it.
        No combinational path.
    Cost
        32 flip-flops per word.
    Limits
        After the first STOP_WORDS words, a word may come only when a word has been freed.
    Verified by
        tests/cosim/test_decoder.py::test_streams_decode_to_their_rows_at_every_stall_rate
    """

    i: Value
    i_valid: Value
    o: stream.Interface
    dry: Value
    stray: Value
    empty: Value
    restart: Value

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(WORD_BITS),
                "i_valid": In(1),
                "o": Out(stream.Signature(Stop)),
                "dry": Out(1),
                "stray": Out(1),
                "empty": Out(1),
                "restart": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.words = words = WordQueue(STOP_WORDS - 1)
        m.submodules.bytes = following = OutputBuffer(Byte)
        m.submodules.stops = stops = OutputBuffer(Stop)
        dry, stray = (without_reset(m, getattr(self, name), name) for name in ("dry", "stray"))
        # A word gives its bytes away, lowest first.
        word = Signal(WORD_BITS, reset_less=True)
        word_valid = Signal(reset_less=True)
        bytes_gone = Signal(range(BYTES), reset_less=True)
        byte = Signal(BYTE_BITS, reset_less=True)
        some = Signal(reset_less=True)
        single = Signal(reset_less=True)
        ends = Signal(reset_less=True)
        low, high = byte[:GROUP_BITS], byte[GROUP_BITS:]
        group = Mux(low.any(), low, high)
        take = Signal()
        m.d.comb += [
            words.i.eq(self.i),
            words.i_valid.eq(self.i_valid),
            words.restart.eq(self.restart),
            stops.i.valid.eq(some & ~self.restart),
            stops.i.payload.frees.eq(single & ends),
            stops.i.payload.place.eq(Cat(~group[0] & (group[1] | ~group[2]), ~group[:2].any(), ~low.any())),
            stops.flush.eq(self.restart),
            take.eq(some & stops.i.ready),
            self.empty.eq(~stops.o.valid & ~some & ~following.o.valid & ~word_valid & ~words.o_valid),
        ]
        wiring.connect(m, stops.o, wiring.flipped(self.o))

        load_byte = Signal()
        load_word = Signal()
        lowest = word[:BYTE_BITS]
        last_byte = bytes_gone == BYTES - 1
        next_byte = following.o.payload
        m.d.comb += [
            following.i.payload.bits.eq(lowest),
            following.i.payload.some.eq(lowest.any()),
            following.i.payload.single.eq(_at_most_one(lowest)),
            following.i.payload.ends.eq(last_byte),
            following.i.valid.eq(word_valid & ~self.restart),
            following.flush.eq(self.restart),
            following.o.ready.eq(~some | (single & stops.i.ready)),
            load_byte.eq(following.o.valid & following.o.ready),
            load_word.eq(~word_valid | (following.i.ready & last_byte)),
            words.taken.eq(words.o_valid & load_word),
        ]
        with m.If(take | ~some):
            m.d.sync += [
                byte.eq(Mux(single | ~some, next_byte.bits, byte & (byte - 1)[:BYTE_BITS])),
                single.eq(Mux(single | ~some, next_byte.single, _at_most_two(byte))),
            ]
        with m.If(load_byte):
            m.d.sync += [
                ends.eq(next_byte.ends),
                some.eq(next_byte.some & ~dry),
                stray.eq(stray | (next_byte.some & dry)),
                dry.eq(dry | ~next_byte.some),
            ]
        with m.Elif(take & single):
            m.d.sync += some.eq(0)
        with m.If(word_valid & following.i.ready):
            m.d.sync += [bytes_gone.eq(bytes_gone + 1), word.eq(word >> BYTE_BITS)]
        with m.If(load_word):
            m.d.sync += [word.eq(words.o), word_valid.eq(words.o_valid)]
        with m.If(self.restart):
            for flag in (word_valid, bytes_gone, some, dry, stray):
                m.d.sync += flag.eq(0)
        return m


def _two_or_more(bits: Value) -> Value:
    """At least two of four bits are set."""
    return (bits[0] & bits[1]) | (bits[2] & bits[3]) | (bits[:2].any() & bits[2:].any())


def _three_or_more(bits: Value) -> Value:
    """At least three of four bits are set."""
    return (bits[:2].all() & bits[2:].any()) | (bits[:2].any() & bits[2:].all())


def _at_most_one(byte: Value) -> Value:
    """At most one bit of a byte is set; two look-up tables deep, without a carry."""
    low, high = byte[:GROUP_BITS], byte[GROUP_BITS:]
    return ~(_two_or_more(low) | _two_or_more(high) | (low.any() & high.any()))


def _at_most_two(byte: Value) -> Value:
    """At most two bits of a byte are set."""
    low, high = byte[:GROUP_BITS], byte[GROUP_BITS:]
    mixed = (_two_or_more(low) & high.any()) | (low.any() & _two_or_more(high))
    return ~(_three_or_more(low) | _three_or_more(high) | mixed)
