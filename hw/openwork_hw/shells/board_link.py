"""The board's side of the link: bytes of the line on one side, streams of the array on the other."""

from amaranth.hdl import Elaboratable, Module, ResetInserter, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.link import Identity
from openwork_hw.image.fetcher import TRANSFER_BITS
from openwork_hw.image.memory_reader import ADDRESS_BITS
from openwork_hw.image.run_control import Answer, CommandReport, Request
from openwork_hw.shells.frame_receiver import FrameReceiver
from openwork_hw.shells.frame_sender import FrameSender
from openwork_hw.shells.memory import WordWrite
from openwork_hw.shells.request_server import RequestServer
from openwork_hw.shells.result_buffer import ResultBuffer

RESET_CYCLES = 16
"""Cycles for which a RESET stops the core: long enough for a memory to drain what is on its way."""


class BoardLink(wiring.Component):
    """Receive the requests of a host, carry them out and answer them.

    Role
        Part of a `ByteShell`, of a `FlashShell` and of an `SdramShell`: between the serial line and the array.
    Function
        The protocol is `arch.link`; a HELLO is answered with `identity`.
    Ports
        i_bytes, o_bytes : in, out, streams of 8: the line
        o_requests, o_features : out, i_answers, i_reports, i_features : in; an ImageRunner's
        transfer : in, TRANSFER_BITS; an ExternalRunner's
        o_writes : out, stream of WordWrite; o_peeks : out, i_peeked : in, one reader; a memory's
        stop : out, 1; a RESET has come: the array is reset, and the memory drops its requests
    Timing
        10 cycles per byte of the line, both ways at once. No combinational path from the line to anything else.
    Cost
        See `docs/decisions/0009-link.md`.
    Limits
        -
    """

    i_bytes: stream.Interface
    o_bytes: stream.Interface
    o_requests: stream.Interface
    i_answers: stream.Interface
    transfer: Signal
    i_reports: stream.Interface
    o_features: stream.Interface
    i_features: stream.Interface
    o_writes: stream.Interface
    o_peeks: stream.Interface
    i_peeked: stream.Interface
    stop: Signal

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        super().__init__(
            {
                "i_bytes": In(stream.Signature(8)),
                "o_bytes": Out(stream.Signature(8)),
                "o_requests": Out(stream.Signature(Request)),
                "i_answers": In(stream.Signature(Answer)),
                "transfer": In(TRANSFER_BITS),
                "i_reports": In(stream.Signature(CommandReport(identity.config))),
                "o_features": Out(stream.Signature(signed(8))),
                "i_features": In(stream.Signature(signed(8))),
                "o_writes": Out(stream.Signature(WordWrite)),
                "o_peeks": Out(stream.Signature(ADDRESS_BITS)),
                "i_peeked": In(stream.Signature(WORD_BITS)),
                "stop": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        identity = self._identity
        receiver = FrameReceiver(identity.receive_bytes, identity.config.technology, exact=identity.writable)
        server = RequestServer(identity)
        results = ResultBuffer(identity.config, identity.result_bytes, reports=identity.reports)
        sender = FrameSender()
        m.submodules.receiver = receiver
        m.submodules.server = ResetInserter(self.stop)(server)
        m.submodules.results = ResetInserter(self.stop)(results)
        m.submodules.sender = ResetInserter(self.stop)(sender)

        wiring.connect(m, wiring.flipped(self.i_bytes), receiver.i)
        wiring.connect(m, receiver.o, server.i)
        for name in ("o_requests", "o_features", "o_writes", "o_peeks"):
            wiring.connect(m, getattr(server, name), wiring.flipped(getattr(self, name)))
        wiring.connect(m, wiring.flipped(self.i_peeked), server.i_peeked)
        for name in ("i_features", "i_reports", "i_answers"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(results, name))
        wiring.connect(m, server.o, sender.i)
        wiring.connect(m, sender.o, wiring.flipped(self.o_bytes))
        m.d.comb += [
            server.expected.eq(receiver.expected),
            server.session.eq(receiver.session),
            server.hello.eq(receiver.hello),
            server.answered.eq(results.answered),
            server.given.eq(results.given),
            server.data.eq(results.data),
            results.transfer.eq(self.transfer),
            results.read.eq(server.read),
            results.released.eq(server.released),
        ]

        left = Signal(range(RESET_CYCLES + 1))
        m.d.sync += self.stop.eq(left != 0)
        with m.If(receiver.reset):
            m.d.sync += left.eq(RESET_CYCLES)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        return m
