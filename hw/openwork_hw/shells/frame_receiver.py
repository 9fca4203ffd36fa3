"""Turns bytes of a line into requests that are whole and in order, each of them once."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib import crc, data, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ConfigError, Technology, bits_for
from openwork_hw.arch.link import CARRYING, CRC, HEADER, SEQUENCED, Kind
from openwork_hw.primitives.registered_memory import RegisteredMemory

FrameByte = data.StructLayout({"byte": 8, "last": 1})
"""A byte of a frame, or of what is in it."""


def missing_bits(bytes: int) -> int:
    """Bits that count what is missing of a payload, in a receiver of so many bytes: twice the longest one, and more than a byte."""
    return max(bits_for(bytes) + 2, 10)


class FrameReceiver(wiring.Component):
    """Undo the stuffing of requests, check the requests, and queue those that are whole and in order.

    Role
        Part of a `BoardLink`: behind it, every request is right and comes once.
    Function
        Each byte of a request goes into the queue as it comes. At the zero that ends the request, its bytes are kept or dropped.
        They are dropped if the CRC is wrong, the payload is not as long as the header says (`exact`), the sequence number is not
        `expected`, or the queue is full. A RESET empties the queue and begins a session.
    Ports
        i : in, stream of 8: the bytes of the line
        o : out, stream of FrameByte: header, payload and CRC of one request after the other
        expected : out, 8: the sequence number that the next request must have
        session : out, 8: the number that the last RESET gave
        reset, hello : out, 1 each; high for one cycle: a RESET or a HELLO has come, even if the queue is full
    Timing
        9 cycles per byte of `i`, 4 cycles per byte of `o`. No combinational path but from o.ready.
    Cost
        A CRC-32 of one bit per cycle, `bytes` x 9 bits of block memory.
    Limits
        `bytes` is a power of two. A request of `bytes` bytes or more, header and CRC included, never enters the queue. A RESET or
        a HELLO counts, too, if its payload is too long by a multiple of 4 x bytes.
    """

    i: stream.Interface
    o: stream.Interface
    expected: Signal
    session: Signal
    reset: Signal
    hello: Signal

    def __init__(self, bytes: int, technology: Technology, *, exact: bool) -> None:
        """exact: a payload must be as long as its header says. Without, 40 cells less: for a link that writes no memory."""
        self._exact = exact
        if bytes < 32 or bytes & (bytes - 1):
            raise ConfigError(f"a receive buffer has a power of two of bytes, 32 or more, not {bytes}")
        self._bytes = bytes
        self._technology = technology
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "o": Out(stream.Signature(FrameByte)),
                "expected": Out(8),
                "session": Out(8),
                "reset": Out(1),
                "hello": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.crc = check = crc.Processor(crc.Parameters(catalog.CRC32_ISO_HDLC, data_width=1))
        m.submodules.queue = queue = RegisteredMemory(FrameByte.size, self._bytes, self._technology)

        # The queue: [take, kept) are whole requests, [kept, put) is the one that comes in.
        pointer_bits = bits_for(self._bytes)
        put, kept, take = (Signal(pointer_bits, name=name) for name in ("put", "kept", "take"))
        after = Signal(pointer_bits, init=1)  # always put + 1: an addition and a comparison would be one long path
        write = Signal(FrameByte)
        m.d.comb += [
            queue.write_address.eq(put),
            queue.write_data.eq(write),
            queue.read_address.eq(take),
            self.o.payload.eq(queue.read_data),
        ]
        settled = Signal(RegisteredMemory.latency_cycles)
        there = Signal()  # a cycle late, which is early enough for what the memory reads
        m.d.comb += self.o.valid.eq(settled[-1] & there)
        m.d.sync += [settled.eq(Cat(1, settled)), there.eq(take != kept)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [take.eq(take + 1), settled.eq(0)]

        # COBS: bytes up to the next run's length, and whether that stands for a zero.
        left = Signal(8, init=1)
        over = Signal(init=1)  # left is 1
        zero_behind = Signal()
        byte = Signal(8)  # of the request
        comes = Signal()

        # One byte is held back, because the next one says whether it is the last. It goes round once while the CRC takes it.
        held = Signal(8)
        holds = Signal()
        turns_left = Signal(range(9))
        ends = Signal()  # the zero behind a request has come, and `sound` says what the CRC and the stuffing are
        sound = Signal()
        m.d.comb += [
            self.i.ready.eq((turns_left == 0) & ~ends),
            check.data.eq(held[0]),
            check.valid.eq(turns_left != 0),
        ]

        place = Signal(range(HEADER.size + 1))  # in the header, of the byte that comes
        missing = Signal(
            missing_bits(self._bytes)
        )  # bytes of the payload that have not come; those of the CRC go below 0
        carries = Signal()
        fits = Signal()  # the length in the header is none that is longer than `missing` can say
        exact = Signal(init=1)
        if self._exact:
            m.d.comb += exact.eq((missing == (-CRC.size) % (1 << len(missing))) & fits)
        number = Signal(8)  # the sequence number, or the new session's
        is_reset, sequenced = Signal(), Signal()
        wanted = Signal(init=1)  # the request may come in
        full = Signal()
        m.d.comb += [full.eq(after == take), write.byte.eq(held)]
        m.d.sync += [ends.eq(0), sound.eq(0)]
        with m.If(turns_left != 0):
            m.d.sync += [turns_left.eq(turns_left - 1), held.eq(Cat(held[1:], held[0]))]
        with m.Elif(ends):
            # Of a request, or of what is left of one.
            m.d.comb += [
                check.start.eq(1),
                self.reset.eq(sound & is_reset),
                self.hello.eq(sound & ~is_reset & ~sequenced),
                write.last.eq(1),
            ]
            m.d.sync += [left.eq(1), over.eq(1), zero_behind.eq(0), holds.eq(0), place.eq(0), wanted.eq(1)]
            m.d.sync += [put.eq(kept), after.eq(kept + 1), missing.eq(0)]
            with m.If(self.reset):
                m.d.sync += [put.eq(0), after.eq(1), kept.eq(0), take.eq(0), settled.eq(0)]
                m.d.sync += [self.expected.eq(0), self.session.eq(number)]
            with m.Elif(sound & wanted & ~full):
                m.d.comb += queue.write_enable.eq(1)
                m.d.sync += [
                    put.eq(after),
                    after.eq(after + 1),
                    kept.eq(after),
                    self.expected.eq(self.expected + sequenced),
                ]
        with m.Elif(self.i.valid):
            with m.If(self.i.payload == 0):
                m.d.sync += [ends.eq(1), sound.eq(holds & over & check.match_detected & exact)]
            with m.Elif(over):
                m.d.sync += [
                    left.eq(self.i.payload),
                    over.eq(self.i.payload == 1),
                    zero_behind.eq(self.i.payload != 255),
                ]
                m.d.comb += comes.eq(zero_behind)
            with m.Else():
                m.d.sync += [left.eq(left - 1), over.eq(left == 2)]
                m.d.comb += [byte.eq(self.i.payload), comes.eq(1)]

        with m.If(comes):
            m.d.comb += queue.write_enable.eq(holds & wanted)
            m.d.sync += [held.eq(byte), holds.eq(1), turns_left.eq(8)]
            with m.If(holds):
                m.d.sync += [put.eq(after), after.eq(after + 1)]
                with m.If(full):
                    m.d.sync += wanted.eq(0)
            with m.If(place != HEADER.size):
                m.d.sync += place.eq(place + 1)
            with m.Else():
                m.d.sync += missing.eq(missing - 1)
            with m.If(place == 0):
                m.d.sync += [is_reset.eq(byte == Kind.RESET), sequenced.eq((byte & SEQUENCED) != 0)]
                m.d.sync += carries.eq(Cat(byte == kind for kind in CARRYING).any())
            # Bytes 2 and 3 are the length.
            with m.If(place == 2):
                m.d.sync += missing.eq(Mux(carries, byte, 0))
            with m.If(place == 3):
                m.d.sync += [missing[8:].eq(Mux(carries, byte, 0)), fits.eq(~carries | (byte >> len(missing) - 9 == 0))]
            with m.If(place == 1):
                m.d.sync += number.eq(byte)
                with m.If(sequenced & (byte != self.expected)):
                    m.d.sync += wanted.eq(0)
        return m
