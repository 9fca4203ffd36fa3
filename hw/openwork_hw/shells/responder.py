"""Makes the responses of a board."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.link import MARKER, RESPONSE_HEADER, Identity, Kind, encode_identity
from openwork_hw.image.memory_reader import ADDRESS_BITS
from openwork_hw.shells.frame_receiver import FrameByte
from openwork_hw.shells.request_registers import REQUEST_HEADER, length_bits, position_bits
from openwork_hw.shells.result_buffer import ResultBuffer
from openwork_hw.shells.result_window import ResultWindow


class Responder(wiring.Component):
    """Make the response to a READ, HELLO or PEEK: a header, and the bytes that the host asked for.

    Role
        The second half of a `RequestServer`.
    Function
        `respond` begins a response. A READ waits until there are enough results, or the array is idle, or a HELLO has come. Then
        it gives the results that there are. A HELLO gives the identity, and a PEEK words of the memory.
    Ports
        respond : in; responded : out; the last byte has gone
        deciding : in; the state in this cycle may be in the response
        o : out, stream of FrameByte: responses, without their CRC
        header, word, word_place : in; of the RequestRegisters
        set_length, new_length, count, next_address, shift, set_word, new_word : out; to them
        o_peeks, i_peeked : out, in; the link's own read port of the memory
        given, read, data : in, out, in; the ResultBuffer's
        expected, session : in, 8 each: for the responses
        busy : in; the array has not answered a request
        hello : in; a HELLO has come and waits
    Timing
        Two cycles per byte of a header, five per byte of the payload. The next byte is chosen a cycle before it is offered.
    Cost
        A state machine, `identity` as a table.
    Limits
        A READ of more bytes than the result buffer holds waits until the array is idle. It never ends if the array waits for room.
    Verified by
        tests/openwork_hw/shells/test_request_server.py::test_every_kind_of_request_is_carried_out
    """

    respond: Value
    responded: Value
    deciding: Value
    o: stream.Interface
    header: data.View
    word: Value
    word_place: Value
    set_length: Value
    new_length: Value
    count: Value
    next_address: Value
    shift: Value
    set_word: Value
    new_word: Value
    o_peeks: stream.Interface
    i_peeked: stream.Interface
    given: Value
    read: Value
    data: Value
    expected: Value
    session: Value
    busy: Value
    hello: Value

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        inputs = ("respond", "deciding", "busy", "hello")
        outputs = ("responded", "set_length", "count", "next_address", "shift", "set_word")
        super().__init__(
            {
                "o": Out(stream.Signature(FrameByte)),
                "header": In(REQUEST_HEADER),
                "word": In(WORD_BITS),
                "word_place": In(2),
                "new_length": Out(length_bits(identity)),
                "new_word": Out(WORD_BITS),
                "o_peeks": Out(stream.Signature(ADDRESS_BITS)),
                "i_peeked": In(stream.Signature(WORD_BITS)),
                "given": In(position_bits(identity)),
                "read": Out(position_bits(identity)),
                "data": In(8),
                "expected": In(8),
                "session": In(8),
            }
            | {name: In(1) for name in inputs}
            | {name: Out(1) for name in outputs}
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        header = self.header
        length = header.length[: length_bits(self._identity)]
        m.submodules.window = window = ResultWindow(self._identity)
        seen_busy = Signal(
            ResultWindow.latency_cycles
        )  # as late as `enough` is: with the array's answer all its results count
        was_busy = Signal()  # when the response was decided on: an answer that comes later is not what it says
        greeted = Signal()
        place = Signal(range(RESPONSE_HEADER.size))  # 0 again behind the header
        picked = Signal(8)
        flags = Cat(header.kind, was_busy)
        response_header = (MARKER, self.session, self.expected, flags, *_bytes(header.address), *_bytes(header.length))
        assert len(response_header) == RESPONSE_HEADER.size == 1 << len(place) and ResultBuffer.latency_cycles == 3
        m.d.sync += seen_busy.eq(Cat(self.busy, seen_busy))
        m.d.comb += [
            window.given.eq(self.given),
            window.read.eq(self.read),
            window.length.eq(length),
            self.read.eq(header.address),
            self.o_peeks.payload.eq(header.address),
            self.new_word.eq(self.i_peeked.payload),
            self.new_length.eq(window.available),
        ]
        with m.If(self.deciding):
            m.d.sync += was_busy.eq(seen_busy[-1])
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.respond):
                    m.next = "RESPOND"
                    with m.If(header.kind == Kind.READ):
                        m.next = "READ"
                    with m.If(header.kind == Kind.HELLO):
                        m.d.sync += greeted.eq(0)

            with m.State("READ"):
                m.d.sync += was_busy.eq(seen_busy[-1])
                with m.If(window.enough):
                    m.next = "RESPOND"
                # At most one more has come since it was not enough: not more than asked for.
                with m.Elif(~seen_busy[-1] | greeted):
                    m.d.comb += self.set_length.eq(1)
                    m.next = "RESPOND"

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

            self._payload_states(m, picked, length)
        # Behind the state machine: a HELLO that comes while one is answered counts.
        with m.If(self.hello):
            m.d.sync += greeted.eq(1)
        return m

    def _payload_states(self, m: Module, picked: Signal, length: Value) -> None:
        """A byte after the other: of results, of the identity, or of words of the memory."""
        header, peek = self.header, self._identity.peek
        table = encode_identity(self._identity)
        is_peek = Signal()
        with m.State("PAYLOAD"):
            m.next = "FETCH"
            if peek:
                with m.If(is_peek & (self.word_place == 0)):
                    m.next = "ASK"
            with m.If(length == 0):
                m.d.comb += self.responded.eq(1)
                m.next = "IDLE"

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
                m.d.comb += picked.eq(self.word[:8])
            with m.Else():
                with m.Switch(length[: len(table).bit_length()]):
                    for left, content in enumerate(reversed(table), 1):
                        with m.Case(left):
                            m.d.comb += picked.eq(content)
            m.next = "OFFER"

        with m.State("OFFER"):
            m.d.comb += self.o.valid.eq(1)
            with m.If(self.o.ready):
                m.d.comb += [
                    self.count.eq(1),
                    self.shift.eq(1),
                    self.next_address.eq(~is_peek | (self.word_place == 3)),
                ]
                m.next = "PAYLOAD"

        if peek:
            m.d.comb += [self.i_peeked.ready.eq(1), is_peek.eq(header.kind == Kind.PEEK)]
            with m.State("ASK"):
                m.d.comb += self.o_peeks.valid.eq(1)
                with m.If(self.o_peeks.ready):
                    m.next = "PEEK"

            with m.State("PEEK"):
                with m.If(self.i_peeked.valid):
                    m.d.comb += self.set_word.eq(1)
                    m.next = "PICK"


def _bytes(value: Value) -> tuple[Value, Value]:
    return value[:8], value[8:]
