"""The core as a board sees it: bytes in, bytes out, and a memory for the image."""

from amaranth.hdl import Elaboratable, Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.accelerator import ALL_ENCODINGS
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.link import Identity, encode_identity
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image_runner import ImageRunner
from openwork_hw.shells.frame_receiver import FrameReceiver
from openwork_hw.shells.frame_sender import FrameSender
from openwork_hw.shells.memory import memory_readers, shell_memory_ports
from openwork_hw.shells.request_server import RequestServer
from openwork_hw.shells.result_buffer import ResultBuffer

RESET_CYCLES = 16
"""Cycles of the reset that a RESET makes: long enough for a memory to drain what is on its way."""


class ByteShell(wiring.Component):
    """Let a host run images over any line that carries bytes.

    Function
        The board's side of `arch.link`, around an ImageRunner.
    Ports
        i_bytes, o_bytes : in, out, streams of 8: the line
        o_memory_requests, i_memory_words, o_memory_writes, memory_forget : the image memory, as `shells.memory` says;
            it has memory_readers(config, peek=peek) readers
    Timing
        A byte of the line in 10 cycles, both ways. No combinational path from the line to the core.
    Cost
        The ImageRunner; without it, see `docs/decisions/0009-link.md`.
    Limits
        -
    """

    i_bytes: stream.Interface
    o_bytes: stream.Interface
    o_memory_requests: list[stream.Interface]
    i_memory_words: list[stream.Interface]
    o_memory_writes: stream.Interface
    memory_forget: Signal

    def __init__(
        self,
        config: ArrayConfig,
        *,
        encodings: tuple[Encoding, ...] = ALL_ENCODINGS,
        memory_words: int,
        clock_hz: int,
        writable: bool = True,
        receive_bytes: int = 2048,
        result_bytes: int = 16384,
        reports: bool = True,
        peek: bool = True,
    ) -> None:
        """What can be left out, and why one would.

        memory_words, writable: what the memory behind `memory` holds, and whether requests can write it: the host is told.
        clock_hz: for the host, which makes cycles time.
        receive_bytes: of requests on their way; the longest WRITE is half of it. 512 fill the smallest block memories.
        result_bytes: of results on their way; a long line (USB: 16 ms) needs as much as it carries in its delay.
        reports: results hold a report for each command; without them, a run gives outputs and its cycles alone.
        peek: the host can read the memory, to find an image that is there already.
        """
        self._config = config
        self._encodings = encodings
        self._identity = Identity(
            config, encodings, memory_words, receive_bytes, result_bytes, clock_hz, writable, reports, peek
        )
        super().__init__(
            {
                "i_bytes": In(stream.Signature(8)),
                "o_bytes": Out(stream.Signature(8)),
            }
            | shell_memory_ports(memory_readers(config, peek=peek))
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, identity = self._config, self._identity
        receiver = FrameReceiver(identity.receive_bytes, config.technology)
        server = RequestServer(encode_identity(identity), identity.result_bytes, peek=identity.peek)
        runner = ImageRunner(config, encodings=self._encodings)
        results = ResultBuffer(config, identity.result_bytes, reports=identity.reports)
        sender = FrameSender()

        # A RESET stops all that is behind the receiver.
        left = Signal(range(RESET_CYCLES + 1))
        stop = Signal()
        m.d.sync += stop.eq(left != 0)
        with m.If(receiver.reset):
            m.d.sync += left.eq(RESET_CYCLES)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        m.submodules.receiver = receiver
        m.submodules.server = ResetInserter(stop)(server)
        m.submodules.runner = ResetInserter(stop)(runner)
        m.submodules.results = ResetInserter(stop)(results)
        m.submodules.sender = ResetInserter(stop)(sender)

        wiring.connect(m, wiring.flipped(self.i_bytes), receiver.i)
        wiring.connect(m, receiver.o, server.i)
        wiring.connect(m, server.o, sender.i)
        wiring.connect(m, sender.o, wiring.flipped(self.o_bytes))
        wiring.connect(m, server.o_requests, runner.i_requests)
        wiring.connect(m, server.o_features, runner.i_features)
        wiring.connect(m, runner.o_features, results.i_features)
        wiring.connect(m, runner.o_reports, results.i_reports)
        wiring.connect(m, runner.o_answers, results.i_answers)
        m.d.comb += [
            server.expected.eq(receiver.expected),
            server.session.eq(receiver.session),
            server.given.eq(results.given),
            server.data.eq(results.data),
            server.answered.eq(results.answered),
            server.hello.eq(receiver.hello),
            results.released.eq(server.released),
            results.read.eq(server.read),
        ]

        m.d.comb += self.memory_forget.eq(stop)
        wiring.connect(m, server.o_writes, wiring.flipped(self.o_memory_writes))
        asks, takes = [*runner.o_memory_requests], [*runner.i_memory_words]
        if identity.peek:
            asks.append(server.o_peeks)
            takes.append(server.i_peeked)
        for reader, (ask, take) in enumerate(zip(asks, takes, strict=True)):
            wiring.connect(m, ask, wiring.flipped(self.o_memory_requests[reader]))
            wiring.connect(m, wiring.flipped(self.i_memory_words[reader]), take)
        return m
