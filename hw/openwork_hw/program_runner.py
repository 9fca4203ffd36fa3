"""The array with the readers that bring it what a program names. Wiring only."""

from amaranth.hdl import Cat, Elaboratable, Module, ResetInserter, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.accelerator import Accelerator
from openwork_hw.arch.config import WORD_BITS, ArrayConfig
from openwork_hw.arch.image import CommandOp
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.decoder.payloads import WeightWord
from openwork_hw.image.memory_reader import ADDRESS_BITS, MemoryReader
from openwork_hw.image.program_reader import ProgramReader
from openwork_hw.image.record_reader import RecordReader
from openwork_hw.image.run_control import CommandReport
from openwork_hw.sequencing.payloads import CYCLE_BITS, map_ports

WORDS_AHEAD = 10
"""Words that a reader asks for before they are needed: a memory may take up to seven cycles to answer and costs no stall."""

RECORD_WORDS_AHEAD = 16


class ProgramRunner(wiring.Component):
    """Carry out the commands of a program, one after the other, and report each of them.

    Role
        Part of an `ImageRunner` and of an `ExternalRunner`: all that is the same wherever the words of a program come from.
    Function
        While `running`, the commands of i_program are carried out, and each gives a report. Weights and row records are read from
        the memory. While `clear` or `rewind`, the array gets a CLEAR, whose report nobody sees.
    Ports
        i_program : in, stream of WeightWord: the program
        o_reports, i_features, o_features : as ImageRunner's
        o_memory_requests, i_memory_words : as ImageRunner's, without its port 0
        clear, rewind, running, idle : in; as RunControl's
        commanded, reported, faulty, ended : out; as RunControl's
        quiet : out; the readers have dropped what was left in them
        i_maps, o_maps, maps_busy : as Sequencer's; in an array with map stations only
        moved : out; a word, a feature, a byte of a map, a command or a report moves
        stop : in; resets all; reset : in; resets the array
    Timing
        As ImageRunner's. With `primes`, a RUN is offered to the array when its readers hold the first words, so that it takes the
        same cycles whether its words came just before it or long before.
    Cost
        The accelerator, and one reader per memory port.
    Limits
        As the accelerator's.
    Verified by
        tests/system/test_quick_networks.py::test_every_tensor_and_every_cycle_is_right
    """

    i_program: stream.Interface
    o_reports: stream.Interface
    i_features: stream.Interface
    o_features: stream.Interface
    o_memory_requests: list[stream.Interface]
    i_memory_words: list[stream.Interface]
    clear: Signal
    rewind: Signal
    running: Signal
    idle: Signal
    commanded: Signal
    reported: Signal
    faulty: Signal
    ended: Signal
    quiet: Signal
    i_maps: stream.Interface
    o_maps: stream.Interface
    maps_busy: Signal
    maps_move: Signal
    moved: Signal
    stop: Signal
    reset: Signal

    def __init__(
        self, config: ArrayConfig, *, encodings: tuple[Encoding, ...] | None, address_bits: int, primes: bool = False
    ) -> None:
        """`address_bits`: enough to number the memory's words, and to count them."""
        self._primes = primes
        self._config = config
        self._encodings = encodings
        self._address_bits = address_bits
        ports = 2 * len(config.feeders)
        inputs = ("clear", "rewind", "running", "idle", "stop", "reset")
        outputs = ("commanded", "reported", "faulty", "ended", "quiet", "moved")
        super().__init__(
            {
                "i_program": In(stream.Signature(WeightWord)),
                "o_reports": Out(stream.Signature(CommandReport(config))),
                "i_features": In(stream.Signature(signed(8))),
                "o_features": Out(stream.Signature(signed(8))),
                "o_memory_requests": Out(stream.Signature(ADDRESS_BITS)).array(ports),
                "i_memory_words": In(stream.Signature(WORD_BITS)).array(ports),
            }
            | {name: In(1) for name in inputs}
            | {name: Out(1) for name in outputs}
            | (map_ports() if config.map_stations else {})
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config = self._config
        program = ProgramReader(config, keeps=config.compact)
        accelerator = Accelerator(config, encodings=self._encodings)
        m.submodules.program = ResetInserter(self.reset)(program)
        m.submodules.accelerator = ResetInserter(self.reset)(accelerator)
        wiring.connect(m, program.o_taps, accelerator.i_taps)
        if config.activation_tables:
            wiring.connect(m, program.o_table, accelerator.i_table)
        starved, moves, readers = self._readers(m, program, accelerator)
        if config.activation_tables:
            starved.append(accelerator.i_table.ready & ~accelerator.i_table.valid)
        wiring.connect(m, wiring.flipped(self.i_features), accelerator.i_features)
        wiring.connect(m, accelerator.o_features, wiring.flipped(self.o_features))
        if config.map_stations:
            wiring.connect(m, wiring.flipped(self.i_maps), accelerator.i_maps)
            wiring.connect(m, accelerator.o_maps, wiring.flipped(self.o_maps))
            m.d.comb += [self.maps_busy.eq(accelerator.maps_busy), self.maps_move.eq(accelerator.maps_move)]
            moves.append(accelerator.maps_move)
        # Between two requests what is left in a reader belongs to nobody.
        m.d.sync += self.quiet.eq(Cat(one.idle for one in readers).all())
        m.d.comb += [one.clear.eq(self.idle) for one in readers]

        offers = program.o_commands.valid
        if self._primes:
            primed = Signal()
            with m.If(self.commanded):
                m.d.sync += primed.eq(0)
            with m.Elif(program.o_commands.valid & Cat(one.primed for one in readers).all()):
                m.d.sync += primed.eq(1)
            offers = offers & primed

        # Commands: a CLEAR of our own in front, then the program's. Its report is for nobody.
        command, report = accelerator.i_commands, accelerator.o_reports
        m.d.comb += [
            program.i.payload.eq(self.i_program.payload),
            program.i.valid.eq(self.i_program.valid),
            self.i_program.ready.eq(program.i.ready),
            command.payload.eq(program.o_commands.payload),
            command.valid.eq(self.clear | (self.running & offers)),
            program.o_commands.ready.eq(self.running & command.ready & command.valid),
        ]
        with m.If(self.clear | self.rewind):
            m.d.comb += command.payload.op.eq(CommandOp.CLEAR)
            if config.map_stations:
                m.d.comb += [command.payload.external.eq(0), command.payload.waits.eq(0)]
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
            self.o_reports.valid.eq(self.running & report.valid),
            report.ready.eq(~self.running | self.o_reports.ready),
            self.commanded.eq(command.valid & command.ready),
            self.reported.eq(report.valid & report.ready),
            self.faulty.eq(report.payload.fault.kind != StreamErrorKind.NONE),
            self.ended.eq(program.done),
            program.reported.eq(self.reported),
            program.restart.eq(self.rewind),
        ]
        # What waits for the host is not stuck. Both are asked in this very cycle: an offer that has been made stays.
        moved = Signal(reset_less=True)
        moves.append(self.i_features.valid & self.i_features.ready)
        m.d.sync += moved.eq(Cat(*moves, self.commanded, self.reported).any())
        m.d.comb += self.moved.eq(moved | self.o_features.valid | self.o_reports.valid)
        return m

    def _readers(
        self, m: Module, program: ProgramReader, accelerator: Accelerator
    ) -> tuple[list[Signal], list[Signal], list[MemoryReader | RecordReader]]:
        """A reader of words and one of records per feeder: where a feeder starves, where words move, and the readers."""
        starved, moves = [], []
        readers: list[MemoryReader | RecordReader] = []
        for feeder in range(len(self._config.feeders)):
            words = MemoryReader(ahead=WORDS_AHEAD, address_bits=self._address_bits)
            records = RecordReader(self._config, ahead=RECORD_WORDS_AHEAD, address_bits=self._address_bits)
            m.submodules[f"words_{feeder}"] = ResetInserter(self.stop)(words)
            m.submodules[f"records_{feeder}"] = ResetInserter(self.stop)(records)
            readers += [words, records]
            moves += [part.o.valid & part.o.ready for part in (words, records)]
            for port, part in ((2 * feeder, words), (2 * feeder + 1, records)):
                wiring.connect(m, part.o_requests, wiring.flipped(self.o_memory_requests[port]))
                wiring.connect(m, wiring.flipped(self.i_memory_words[port]), part.i_words)
            wiring.connect(m, program.o_words[feeder], words.i_regions)
            wiring.connect(m, program.o_records[feeder], records.i_regions)
            wiring.connect(m, words.o, accelerator.i_words[feeder])
            wiring.connect(m, records.o, accelerator.i_records[feeder])
            starved.append(accelerator.i_words[feeder].ready & ~words.o.valid)
        return starved, moves, readers
