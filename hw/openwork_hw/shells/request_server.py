"""Carries out the requests of the host, one after the other."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.link import Identity
from openwork_hw.image.memory_reader import ADDRESS_BITS
from openwork_hw.image.run_control import Request
from openwork_hw.shells.frame_receiver import FrameByte
from openwork_hw.shells.memory import WordWrite
from openwork_hw.shells.memory_bounds import MemoryBounds
from openwork_hw.shells.request_registers import RequestRegisters, position_bits
from openwork_hw.shells.request_taker import RequestTaker
from openwork_hw.shells.responder import Responder


class RequestServer(wiring.Component):
    """Carry out requests in order, and make their responses.

    Role
        Part of a `BoardLink`, between `FrameReceiver` and `FrameSender`.
    Function
        `arch.link` says what each kind of request asks for, and which kinds have a response. A WRITE that reaches beyond the
        memory is dropped, and a PEEK beyond the memory is answered without words.
    Ports
        i : in, stream of FrameByte: requests
        o : out, stream of FrameByte: responses, without their CRC
        expected, session : in, 8 each: for the responses
        o_requests : out, stream of Request, o_features : out, stream of signed 8: to the ImageRunner
        o_writes : out, stream of WordWrite, to the memory
        o_peeks, i_peeked : out, in: the link's own read port of the memory; unused without `peek`
        given, data : in, released, read : out: the ResultBuffer's
        answered : in, 1; the array has answered a request
        hello : in, 1; a HELLO waits: a READ that also waits ends with the results that there are
    Timing
        A request may wait for room in the array, for the answer of the array, or for results.
    Cost
        A register of a header, `identity` as a table.
    Limits
        A READ of more bytes than the result buffer holds waits until the array is idle. It never ends if the array waits for room.
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
                "given": In(position_bits(identity)),
                "data": In(8),
                "released": Out(position_bits(identity)),
                "read": Out(position_bits(identity)),
                "answered": In(1),
                "hello": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.registers = registers = RequestRegisters(self._identity)
        m.submodules.bounds = bounds = MemoryBounds(self._identity)
        m.submodules.taker = taker = RequestTaker(self._identity)
        m.submodules.responder = responder = Responder(self._identity)
        wiring.connect(m, wiring.flipped(self.i), taker.i)
        wiring.connect(m, taker.o_requests, wiring.flipped(self.o_requests))
        wiring.connect(m, taker.o_features, wiring.flipped(self.o_features))
        wiring.connect(m, taker.o_writes, wiring.flipped(self.o_writes))
        wiring.connect(m, responder.o, wiring.flipped(self.o))
        wiring.connect(m, responder.o_peeks, wiring.flipped(self.o_peeks))
        wiring.connect(m, wiring.flipped(self.i_peeked), responder.i_peeked)

        # The registers do what one half or the other says: the other one waits.
        m.d.comb += [
            registers.byte.eq(self.i.payload.byte),
            registers.take_header.eq(taker.take_header),
            registers.begin.eq(taker.begin),
            registers.gather.eq(taker.gather),
            registers.set_word.eq(responder.set_word),
            registers.new_word.eq(responder.new_word),
            registers.shift.eq(responder.shift),
            registers.set_length.eq(taker.set_length | responder.set_length),
            registers.new_length.eq(Mux(taker.set_length, taker.new_length, responder.new_length)),
            registers.count.eq(taker.count | responder.count),
            registers.next_address.eq(taker.next_address | responder.next_address),
            bounds.header.eq(registers.header),
        ]
        for half in (taker, responder):
            m.d.comb += [
                half.header.eq(registers.header),
                half.word.eq(registers.word),
                half.word_place.eq(registers.word_place),
            ]
        m.d.comb += [
            taker.beyond.eq(bounds.beyond),
            taker.answered.eq(self.answered),
            taker.responded.eq(responder.responded),
            self.released.eq(taker.released),
            responder.respond.eq(taker.respond),
            responder.deciding.eq(taker.deciding),
            responder.given.eq(self.given),
            responder.data.eq(self.data),
            responder.expected.eq(self.expected),
            responder.session.eq(self.session),
            responder.busy.eq(taker.busy),
            responder.hello.eq(self.hello),
            self.read.eq(responder.read),
        ]
        return m
