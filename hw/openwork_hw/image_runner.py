"""The top for whole networks: it runs an image from a memory by itself. Wiring only."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, ResetInserter, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.accelerator import Accelerator
from openwork_hw.arch.config import WORD_BITS, ArrayConfig
from openwork_hw.arch.image import CommandOp
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.image.checker import ImageChecker
from openwork_hw.image.memory_reader import ADDRESS_BITS, MemoryReader
from openwork_hw.image.program_reader import ProgramReader
from openwork_hw.image.record_reader import RecordReader
from openwork_hw.image.run_control import WATCHDOG_BITS, Answer, CommandReport, Request, RunControl
from openwork_hw.sequencing.payloads import CYCLE_BITS

WORDS_AHEAD = 10
"""Words that a reader asks for before they are needed: a memory may take up to seven cycles to answer and costs no stall."""

RECORD_WORDS_AHEAD = 16


class ImageRunner(wiring.Component):
    """Check and run the image in a memory.

    Role
        The array that runs a whole network by itself. `ByteShell` and `BusShell` connect it to a host; a design with a memory
        of its own uses it directly.
    Function
        CHECK does what `arch.image.check_image` does. RUN carries out the commands of the image's program, one after the other,
        and answers each with a report. LOAD takes its bytes from i_features, and STORE gives them to o_features. RUN is refused
        before a CHECK has found the image good; the memory must not change in between.
        Every request ends, whatever the words of the image are. If nothing moves for 2 ** watchdog_bits cycles, or at most twice
        as many, the answer is TIMED_OUT. Nothing moves while a run waits for features; outputs and reports that wait to be taken
        count as moving. The next request finds the array as after a reset. Features that the run did not take stay in their
        stream. A malformed stream is read to the end that its command names, which `address_bits` bounds.
    Ports
        i_requests : in, stream of Request
        o_answers : out, stream of Answer; one per request
        o_reports : out, stream of CommandReport(config); one per command of the image, in order
        i_features : in, stream of signed 8
        o_features : out, stream of signed 8
        o_memory_requests, i_memory_words : out, in, memory ports: streams of word addresses, and of 32-bit words in the same
            order. Port 0 is for the program, port 1 + 2 f for the weights and port 2 + 2 f for the records of feeder f
        stop : in, 1; high for 16 cycles or more: return to the state after a reset, and drop all requests to the memory. The
            memory must drop them, too
    Timing
        One clock. The cycles of each report and of the answer are those that `openwork.compiler` predicts, if the memory takes
        one request per cycle on each port and answers within seven cycles, and if the host does not stall.
    Cost
        The accelerator, and one reader per memory port.
    Limits
        As the accelerator's.
    Verified by
        tests/system/test_quick_networks.py::test_every_tensor_and_every_cycle_is_right
    """

    i_requests: stream.Interface
    o_answers: stream.Interface
    o_reports: stream.Interface
    i_features: stream.Interface
    o_features: stream.Interface
    o_memory_requests: list[stream.Interface]
    i_memory_words: list[stream.Interface]
    stop: Signal

    def __init__(
        self,
        config: ArrayConfig,
        *,
        encodings: tuple[Encoding, ...] | None = None,
        address_bits: int = ADDRESS_BITS,
        watchdog_bits: int = WATCHDOG_BITS,
    ) -> None:
        """What can be made smaller, and for what.

        address_bits: enough to number the memory's words, and to count them; fewer than 32 save registers.
        watchdog_bits: fewer in simulations, which cannot wait so long.
        """
        self._watchdog_bits = watchdog_bits
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
                "stop": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, bits = self._config, self._address_bits
        # What fills the chip is reset from registers of its own: one for what asks the memory, one for what may be stuck.
        stops, resets = (Signal(name=name, reset_less=True, attrs={"keep": 1}) for name in ("stops", "resets"))
        control = RunControl(watchdog_bits=self._watchdog_bits)
        checker = ImageChecker(config, address_bits=bits)
        program = ProgramReader(config, keeps=config.compact)
        accelerator = Accelerator(config, encodings=self._encodings)
        m.submodules.control = ResetInserter(stops)(control)
        m.submodules.checker = ResetInserter(resets)(checker)
        m.submodules.program = ResetInserter(resets)(program)
        m.submodules.accelerator = ResetInserter(resets)(accelerator)
        m.d.sync += [stops.eq(self.stop), resets.eq(self.stop | control.abort)]
        wiring.connect(m, wiring.flipped(self.i_requests), control.i_requests)
        wiring.connect(m, control.o_answers, wiring.flipped(self.o_answers))
        reader = MemoryReader(ahead=WORDS_AHEAD, address_bits=bits)
        m.submodules.reader = ResetInserter(stops)(reader)
        readers: list[MemoryReader | RecordReader] = [reader]

        wiring.connect(m, reader.o_requests, wiring.flipped(self.o_memory_requests[0]))
        wiring.connect(m, wiring.flipped(self.i_memory_words[0]), reader.i_words)
        wiring.connect(m, program.o_taps, accelerator.i_taps)
        starved = []
        moves = [reader.o.valid & reader.o.ready, self.i_features.valid & self.i_features.ready]
        for feeder in range(len(config.feeders)):
            words, records = 1 + 2 * feeder, 2 + 2 * feeder
            word_reader = MemoryReader(ahead=WORDS_AHEAD, address_bits=bits)
            record_reader = RecordReader(config, ahead=RECORD_WORDS_AHEAD, address_bits=bits)
            m.submodules[f"words_{feeder}"] = ResetInserter(stops)(word_reader)
            m.submodules[f"records_{feeder}"] = ResetInserter(stops)(record_reader)
            readers += [word_reader, record_reader]
            moves += [part.o.valid & part.o.ready for part in (word_reader, record_reader)]
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

        # The memory's first port is the checker's or the program's; no word comes in the cycle in which that changes. Between two
        # requests what is left in a reader belongs to nobody.
        checking, running = Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += [checking.eq(control.checking), running.eq(control.running)]
        m.d.sync += control.quiet.eq(Cat(one.idle for one in readers).all())
        m.d.comb += [one.clear.eq(control.idle) for one in readers]
        m.d.comb += [
            checker.start.eq(control.check),
            control.checked.eq(checker.done),
            control.found.eq(checker.status),
            control.started.eq(reader.i_regions.ready),
            reader.i_regions.valid.eq(checker.o_regions.valid | control.start),
            reader.i_regions.payload.eq(checker.o_regions.payload),
            checker.o_regions.ready.eq(reader.i_regions.ready),
            checker.i.payload.eq(reader.o.payload),
            checker.i.valid.eq(checking & reader.o.valid),
            program.i.payload.eq(reader.o.payload),
            program.i.valid.eq(running & reader.o.valid),
            reader.o.ready.eq(Mux(checking, checker.i.ready, program.i.ready)),
        ]
        with m.If(control.start):
            m.d.comb += [
                reader.i_regions.payload.address.eq(checker.program),
                reader.i_regions.payload.words.eq(checker.program_words),
            ]

        # Commands: a CLEAR of our own in front, then the program's. Its report is for nobody.
        command, report = accelerator.i_commands, accelerator.o_reports
        m.d.comb += [
            command.payload.eq(program.o_commands.payload),
            command.valid.eq(control.clear | (control.running & program.o_commands.valid)),
            program.o_commands.ready.eq(control.running & command.ready),
        ]
        with m.If(control.clear | control.rewind):
            m.d.comb += command.payload.op.eq(CommandOp.CLEAR)
        stalls = Signal(CYCLE_BITS, reset_less=True)
        stalled = Signal(reset_less=True)
        begins = Signal(reset_less=True)  # a cycle late, as `stalled` is: nothing stalls while a command is taken
        m.d.sync += begins.eq(command.ready)
        m.d.sync += stalled.eq(
            Cat(
                *starved,
                accelerator.i_taps.ready & ~accelerator.i_taps.valid,
                self.i_features.ready & ~self.i_features.valid,
                self.o_features.valid & ~self.o_features.ready,
            ).any()
        )
        with m.If(begins):
            m.d.sync += stalls.eq(0)
        with m.Elif(stalled & ~report.valid):
            m.d.sync += stalls.eq(stalls + 1)
        m.d.comb += [
            self.o_reports.payload.report.eq(report.payload),
            self.o_reports.payload.stalls.eq(stalls),
            self.o_reports.valid.eq(control.running & report.valid),
            report.ready.eq(~control.running | self.o_reports.ready),
            control.commanded.eq(command.valid & command.ready),
            control.reported.eq(report.valid & report.ready),
            control.faulty.eq(report.payload.fault.kind != StreamErrorKind.NONE),
            control.ended.eq(program.done),
            program.reported.eq(control.reported),
            program.restart.eq(control.rewind),
        ]
        # What waits for the host is not stuck. Both are asked in this very cycle: an offer that has been made stays.
        moved = Signal(reset_less=True)
        m.d.sync += moved.eq(Cat(*moves, control.commanded, control.reported).any())
        m.d.comb += control.moved.eq(moved | self.o_features.valid | self.o_reports.valid)
        return m
