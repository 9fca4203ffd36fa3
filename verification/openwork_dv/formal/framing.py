"""What is claimed of those that take frames from the link and give them to it, for every string of bytes."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_dv.formal.properties import Properties, transfers
from openwork_hw.arch.link import CRC, HEADER, SEQUENCED, Kind
from openwork_hw.shells.frame_receiver import FrameReceiver, missing_bits
from openwork_hw.shells.frame_sender import CRC_BYTES, FrameSender

CRC_POLYNOMIAL = 0xEDB88320
CRC_RESIDUE = 0xDEBB20E3
"""The register after a message and its CRC, before the final inversion."""

BYTE_CYCLES = 8
"""A byte goes round once, a bit a cycle."""


class Crc(wiring.Component):
    """CRC-32 of bytes, by its definition: a bit a cycle, the lowest first.

    Ports
        byte, comes : in; a byte, and that it counts
        restart : in; begin anew
        remainder : out; the register, 8 cycles after a byte has come
        turned : out; the byte, by as many bits as the register has taken
    """

    def __init__(self) -> None:
        super().__init__(
            {"byte": In(8), "comes": In(1), "restart": In(1), "remainder": Out(32, init=0xFFFFFFFF), "turned": Out(8)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        bits_left = Signal(range(BYTE_CYCLES + 1))
        with m.If(self.comes):
            m.d.sync += [self.turned.eq(self.byte), bits_left.eq(BYTE_CYCLES)]
        with m.Elif(bits_left != 0):
            feedback = Mux(self.remainder[0] ^ self.turned[0], CRC_POLYNOMIAL, 0)
            m.d.sync += [
                self.remainder.eq((self.remainder >> 1) ^ feedback),
                self.turned.eq(self.turned.rotate_right(1)),
                bits_left.eq(bits_left - 1),
            ]
        with m.If(self.restart):
            m.d.sync += self.remainder.eq(0xFFFFFFFF)
        return m


class Frame(wiring.Component):
    """A second opinion on the bytes of a line: what `arch.link` says of the frame that the next zero ends, a cycle after it comes.

    Ports
        byte, comes : in; a byte of the line, and that it has been taken
        content, counts : out; in the cycle in which it comes: the byte that it makes certain, and whether it makes one
        bytes : out; bytes of the frame so far, 8 for more
        first, second : out; its first two bytes
        whole : out; no run is open, the CRC of what has come fits, and so does the payload's length
    """

    def __init__(self, *, length_bits: int) -> None:
        """length_bits: a payload's length counts modulo 2 ** length_bits, and is less than half of that."""
        self._length_bits = length_bits
        super().__init__(
            {
                "byte": In(8),
                "comes": In(1),
                "content": Out(8),
                "counts": Out(1),
                "bytes": Out(4),
                "first": Out(8),
                "second": Out(8),
                "whole": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        run, zero_follows = Signal(8, init=1), Signal()
        zero, starts_run, ends = Signal(), Signal(), Signal()
        m.d.sync += ends.eq(zero)
        m.d.comb += [
            zero.eq(self.comes & (self.byte == 0)),
            starts_run.eq(self.comes & ~zero & (run == 1)),
            self.counts.eq(self.comes & ~zero & (~starts_run | zero_follows)),
            self.content.eq(Mux(starts_run, 0, self.byte)),
        ]
        with m.If(ends):
            m.d.sync += [run.eq(1), zero_follows.eq(0), self.bytes.eq(0)]
        with m.Elif(starts_run):
            m.d.sync += [run.eq(self.byte), zero_follows.eq(self.byte != 255)]
        with m.Elif(self.comes & ~zero):
            m.d.sync += run.eq(run - 1)
        with m.If(self.counts):
            m.d.sync += self.bytes.eq(Mux(self.bytes == HEADER.size, HEADER.size, self.bytes + 1))
            with m.If(self.bytes == 0):
                m.d.sync += self.first.eq(self.content)
            with m.Elif(self.bytes == 1):
                m.d.sync += self.second.eq(self.content)

        # What the length, bytes 2 and 3, leaves after the payload and the CRC.
        behind = Signal(self._length_bits)
        possible = Signal()
        length_byte = Mux((self.first == Kind.WRITE) | (self.first == Kind.FEED), self.content, 0)
        with m.If(ends):
            m.d.sync += behind.eq(0)
        with m.If(self.counts):
            with m.If(self.bytes == 2):
                m.d.sync += behind.eq(length_byte)
            with m.Elif(self.bytes == 3):
                m.d.sync += [behind[8:].eq(length_byte), possible.eq(length_byte < 1 << self._length_bits - 9)]
            with m.Elif(self.bytes == HEADER.size):
                m.d.sync += behind.eq(behind - 1)

        m.submodules.crc = crc = Crc()
        m.d.comb += [crc.byte.eq(self.content), crc.comes.eq(self.counts), crc.restart.eq(ends)]
        fits = possible & (behind == (1 << self._length_bits) - CRC.size)
        m.d.comb += self.whole.eq((run == 1) & (crc.remainder == CRC_RESIDUE) & fits)
        return m


def receiver_properties(receiver: FrameReceiver, *, bytes: int) -> Properties:
    """A request counts exactly if it is whole, in order and has room, RESET and HELLO if whole; nothing hangs.

    A zero begins anew, whatever came before; what it ends counts a cycle after it has come.

    Which requests count shows at `reset`, `hello`, `expected` and `session`. `bytes` is the size of the receiver's queue.
    """
    properties = Properties(receiver)
    m = properties.m
    properties.drive(receiver.i, "line")
    properties.stall(receiver.o, "o")
    m.submodules.frame = frame = Frame(length_bits=missing_bits(bytes))
    comes = transfers(receiver.i)
    m.d.comb += [frame.byte.eq(receiver.i.payload), frame.comes.eq(comes)]

    zero = comes & (receiver.i.payload == 0)
    ends, good = Signal(), Signal()
    m.d.sync += [ends.eq(zero), good.eq(zero & frame.whole & (frame.bytes != 0))]
    sequenced = (frame.first & SEQUENCED) != 0
    is_reset = frame.first == Kind.RESET
    out_of_order = sequenced & (frame.bytes == 1) & (frame.content != receiver.expected)

    # The queue: whole requests up to `kept`, the one that comes up to `put`; its last byte waits outside. One place stays free.
    take, kept, put = (Signal(range(bytes), name=name) for name in ("oldest", "kept", "put"))
    refused = Signal()
    full = (put + 1)[: len(put)] == take
    resets = good & is_reset
    counts = good & ~refused & ~full
    with m.If(transfers(receiver.o)):
        m.d.sync += take.eq(take + 1)
    with m.If(frame.counts & (frame.bytes != 0)):
        m.d.sync += [put.eq(put + 1), refused.eq(refused | full | out_of_order)]
    with m.If(ends):
        m.d.sync += [put.eq(Mux(counts, put + 1, kept)), kept.eq(Mux(counts, put + 1, kept)), refused.eq(0)]
    with m.If(resets):
        m.d.sync += [take.eq(0), kept.eq(0), put.eq(0)]

    properties.claim("reset", receiver.reset == resets)
    properties.claim("hello", receiver.hello == (good & ~sequenced & ~is_reset))
    number = Mux(resets, 0, receiver.expected + (counts & sequenced))[:8]
    properties.claim("expected", ~(receiver.expected ^ properties.past(number)))
    session = Mux(resets, frame.second, receiver.session)
    properties.claim("session", ~(receiver.session ^ properties.past(session)))
    properties.claim("nothing_from_nowhere", ~receiver.o.valid | (take != kept))
    # Of the offer only that it stays: that no place before `kept` is written takes an order of pointers that no solver found.
    properties.claim("offer_stays", properties.stays(receiver.o, unless=receiver.reset)[0])

    busy = Signal(range(BYTE_CYCLES + 2))
    m.d.sync += busy.eq(Mux(receiver.i.ready, 0, busy + 1))
    properties.claim("takes_a_byte_in_nine_cycles", busy <= BYTE_CYCLES)
    properties.reach("refuses_two_bytes", ends & ~good & (frame.bytes == 2))
    return properties


def sender_properties(sender: FrameSender) -> Properties:
    """The bytes of each response leave in order, behind them their CRC, lowest byte first; nothing hangs."""
    properties = Properties(sender)
    m = properties.m
    properties.drive(sender.i, "i")
    properties.stall(sender.o, "o")
    m.submodules.crc = crc = Crc()
    enters, leaves = transfers(sender.i), transfers(sender.o)
    inside, last, crc_left = Signal(), Signal(), Signal(range(CRC_BYTES + 1))
    done = leaves & (crc_left == 1)
    m.d.comb += [crc.byte.eq(sender.i.payload.byte), crc.comes.eq(enters), crc.restart.eq(done)]
    with m.If(enters):
        m.d.sync += [inside.eq(1), last.eq(sender.i.payload.last)]
    with m.If(leaves):
        m.d.sync += inside.eq(0)
        with m.If(crc_left != 0):
            m.d.sync += crc_left.eq(crc_left - 1)
        with m.Elif(last):
            m.d.sync += [crc_left.eq(CRC_BYTES), last.eq(0)]
    crc_byte = (~crc.remainder).word_select((CRC_BYTES - crc_left)[:2], 8)
    expected = Mux(crc_left != 0, crc_byte, crc.turned)
    properties.claim("byte_or_crc", ~(sender.o.payload ^ expected) | (~sender.o.valid).replicate(8))
    properties.claim("nothing_from_nowhere", ~sender.o.valid | inside | (crc_left != 0))
    properties.claim("one_at_a_time", ~enters | (~inside & (crc_left == 0)))
    properties.claim("offer_stays", properties.stays(sender.o))
    still = Signal(range(BYTE_CYCLES + 3))
    m.d.sync += still.eq(Mux(leaves | sender.o.valid | (sender.i.ready & ~sender.i.valid), 0, still + 1))
    properties.claim("no_hang", still <= BYTE_CYCLES + 1)
    properties.reach("first_byte_of_a_crc", leaves & (crc_left == CRC_BYTES))
    return properties
