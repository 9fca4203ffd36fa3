"""Carries out the host's requests, one after the other."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, bits_for
from openwork_hw.arch.link import HEADER, MARKER, RESPONSE_HEADER, Identity, Kind, encode_identity
from openwork_hw.image.memory_reader import ADDRESS_BITS
from openwork_hw.image.run_control import Request
from openwork_hw.shells.frame_receiver import FrameByte
from openwork_hw.shells.memory import WordWrite
from openwork_hw.shells.result_buffer import ResultBuffer

_HEADER = data.StructLayout({"kind": 4, "unused": 12, "length": 16, "address": 32})
"""A request's header; its sequence number has been looked at."""


class RequestServer(wiring.Component):
    """Carry out requests in order, and make the responses of those that have one.

    Function
        `arch.link` says what each kind of request asks for. A WRITE that reaches beyond the memory is dropped, a PEEK beyond it
        answered without words.
    Ports
        i : in, stream of FrameByte: requests
        o : out, stream of FrameByte: responses, without their CRC
        expected, session : in, 8 each: for the responses
        o_requests : out, stream of Request, o_features : out, stream of signed 8: to the ImageRunner
        o_writes : out, stream of WordWrite, to the memory
        o_peeks, i_peeked : out, in: the link's own read port of the memory; unused without `peek`
        given, data : in, released, read : out: the ResultBuffer's
        answered : in, 1; the array has answered a request
        hello : in, 1; a HELLO has come and waits: a READ that waits, too, ends with what there is
    Timing
        Waits where a request waits: for room in the array, for its answer, for its results.
    Cost
        A register of a header, `identity` as a table.
    Limits
        A READ of more than the result buffer holds waits until the array is idle, and so does not end if the array waits for room.
    """

    i: stream.Interface
    o: stream.Interface
    expected: Signal
    session: Signal
    o_requests: stream.Interface
    o_features: stream.Interface
    o_writes: stream.Interface
    o_peeks: stream.Interface
    i_peeked: stream.Interface
    given: Signal
    data: Signal
    released: Signal
    read: Signal
    answered: Signal
    hello: Signal

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        position_bits = bits_for(identity.result_bytes) + 1
        super().__init__(
            {
                "i": In(stream.Signature(FrameByte)),
                "o": Out(stream.Signature(FrameByte)),
                "expected": In(8),
                "session": In(8),
                "o_requests": Out(stream.Signature(Request)),
                "o_features": Out(stream.Signature(signed(8))),
                "o_writes": Out(stream.Signature(WordWrite)),
                "o_peeks": Out(stream.Signature(ADDRESS_BITS)),
                "i_peeked": In(stream.Signature(WORD_BITS)),
                "given": In(position_bits),
                "data": In(8),
                "released": Out(position_bits),
                "read": Out(position_bits),
                "answered": In(1),
                "hello": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        identity = self._identity
        table = encode_identity(identity)
        header = Signal(_HEADER)
        # Only as much is counted as can be asked for: a length is at most a buffer's, and the host leaves the bits above it 0.
        length = header.length[: bits_for(max(identity.receive_bytes, identity.result_bytes)) + 1]
        stored = bits_for(identity.memory_words) if identity.writable or identity.peek else 0
        address = header.address[: max(len(self.given), stored)]
        gathered = Signal(_HEADER.size)
        place = Signal(range(HEADER.size))  # in a header
        word = Signal(WORD_BITS)
        word_place = Signal(2)
        busy = Signal()
        seen_busy = Signal(3)  # as late as `enough` is: with the array's answer all its results count
        was_busy = Signal()  # when the response was decided on: an answer that comes later is not what it says
        greeted = Signal()
        with m.If(self.answered):
            m.d.sync += busy.eq(0)
        with m.If(self.o_requests.ready):
            m.d.sync += self.o_requests.valid.eq(0)

        m.d.comb += gathered.eq(Cat(header.as_value()[8:], self.i.payload.byte))
        m.d.comb += [
            self.o_writes.payload.address.eq(header.address),
            self.o_writes.payload.word.eq(word),
            self.o_features.payload.eq(self.i.payload.byte),
            self.o_peeks.payload.eq(header.address),
            self.read.eq(header.address),
        ]
        is_peek = Signal()
        # Two cycles after the header, which is long before the request's last byte.
        beyond = Signal()
        if identity.writable:
            end = Signal(stored + 2)
            m.d.sync += [
                end.eq(header.address[: stored + 1] + length[2:]),
                beyond.eq(header.address[stored + 1 :].any() | (end > identity.memory_words)),
            ]
        elif identity.peek:
            m.d.comb += beyond.eq(header.address[stored:].any())
        # A step a cycle: on a large part two of them together set the clock. None are available where the host asks for results
        # that are not there yet.
        available = Signal(len(self.given))
        behind = Signal(len(self.given))
        enough = Signal()
        m.d.sync += [
            behind.eq(self.given - self.read),
            available.eq(Mux(behind[-1] & behind[:-1].any(), 0, behind)),
            enough.eq(available >= length),
            seen_busy.eq(Cat(busy, seen_busy)),
        ]

        # The byte that goes next is picked out of all there are a cycle before it is offered.
        picked = Signal(8)
        flags = Cat(header.kind, was_busy)
        response_header = (MARKER, self.session, self.expected, flags, *_bytes(header.address), *_bytes(header.length))
        assert len(response_header) == RESPONSE_HEADER.size == HEADER.size and ResultBuffer.latency_cycles == 3
        with m.FSM():
            with m.State("HEADER"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += [header.eq(gathered), place.eq(place + 1)]
                    with m.If(self.i.payload.last):
                        m.d.sync += place.eq(0)
                    with m.Elif(place == HEADER.size - 1):
                        m.next = "KIND"

            with m.State("KIND"):
                m.d.sync += word_place.eq(0)
                with m.Switch(header.kind):
                    if identity.writable:
                        with m.Case(Kind.WRITE):
                            m.next = "END"
                    with m.Case(Kind.FEED):
                        m.next = "FEED"
                    with m.Default():
                        m.next = "CRC"

            if identity.writable:
                with m.State("END"):
                    m.next = "BEYOND"

                with m.State("BEYOND"):
                    m.next = "GATHER"
                    with m.If(beyond):
                        m.next = "CRC"

                # The CRC is a word, too, but its last byte is the request's.
                with m.State("GATHER"):
                    m.d.comb += self.i.ready.eq(1)
                    with m.If(self.i.valid):
                        m.d.sync += [word.eq(Cat(word[8:], self.i.payload.byte)), word_place.eq(word_place + 1)]
                        with m.If(self.i.payload.last):
                            m.next = "HEADER"
                        with m.Elif(word_place == 3):
                            m.next = "WRITE"

                with m.State("WRITE"):
                    m.d.comb += self.o_writes.valid.eq(1)
                    with m.If(self.o_writes.ready):
                        m.d.sync += address.eq(address + 1)
                        m.next = "GATHER"

            with m.State("FEED"):
                more = length != 0
                m.d.comb += [
                    self.o_features.valid.eq(self.i.valid & more),
                    self.i.ready.eq(self.o_features.ready | ~more),
                ]
                with m.If(self.i.valid & self.i.ready):
                    m.d.sync += length.eq(Mux(more, length - 1, 0))
                    with m.If(self.i.payload.last):
                        m.next = "HEADER"

            with m.State("CRC"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += was_busy.eq(seen_busy[2])
                with m.If(self.i.valid & self.i.payload.last):
                    with m.Switch(header.kind):
                        with m.Case(Kind.START):
                            m.next = "START"
                        with m.Case(Kind.READ):
                            m.d.sync += self.released.eq(header.address[16:])
                            m.next = "READ"
                        with m.Case(Kind.HELLO):
                            m.d.sync += [length.eq(len(table)), greeted.eq(0)]
                            m.next = "RESPOND"
                        if identity.peek:
                            with m.Case(Kind.PEEK):
                                m.next = "RESPOND"
                                with m.If(beyond):
                                    m.d.sync += length.eq(0)
                        with m.Default():
                            m.next = "HEADER"

            # The request waits in a register: the array is far away. Until its answer nothing else is asked for.
            with m.State("START"):
                with m.If(~busy):
                    m.d.sync += [busy.eq(1), self.o_requests.valid.eq(1), self.o_requests.payload.eq(header.address[0])]
                    m.next = "HEADER"

            with m.State("READ"):
                m.d.sync += was_busy.eq(seen_busy[2])
                with m.If(enough):
                    m.next = "RESPOND"
                # At most one more has come since it was not enough: not more than asked for.
                with m.Elif(~seen_busy[2] | greeted):
                    m.d.sync += length.eq(available)
                    m.next = "RESPOND"

            # place is 0 again.
            with m.State("RESPOND"):
                m.d.sync += [
                    self.o.payload.byte.eq(picked),
                    self.o.payload.last.eq((place == RESPONSE_HEADER.size - 1) & (length == 0)),
                ]
                with m.Switch(place):
                    for number, content in enumerate(response_header):
                        with m.Case(number):
                            m.d.comb += picked.eq(content)
                m.next = "OFFER_HEADER"

            with m.State("OFFER_HEADER"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += place.eq(place + 1)
                    m.next = "RESPOND"
                    with m.If(place == RESPONSE_HEADER.size - 1):
                        m.next = "PAYLOAD"

            with m.State("PAYLOAD"):
                m.next = "FETCH"
                if identity.peek:
                    with m.If(is_peek & (word_place == 0)):
                        m.next = "ASK"
                with m.If(length == 0):
                    m.next = "HEADER"

            # A result's position was there in the state before, and the result is there in PICK: the result buffer's latency.
            with m.State("FETCH"):
                m.next = "WAIT"

            with m.State("WAIT"):
                m.next = "PICK"

            with m.State("PICK"):
                m.d.sync += [self.o.payload.byte.eq(picked), self.o.payload.last.eq(length == 1)]
                with m.If(header.kind == Kind.READ):
                    m.d.comb += picked.eq(self.data)
                with m.Elif(is_peek):
                    m.d.comb += picked.eq(word[:8])
                with m.Else():
                    with m.Switch(length[: len(table).bit_length()]):
                        for left, content in enumerate(reversed(table), 1):
                            with m.Case(left):
                                m.d.comb += picked.eq(content)
                m.next = "OFFER"

            with m.State("OFFER"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.d.sync += [
                        length.eq(length - 1),
                        address.eq(address + (~is_peek | (word_place == 3))),
                        word.eq(word[8:]),
                        word_place.eq(word_place + 1),
                    ]
                    m.next = "PAYLOAD"

            if identity.peek:
                m.d.comb += [self.i_peeked.ready.eq(1), is_peek.eq(header.kind == Kind.PEEK)]
                with m.State("ASK"):
                    m.d.comb += self.o_peeks.valid.eq(1)
                    with m.If(self.o_peeks.ready):
                        m.next = "PEEK"

                with m.State("PEEK"):
                    with m.If(self.i_peeked.valid):
                        m.d.sync += word.eq(self.i_peeked.payload)
                        m.next = "PICK"
        # Behind the state machine: a HELLO that comes while one is answered counts.
        with m.If(self.hello):
            m.d.sync += greeted.eq(1)
        return m


def _bytes(value: Value) -> tuple[Value, Value]:
    return value[:8], value[8:]
