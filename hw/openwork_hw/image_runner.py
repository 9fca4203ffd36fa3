"""The top for whole networks: it runs an image from a memory by itself. Wiring only."""

from amaranth.hdl import Elaboratable, Module, Mux, ResetInserter, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.image.checker import ImageChecker
from openwork_hw.image.memory_reader import ADDRESS_BITS, MemoryReader
from openwork_hw.image.run_control import WATCHDOG_BITS, Answer, CommandReport, Request, RunControl
from openwork_hw.program_runner import WORDS_AHEAD, ProgramRunner


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
        ProgramRunner, ImageChecker, a reader.
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
        reader = MemoryReader(ahead=WORDS_AHEAD, address_bits=bits)
        m.submodules.control = ResetInserter(stops)(control)
        m.submodules.checker = ResetInserter(resets)(checker)
        m.submodules.reader = ResetInserter(stops)(reader)
        m.submodules.runner = runner = ProgramRunner(config, encodings=self._encodings, address_bits=bits)
        m.d.sync += [stops.eq(self.stop), resets.eq(self.stop | control.abort)]
        m.d.comb += [runner.stop.eq(stops), runner.reset.eq(resets)]
        wiring.connect(m, wiring.flipped(self.i_requests), control.i_requests)
        wiring.connect(m, control.o_answers, wiring.flipped(self.o_answers))
        wiring.connect(m, runner.o_reports, wiring.flipped(self.o_reports))
        wiring.connect(m, wiring.flipped(self.i_features), runner.i_features)
        wiring.connect(m, runner.o_features, wiring.flipped(self.o_features))
        asks, takes = [reader.o_requests, *runner.o_memory_requests], [reader.i_words, *runner.i_memory_words]
        for port, (ask, take) in enumerate(zip(asks, takes, strict=True)):
            wiring.connect(m, ask, wiring.flipped(self.o_memory_requests[port]))
            wiring.connect(m, wiring.flipped(self.i_memory_words[port]), take)

        # The memory's first port is the checker's or the program's; no word comes in the cycle in which that changes.
        checking, running, quiet = (Signal(reset_less=True, name=name) for name in ("checking", "running", "quiet"))
        m.d.sync += [checking.eq(control.checking), running.eq(control.running), quiet.eq(reader.idle)]
        m.d.comb += [
            checker.start.eq(control.check),
            control.checked.eq(checker.done),
            control.found.eq(checker.status),
            control.started.eq(reader.i_regions.ready),
            control.quiet.eq(quiet & runner.quiet),
            reader.clear.eq(control.idle),
            reader.i_regions.valid.eq(checker.o_regions.valid | control.start),
            reader.i_regions.payload.eq(checker.o_regions.payload),
            checker.o_regions.ready.eq(reader.i_regions.ready),
            checker.i.payload.eq(reader.o.payload),
            checker.i.valid.eq(checking & reader.o.valid),
            runner.i_program.payload.eq(reader.o.payload),
            runner.i_program.valid.eq(running & reader.o.valid),
            reader.o.ready.eq(Mux(checking, checker.i.ready, runner.i_program.ready)),
        ]
        with m.If(control.start):
            m.d.comb += [
                reader.i_regions.payload.address.eq(checker.program),
                reader.i_regions.payload.words.eq(checker.program_words),
            ]
        moved = Signal(reset_less=True)
        m.d.sync += moved.eq(reader.o.valid & reader.o.ready)
        m.d.comb += control.moved.eq(moved | runner.moved)
        connect_control(m, control, runner)
        return m


def connect_control(m: Module, control: RunControl, runner: ProgramRunner) -> None:
    """What a run's control and the array say to each other."""
    m.d.comb += [getattr(runner, name).eq(getattr(control, name)) for name in ("clear", "rewind", "running", "idle")]
    m.d.comb += [
        getattr(control, name).eq(getattr(runner, name)) for name in ("commanded", "reported", "faulty", "ended")
    ]
