"""The request that a board carries out, in registers."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, bits_for
from openwork_hw.arch.link import Identity

REQUEST_HEADER = data.StructLayout({"kind": 4, "unused": 12, "length": 16, "address": 32})
"""A request's header; its sequence number has been looked at."""


def length_bits(identity: Identity) -> int:
    """Bits of a length that is counted: of a buffer's at most, and the host leaves the bits above it 0."""
    return bits_for(max(identity.receive_bytes, identity.result_bytes)) + 1


def position_bits(identity: Identity) -> int:
    """Bits of a position in the result buffer."""
    return bits_for(identity.result_bytes) + 1


def stored_bits(identity: Identity) -> int:
    """Bits of an address in the image memory; 0 where the link neither writes nor reads it."""
    return bits_for(identity.memory_words) if identity.writable or identity.peek else 0


class RequestRegisters(wiring.Component):
    """Hold the header of a request, and one word of its payload or of its response.

    Role
        Part of a `RequestServer`. Its halves, `RequestTaker` and `Responder`, share these registers: one of them works at a time.
    Function
        The header is shifted in byte by byte. Its length and address are counted while the payload goes by.
    Ports
        byte : in, 8; take_header : in; it is the header's next
        begin : in; the next byte is a word's first
        gather : in; `byte` is the word's next; word_place counts
        set_word : in, new_word : in; shift : in; the word's lowest byte leaves, word_place counts
        set_length : in, new_length : in; count : in; length goes down by 1
        next_address : in; address goes up by 1
        header : out, REQUEST_HEADER; word : out, 32; word_place : out, 2
    Timing
        Each change shows in the next cycle. No combinational path.
    Cost
        A header and a word.
    Limits
        One change of a field in a cycle.
    """

    byte: Value
    take_header: Value
    begin: Value
    gather: Value
    set_word: Value
    new_word: Value
    shift: Value
    set_length: Value
    new_length: Value
    count: Value
    next_address: Value
    header: data.View
    word: Value
    word_place: Value

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        flags = ("take_header", "begin", "gather", "set_word", "shift", "set_length", "count", "next_address")
        super().__init__(
            {
                "byte": In(8),
                "new_word": In(WORD_BITS),
                "new_length": In(length_bits(identity)),
                "header": Out(REQUEST_HEADER),
                "word": Out(WORD_BITS),
                "word_place": Out(2),
            }
            | {name: In(1) for name in flags}
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        header, word, word_place = self.header, self.word, self.word_place
        # Only as much is counted as can be asked for.
        length = header.length[: length_bits(self._identity)]
        address = header.address[: max(position_bits(self._identity), stored_bits(self._identity))]
        gathered = Signal(REQUEST_HEADER.size)
        m.d.comb += gathered.eq(Cat(header.as_value()[8:], self.byte))
        with m.If(self.take_header):
            m.d.sync += header.eq(gathered)
        with m.If(self.begin):
            m.d.sync += word_place.eq(0)
        with m.If(self.gather):
            m.d.sync += [word.eq(Cat(word[8:], self.byte)), word_place.eq(word_place + 1)]
        with m.If(self.shift):
            m.d.sync += [word.eq(word[8:]), word_place.eq(word_place + 1)]
        with m.If(self.set_word):
            m.d.sync += word.eq(self.new_word)
        with m.If(self.set_length):
            m.d.sync += length.eq(self.new_length)
        with m.If(self.count):
            m.d.sync += length.eq(length - 1)
        with m.If(self.next_address):
            m.d.sync += address.eq(address + 1)
        return m
