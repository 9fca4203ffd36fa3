"""The top for whole networks: an image in a memory runs by itself. Wiring, and one state machine that takes requests."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.accelerator import ALL_ENCODINGS, Accelerator
from openwork_hw.arch.config import WORD_BITS, ArrayConfig
from openwork_hw.arch.image import CommandOp, ImageStatus
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.image.checker import ImageChecker
from openwork_hw.image.memory_reader import ADDRESS_BITS, MemoryReader
from openwork_hw.image.program_reader import ProgramReader
from openwork_hw.image.record_reader import RecordReader
from openwork_hw.sequencer import CYCLE_BITS, Report

WORDS_AHEAD = 10
"""Words that a reader asks for before they are needed: a memory may take up to seven cycles to answer and costs no stall."""

RECORD_WORDS_AHEAD = 16


class Request(enum.Enum, shape=unsigned(1)):  # type: ignore[call-arg]  # Amaranth is untyped
    """What the host asks for: CHECK the image in the memory, or RUN it once."""

    CHECK = 0
    RUN = 1


Answer = data.StructLayout({"status": ImageStatus, "cycles": CYCLE_BITS})
"""The answer to a request: what came of it, and cycles from when it was taken to when this is offered."""


class CommandReport(data.StructLayout):
    """The report of a command: its own, and cycles in which the array was ready for a word, a tap table entry or a feature that was
    not there, or had a feature that nobody took."""

    def __init__(self, config: ArrayConfig) -> None:
        super().__init__({"report": Report(config), "stalls": CYCLE_BITS})


class ImageRunner(wiring.Component):
    """Check and run the image that lies in a memory.

    Function
        CHECK: `arch.image.check_image`. RUN: the commands of the image's program, one after the other, each answered by a
        report; LOAD takes its bytes from i_features, STORE gives them to o_features. RUN is refused before a CHECK that found
        the image good; the memory must not change in between.
    Ports
        i_requests : in, stream of Request
        o_answers : out, stream of Answer; one for each request
        o_reports : out, stream of CommandReport(config); one for each command of the image, in order
        i_features : in, stream of signed 8
        o_features : out, stream of signed 8
        o_memory_requests, i_memory_words : out, in, memory ports: streams of word addresses, and of 32-bit words in the same
            order. Port 0 is the program's, 1 + 2 f is for the weights and 2 + 2 f for the records of feeder f
    Timing
        One clock. With a memory that takes a request a cycle on each port and answers within seven, and a host that does not stall,
        the cycles of each report and of the answer are what `openwork.compiler` predicts.
    Cost
        The accelerator, and a reader for each memory port.
    Limits
        As the accelerator's.
    """

    i_requests: stream.Interface
    o_answers: stream.Interface
    o_reports: stream.Interface
    i_features: stream.Interface
    o_features: stream.Interface
    o_memory_requests: list[stream.Interface]
    i_memory_words: list[stream.Interface]

    def __init__(
        self,
        config: ArrayConfig,
        *,
        encodings: tuple[Encoding, ...] = ALL_ENCODINGS,
        address_bits: int = ADDRESS_BITS,
    ) -> None:
        """`address_bits`: enough to number the memory's words, and to count them; fewer than 32 save registers."""
        self._config = config
        self._encodings = encodings
        self._address_bits = address_bits
        ports = 1 + 2 * len(config.feeders)
        super().__init__(
            {
                "i_requests": In(stream.Signature(Request)),
                "o_answers": Out(stream.Signature(Answer)),
                "o_reports": Out(stream.Signature(CommandReport(config))),
                "i_features": In(stream.Signature(signed(8))),
                "o_features": Out(stream.Signature(signed(8))),
                "o_memory_requests": Out(stream.Signature(ADDRESS_BITS)).array(ports),
                "i_memory_words": In(stream.Signature(WORD_BITS)).array(ports),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, bits = self._config, self._address_bits
        m.submodules.reader = reader = MemoryReader(ahead=WORDS_AHEAD, address_bits=bits)
        m.submodules.checker = checker = ImageChecker(config, address_bits=bits)
        m.submodules.program = program = ProgramReader(config)
        m.submodules.accelerator = accelerator = Accelerator(config, encodings=self._encodings)

        wiring.connect(m, reader.o_requests, wiring.flipped(self.o_memory_requests[0]))
        wiring.connect(m, wiring.flipped(self.i_memory_words[0]), reader.i_words)
        wiring.connect(m, program.o_taps, accelerator.i_taps)
        starved = []
        for feeder in range(len(config.feeders)):
            words, records = 1 + 2 * feeder, 2 + 2 * feeder
            m.submodules[f"words_{feeder}"] = word_reader = MemoryReader(ahead=WORDS_AHEAD, address_bits=bits)
            m.submodules[f"records_{feeder}"] = record_reader = RecordReader(
                config, ahead=RECORD_WORDS_AHEAD, address_bits=bits
            )
            for port, part in ((words, word_reader), (records, record_reader)):
                wiring.connect(m, part.o_requests, wiring.flipped(self.o_memory_requests[port]))
                wiring.connect(m, wiring.flipped(self.i_memory_words[port]), part.i_words)
            wiring.connect(m, program.o_words[feeder], word_reader.i_regions)
            wiring.connect(m, program.o_records[feeder], record_reader.i_regions)
            wiring.connect(m, word_reader.o, accelerator.i_words[feeder])
            wiring.connect(m, record_reader.o, accelerator.i_records[feeder])
            starved.append(accelerator.i_words[feeder].ready & ~word_reader.o.valid)
        wiring.connect(m, wiring.flipped(self.i_features), accelerator.i_features)
        wiring.connect(m, accelerator.o_features, wiring.flipped(self.o_features))

        # The memory's first port is the checker's or the program's.
        checking = Signal()
        running = Signal()
        m.d.comb += [
            reader.i_regions.valid.eq(checker.o_regions.valid),
            reader.i_regions.payload.eq(checker.o_regions.payload),
            checker.o_regions.ready.eq(checking & reader.i_regions.ready),
            checker.i.payload.eq(reader.o.payload),
            checker.i.valid.eq(checking & reader.o.valid),
            program.i.payload.eq(reader.o.payload),
            program.i.valid.eq(~checking & reader.o.valid),
            reader.o.ready.eq(Mux(checking, checker.i.ready, program.i.ready)),
        ]

        # Commands: a CLEAR of our own in front, then the program's. Its report is for nobody.
        clearing = Signal()
        m.d.comb += [
            accelerator.i_commands.payload.eq(program.o_commands.payload),
            accelerator.i_commands.valid.eq(clearing | (running & program.o_commands.valid)),
            program.o_commands.ready.eq(running & accelerator.i_commands.ready),
        ]
        with m.If(clearing):
            m.d.comb += accelerator.i_commands.payload.op.eq(CommandOp.CLEAR)
        stalls = Signal(CYCLE_BITS, reset_less=True)
        stalled = Signal(reset_less=True)
        m.d.sync += stalled.eq(
            Cat(
                *starved,
                accelerator.i_taps.ready & ~accelerator.i_taps.valid,
                self.i_features.ready & ~self.i_features.valid,
                self.o_features.valid & ~self.o_features.ready,
            ).any()
        )
        with m.If(accelerator.i_commands.valid & accelerator.i_commands.ready):
            m.d.sync += stalls.eq(0)
        with m.Elif(stalled & ~accelerator.o_reports.valid):
            m.d.sync += stalls.eq(stalls + 1)
        m.d.comb += [
            self.o_reports.payload.report.eq(accelerator.o_reports.payload),
            self.o_reports.payload.stalls.eq(stalls),
            self.o_reports.valid.eq(running & accelerator.o_reports.valid),
            accelerator.o_reports.ready.eq(~running | self.o_reports.ready),
        ]

        # Requests.
        good = Signal()  # the image has been checked
        pending = Signal()  # a command has been taken and its report has not
        cycles = Signal(CYCLE_BITS, reset_less=True)
        status = Signal(ImageStatus)
        m.d.comb += [self.o_answers.payload.status.eq(status), self.o_answers.payload.cycles.eq(cycles)]
        with m.If(accelerator.o_reports.valid & accelerator.o_reports.ready):
            m.d.sync += pending.eq(0)
            with m.If(running & (accelerator.o_reports.payload.fault.kind != StreamErrorKind.NONE)):
                m.d.sync += status.eq(ImageStatus.FAULT)
        with m.If(accelerator.i_commands.valid & accelerator.i_commands.ready):
            m.d.sync += pending.eq(1)
        m.d.sync += cycles.eq(cycles + 1)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i_requests.ready.eq(1)
                m.d.sync += [cycles.eq(0), status.eq(ImageStatus.GOOD)]
                with m.If(self.i_requests.valid):
                    with m.If(self.i_requests.payload == Request.CHECK):
                        m.d.comb += checker.start.eq(1)
                        m.d.sync += good.eq(0)
                        m.next = "CHECK"
                    with m.Elif(good):
                        m.next = "CLEAR"
                    with m.Else():
                        m.d.sync += status.eq(ImageStatus.NOT_CHECKED)
                        m.next = "ANSWER"

            with m.State("CHECK"):
                m.d.comb += checking.eq(1)
                with m.If(checker.done):
                    m.d.sync += [status.eq(checker.status), good.eq(checker.status == ImageStatus.GOOD)]
                    m.next = "ANSWER"

            with m.State("CLEAR"):
                m.d.comb += clearing.eq(1)
                with m.If(accelerator.i_commands.ready):
                    m.next = "CLEARED"

            with m.State("CLEARED"):
                m.d.comb += program.restart.eq(1)
                with m.If(~pending):
                    m.next = "START"

            with m.State("START"):
                m.d.comb += [
                    reader.i_regions.valid.eq(1),
                    reader.i_regions.payload.address.eq(checker.program),
                    reader.i_regions.payload.words.eq(checker.program_words),
                ]
                with m.If(reader.i_regions.ready):
                    m.next = "RUN"

            with m.State("RUN"):
                m.d.comb += running.eq(1)
                with m.If(program.done & ~pending):
                    m.next = "ANSWER"

            with m.State("ANSWER"):
                m.d.sync += cycles.eq(cycles)
                m.d.comb += self.o_answers.valid.eq(1)
                with m.If(self.o_answers.ready):
                    m.next = "IDLE"
        return m
