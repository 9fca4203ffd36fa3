"""Takes the requests of the host, and carries out those that need no response."""

from amaranth.hdl import Elaboratable, Module, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.link import HEADER, Identity, Kind, encode_identity
from openwork_hw.image.run_control import Request
from openwork_hw.shells.frame_receiver import FrameByte
from openwork_hw.shells.memory import WordWrite
from openwork_hw.shells.request_registers import REQUEST_HEADER, length_bits, position_bits


class RequestTaker(wiring.Component):
    """Read each request, carry out WRITE, FEED and START, and ask for the responses to the others.

    Role
        The first half of a `RequestServer`.
    Function
        The header of a request goes to the registers, its words go to the memory, and its features to the array. After the CRC of
        a READ, HELLO or PEEK, `respond` asks for a response for one cycle. Nothing more is taken until `responded`.
    Ports
        i : in, stream of FrameByte: requests
        o_requests, o_features, o_writes : out; as RequestServer's
        header : in, REQUEST_HEADER; word : in, 32; word_place : in, 2; of the RequestRegisters
        take_header, begin, gather, next_address, count, set_length, new_length : out; to them
        beyond : in; of the MemoryBounds
        answered : in; the array has answered a request
        busy : out; the array has not answered its request yet
        deciding : out; in this cycle, the content of a response may be decided
        respond : out; responded : in
        released : out; of the latest READ
    Timing
        One byte per cycle, and one more cycle per word, unless the array or the memory makes it wait.
    Cost
        A state machine.
    Limits
        None.
    Verified by
        tests/openwork_hw/shells/test_request_server.py::test_every_kind_of_request_is_carried_out
    """

    i: stream.Interface
    o_requests: stream.Interface
    o_features: stream.Interface
    o_writes: stream.Interface
    header: data.View
    word: Value
    word_place: Value
    take_header: Value
    begin: Value
    gather: Value
    next_address: Value
    count: Value
    set_length: Value
    new_length: Value
    beyond: Value
    answered: Value
    busy: Value
    deciding: Value
    respond: Value
    responded: Value
    released: Value

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        outputs = (
            "take_header",
            "begin",
            "gather",
            "next_address",
            "count",
            "set_length",
            "busy",
            "deciding",
            "respond",
        )
        super().__init__(
            {
                "i": In(stream.Signature(FrameByte)),
                "o_requests": Out(stream.Signature(Request)),
                "o_features": Out(stream.Signature(signed(8))),
                "o_writes": Out(stream.Signature(WordWrite)),
                "header": In(REQUEST_HEADER),
                "word": In(WORD_BITS),
                "word_place": In(2),
                "new_length": Out(length_bits(identity)),
                "beyond": In(1),
                "answered": In(1),
                "responded": In(1),
                "released": Out(position_bits(identity)),
            }
            | {name: Out(1) for name in outputs}
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        header, byte = self.header, self.i.payload
        place = Signal(range(HEADER.size))  # 0 again behind the header
        assert HEADER.size == 1 << len(place)
        with m.If(self.answered):
            m.d.sync += self.busy.eq(0)
        with m.If(self.o_requests.ready):
            m.d.sync += self.o_requests.valid.eq(0)
        m.d.comb += [
            self.o_writes.payload.address.eq(header.address),
            self.o_writes.payload.word.eq(self.word),
            self.o_features.payload.eq(byte.byte),
        ]
        with m.FSM():
            with m.State("HEADER"):
                m.d.comb += [self.i.ready.eq(1), self.take_header.eq(self.i.valid)]
                with m.If(self.i.valid):
                    m.d.sync += place.eq(place + 1)
                    with m.If(byte.last):
                        m.d.sync += place.eq(0)
                    with m.Elif(place == HEADER.size - 1):
                        m.next = "KIND"

            with m.State("KIND"):
                m.d.comb += self.begin.eq(1)
                with m.Switch(header.kind):
                    if self._identity.writable:
                        with m.Case(Kind.WRITE):
                            m.next = "END"
                    with m.Case(Kind.FEED):
                        m.next = "FEED"
                    with m.Default():
                        m.next = "CRC"

            if self._identity.writable:
                self._write_states(m)

            with m.State("FEED"):
                more = header.length[: length_bits(self._identity)] != 0
                m.d.comb += [
                    self.o_features.valid.eq(self.i.valid & more),
                    self.i.ready.eq(self.o_features.ready | ~more),
                    self.count.eq(self.i.valid & self.i.ready & more),
                ]
                with m.If(self.i.valid & self.i.ready & byte.last):
                    m.next = "HEADER"

            with m.State("CRC"):
                m.d.comb += [self.i.ready.eq(1), self.deciding.eq(1)]
                with m.If(self.i.valid & byte.last):
                    self._decide(m)

            # The request waits in a register: the array is far away. Until its answer nothing else is asked for.
            with m.State("START"):
                with m.If(~self.busy):
                    m.d.sync += [
                        self.busy.eq(1),
                        self.o_requests.valid.eq(1),
                        self.o_requests.payload.eq(header.address[0]),
                    ]
                    m.next = "HEADER"

            with m.State("RESPOND"):
                with m.If(self.responded):
                    m.next = "HEADER"
        return m

    def _write_states(self, m: Module) -> None:
        """Those of a WRITE. The CRC is a word, too, but its last byte is the request's."""
        with m.State("END"):
            m.next = "BEYOND"

        with m.State("BEYOND"):
            m.next = "GATHER"
            with m.If(self.beyond):
                m.next = "CRC"

        with m.State("GATHER"):
            m.d.comb += [self.i.ready.eq(1), self.gather.eq(self.i.valid)]
            with m.If(self.i.valid):
                with m.If(self.i.payload.last):
                    m.next = "HEADER"
                with m.Elif(self.word_place == 3):
                    m.next = "WRITE"

        with m.State("WRITE"):
            m.d.comb += self.o_writes.valid.eq(1)
            with m.If(self.o_writes.ready):
                m.d.comb += self.next_address.eq(1)
                m.next = "GATHER"

    def _decide(self, m: Module) -> None:
        """A request is whole: what becomes of it."""
        with m.Switch(self.header.kind):
            with m.Case(Kind.START):
                m.next = "START"
            with m.Case(Kind.READ):
                m.d.sync += self.released.eq(self.header.address[16:])
                m.d.comb += self.respond.eq(1)
                m.next = "RESPOND"
            with m.Case(Kind.HELLO):
                m.d.comb += [self.set_length.eq(1), self.new_length.eq(len(encode_identity(self._identity)))]
                m.d.comb += self.respond.eq(1)
                m.next = "RESPOND"
            if self._identity.peek:
                with m.Case(Kind.PEEK):
                    m.d.comb += [self.set_length.eq(self.beyond), self.respond.eq(1)]
                    m.next = "RESPOND"
            with m.Default():
                m.next = "HEADER"
