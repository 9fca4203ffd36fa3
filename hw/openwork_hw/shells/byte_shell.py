"""The array behind a line of bytes, with a memory for the image."""

from amaranth.hdl import Elaboratable, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.encodings import chosen_encodings
from openwork_hw.arch.link import Identity
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image_runner import ImageRunner
from openwork_hw.shells.board_link import BoardLink
from openwork_hw.shells.memory import memory_readers, shell_memory_ports
from openwork_hw.stream.output_buffer import OutputBuffer


class ByteShell(wiring.Component):
    """Let a host run images over any line that carries bytes.

    Role
        The array for boards whose host is at the other end of a line of bytes. `SerialShell` puts it on a UART.
    Function
        `BoardLink` carries out the requests of the host, and an ImageRunner runs the image.
    Ports
        i_bytes, o_bytes : in, out, streams of 8: the line
        o_memory_requests, i_memory_words, o_memory_writes, memory_forget : the image memory, as `shells.memory` says;
            it has memory_readers(config, peek=peek) readers
    Timing
        10 cycles per byte of the line, both ways. No combinational path from the line to the array.
    Cost
        BoardLink, ImageRunner, an OutputBuffer of bytes.
    Limits
        -
    Verified by
        tests/system/test_board.py::test_digits_bit_for_bit
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
        encodings: tuple[Encoding, ...] | None = None,
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
        peek: the host can read the memory, to find an image that is there already; one that cannot be written must have it.
        """
        self._identity = Identity(
            config,
            chosen_encodings(config, encodings),
            memory_words,
            receive_bytes,
            result_bytes,
            clock_hz,
            writable,
            reports,
            peek,
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
        identity = self._identity
        m.submodules.link = link = BoardLink(identity)
        address_bits = bits_for(identity.memory_words + 1)
        runner = ImageRunner(identity.config, encodings=identity.encodings, address_bits=address_bits)
        m.submodules.runner = runner
        # Each of the parts that fill the chip is stopped from a register of its own, a cycle late; the runner has its own, too.
        memory_stops = Signal(reset_less=True, attrs={"keep": 1})
        m.d.sync += memory_stops.eq(link.stop)
        m.d.comb += [runner.stop.eq(link.stop), self.memory_forget.eq(memory_stops)]

        wiring.connect(m, wiring.flipped(self.i_bytes), link.i_bytes)
        wiring.connect(m, link.o_bytes, wiring.flipped(self.o_bytes))
        wiring.connect(m, link.o_requests, runner.i_requests)
        # Between the link's counters and the sequencer's, which would be one long path.
        m.submodules.features = features = OutputBuffer(signed(8))
        m.d.comb += features.flush.eq(memory_stops)
        wiring.connect(m, link.o_features, features.i)
        wiring.connect(m, features.o, runner.i_features)
        wiring.connect(m, runner.o_features, link.i_features)
        wiring.connect(m, runner.o_reports, link.i_reports)
        wiring.connect(m, runner.o_answers, link.i_answers)

        asks, takes = [*runner.o_memory_requests], [*runner.i_memory_words]
        if identity.peek:
            asks.append(link.o_peeks)
            takes.append(link.i_peeked)
        for reader, (ask, take) in enumerate(zip(asks, takes, strict=True)):
            wiring.connect(m, ask, wiring.flipped(self.o_memory_requests[reader]))
            wiring.connect(m, wiring.flipped(self.i_memory_words[reader]), take)
        wiring.connect(m, link.o_writes, wiring.flipped(self.o_memory_writes))
        return m
