"""The top for small parts: it runs a linear image by itself, from a memory that gives one word after the other. Wiring only."""

from amaranth.hdl import Elaboratable, Module, Mux, ResetInserter, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.accelerator import Accelerator
from openwork_hw.arch.config import WORD_BITS, ArrayConfig, ConfigError, bits_for
from openwork_hw.arch.image import HEADER_WORDS, CommandOp
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.image.linear_checker import LinearChecker
from openwork_hw.image.linear_reader import LinearReader
from openwork_hw.image.run_control import WATCHDOG_BITS, Answer, Request, RunControl

MOST_CYCLES_BITS = 31
"""A run of more than 2 ** 31 cycles, 89 s at 24 MHz, is over."""


class LinearRunner(wiring.Component):
    """Check and run the linear image in a memory.

    Role
        The array that runs a whole network by itself on a small board. `FlashShell` connects it to a host.
    Function
        As ImageRunner, with `arch.linear_image`, but without reports of commands. A request that takes more than 2 ** 31 cycles
        is answered TIMED_OUT, even if something moves: the memory gives words without end, and a wrong program may have no end.
    Ports
        i_requests, o_answers, i_features, o_features : as ImageRunner's
        o_starts : out, stream of word addresses: from now on, the memory gives words from this address on
        i_words : in, stream of 32: the words of the memory after the newest start
        i_bits, i_bits_valid : in; as LinearChecker's
        idle : out; no request is being carried out, and the memory is free
    Timing
        The memory sets the pace. The next command is read when the command before has been carried out.
    Cost
        The accelerator, which is compact on small parts.
    Limits
        One feeder.
    """

    i_requests: stream.Interface
    o_answers: stream.Interface
    i_features: stream.Interface
    o_features: stream.Interface
    o_starts: stream.Interface
    i_words: stream.Interface

    def __init__(
        self,
        config: ArrayConfig,
        *,
        encodings: tuple[Encoding, ...] | None = None,
        memory_words: int,
        watchdog_bits: int = WATCHDOG_BITS,
        most_cycles_bits: int = MOST_CYCLES_BITS,
    ) -> None:
        """watchdog_bits, most_cycles_bits: as RunControl's; fewer in simulations, which cannot wait so long."""
        if len(config.feeders) != 1:
            raise ConfigError(
                f"a linear image feeds one weight stream, and this array has {len(config.feeders)}: use a PE, or one group of all"
            )
        self._config = config
        self._encodings = encodings
        self._memory_words = memory_words
        self._watchdog_bits = watchdog_bits
        self._most_cycles_bits = most_cycles_bits
        super().__init__(
            {
                "i_requests": In(stream.Signature(Request)),
                "o_answers": Out(stream.Signature(Answer)),
                "i_features": In(stream.Signature(signed(8))),
                "o_features": Out(stream.Signature(signed(8))),
                "o_starts": Out(stream.Signature(bits_for(memory_words))),
                "i_words": In(stream.Signature(WORD_BITS)),
                "i_bits": In(2),
                "i_bits_valid": In(1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        m.submodules.control = control = RunControl(
            watchdog_bits=self._watchdog_bits, most_cycles_bits=self._most_cycles_bits
        )
        checker = LinearChecker(config, most_words=self._memory_words)
        program = LinearReader(config)
        accelerator = Accelerator(config, encodings=self._encodings)
        m.submodules.checker = ResetInserter(control.abort)(checker)
        m.submodules.program = ResetInserter(control.abort)(program)
        m.submodules.accelerator = ResetInserter(control.abort)(accelerator)

        wiring.connect(m, wiring.flipped(self.i_requests), control.i_requests)
        wiring.connect(m, control.o_answers, wiring.flipped(self.o_answers))
        wiring.connect(m, program.o_taps, accelerator.i_taps)
        if config.activation_tables:
            wiring.connect(m, program.o_table, accelerator.i_table)
        wiring.connect(m, program.o_records, accelerator.i_records[0])
        wiring.connect(m, program.o_words, accelerator.i_words[0])
        wiring.connect(m, wiring.flipped(self.i_features), accelerator.i_features)
        wiring.connect(m, accelerator.o_features, wiring.flipped(self.o_features))

        # A check reads from the header on, a run from the program on.
        asks = Signal()
        with m.If(control.check):
            m.d.sync += asks.eq(1)
        with m.Elif(self.o_starts.ready | control.abort):
            m.d.sync += asks.eq(0)
        m.d.comb += [
            self.idle.eq(control.i_requests.ready),
            self.o_starts.valid.eq(asks | control.start),
            self.o_starts.payload.eq(Mux(control.start, HEADER_WORDS, 0)),
            checker.start.eq(control.check),
            control.started.eq(self.o_starts.ready),
            control.checked.eq(checker.done),
            control.found.eq(checker.status),
            checker.i.payload.eq(self.i_words.payload),
            checker.i.valid.eq(self.i_words.valid & control.checking),
            checker.i_bits.eq(self.i_bits),
            checker.i_bits_valid.eq(self.i_bits_valid),
            program.i.payload.eq(self.i_words.payload),
            program.i.valid.eq(self.i_words.valid & control.running),
            self.i_words.ready.eq(Mux(control.checking, checker.i.ready, program.i.ready & control.running)),
        ]

        # A CLEAR of our own in front; a command stays until its report is taken.
        command, report = accelerator.i_commands, accelerator.o_reports
        m.d.comb += [
            command.payload.eq(program.o_commands.payload),
            command.valid.eq(control.clear | (control.running & program.o_commands.valid)),
            program.o_commands.ready.eq(control.running & command.ready),
            report.ready.eq(1),
            control.commanded.eq(command.valid & command.ready),
            control.reported.eq(report.valid),
            control.faulty.eq(report.payload.fault.kind != StreamErrorKind.NONE),
            control.ended.eq(program.done),
            program.reported.eq(report.valid),
            program.restart.eq(control.rewind),
            control.quiet.eq(1),
            control.moved.eq(
                (self.i_words.valid & self.i_words.ready)
                | (self.i_features.valid & self.i_features.ready)
                | self.o_features.valid
                | report.valid
            ),
        ]
        with m.If(control.clear | control.rewind):
            m.d.comb += command.payload.op.eq(CommandOp.CLEAR)
        return m
