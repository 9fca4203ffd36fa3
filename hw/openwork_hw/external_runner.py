"""The top for boards with an external memory: it fetches an image into its scratchpad and runs it by itself. Wiring only."""

from amaranth.hdl import Elaboratable, Module, ResetInserter, Signal, signed
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, ArrayConfig, bits_for
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.transfers import PROGRAMS_AHEAD
from openwork_hw.image.fetcher import TRANSFER_BITS, Fetcher
from openwork_hw.image.memory_reader import ADDRESS_BITS, MemoryReader, Region
from openwork_hw.image.run_control import WATCHDOG_BITS, Answer, CommandReport, Request, RunControl
from openwork_hw.image_runner import connect_control
from openwork_hw.memory.map_port import MapPort
from openwork_hw.memory.payloads import WordBurst
from openwork_hw.program_runner import WORDS_AHEAD, ProgramRunner
from openwork_hw.shells.memory import WordWrite
from openwork_hw.stream.output_buffer import OutputBuffer
from openwork_hw.stream.short_queue import ShortQueue


class ExternalRunner(wiring.Component):
    """Check and run the external image in a memory that gives one word after the other.

    Role
        The array that runs a whole network by itself on a board whose image memory is smaller than the image. `SdramShell` connects
        it to a host and to an SDRAM.
    Function
        As ImageRunner, with `arch.external_image`; the image memory is a scratchpad that a `Fetcher` fills. A check sum that turns
        out wrong during a run ends the run with DAMAGED. With every answer, `transfer` is the number of the latest transfer.
    Ports
        i_requests, o_answers, o_reports, i_features, o_features, o_memory_requests, i_memory_words, stop : as ImageRunner's; the
            memory is the scratchpad
        transfer : out, TRANSFER_BITS
        o_memory_writes : out, stream of WordWrite: to the scratchpad, which takes a word per cycle
        memory_forget : out; the scratchpad drops its requests
        o_map_requests, i_map_words, o_map_words, map_idle : a MapPort's o_requests, i_words, o_words, idle
        map_drop : out; words that were given for a map without a request are dropped
        o_starts : out, stream of word addresses; i_words : in, stream of 32: from a start on, the words of the external memory
    Timing
        Each command takes as many cycles as with an ImageRunner. `arch.fetching` gives the cycles of a whole run.
    Cost
        ProgramRunner, Fetcher, a reader, a queue of PROGRAMS_AHEAD regions; with map stations, a MapPort.
    Limits
        As the accelerator's.
    Verified by
        tests/system/test_sdram_board.py::test_a_network_that_is_larger_than_the_scratchpad
    """

    i_requests: stream.Interface
    o_answers: stream.Interface
    transfer: Signal
    o_reports: stream.Interface
    i_features: stream.Interface
    o_features: stream.Interface
    o_memory_requests: list[stream.Interface]
    i_memory_words: list[stream.Interface]
    o_memory_writes: stream.Interface
    memory_forget: Signal
    o_map_requests: stream.Interface
    i_map_words: stream.Interface
    o_map_words: stream.Interface
    map_idle: Signal
    map_drop: Signal
    o_starts: stream.Interface
    i_words: stream.Interface
    stop: Signal

    def __init__(
        self,
        config: ArrayConfig,
        *,
        encodings: tuple[Encoding, ...] | None = None,
        scratchpad_words: int,
        address_bits: int,
        burst_words: int,
        watchdog_bits: int = WATCHDOG_BITS,
    ) -> None:
        """address_bits: enough to count the words of the external memory; burst_words: of its longest burst.
        watchdog_bits: as ImageRunner's."""
        self._config = config
        self._encodings = encodings
        self._scratchpad_words = scratchpad_words
        self._address_bits = address_bits
        self._burst_words = burst_words
        self._watchdog_bits = watchdog_bits
        ports = 1 + 2 * len(config.feeders)
        super().__init__(
            {
                "i_requests": In(stream.Signature(Request)),
                "o_answers": Out(stream.Signature(Answer)),
                "transfer": Out(TRANSFER_BITS),
                "o_reports": Out(stream.Signature(CommandReport(config))),
                "i_features": In(stream.Signature(signed(8))),
                "o_features": Out(stream.Signature(signed(8))),
                "o_memory_requests": Out(stream.Signature(ADDRESS_BITS)).array(ports),
                "i_memory_words": In(stream.Signature(WORD_BITS)).array(ports),
                "o_memory_writes": Out(stream.Signature(WordWrite)),
                "memory_forget": Out(1),
                "o_map_requests": Out(stream.Signature(WordBurst(ADDRESS_BITS, burst_words))),
                "i_map_words": In(stream.Signature(WORD_BITS)),
                "o_map_words": Out(stream.Signature(WORD_BITS)),
                "map_idle": In(1),
                "map_drop": Out(1),
                "o_starts": Out(stream.Signature(ADDRESS_BITS)),
                "i_words": In(stream.Signature(WORD_BITS)),
                "stop": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        config, bits = self._config, bits_for(self._scratchpad_words + 1)
        stops, resets = (Signal(name=name, reset_less=True, attrs={"keep": 1}) for name in ("stops", "resets"))
        control = RunControl(watchdog_bits=self._watchdog_bits)
        fetcher = Fetcher(config, scratchpad_words=self._scratchpad_words, address_bits=self._address_bits)
        # Announced parts of the program, so that what comes after them can be fetched before they are read.
        program = fifo.SyncFIFOBuffered(width=2 * bits, depth=PROGRAMS_AHEAD)
        reader = MemoryReader(ahead=WORDS_AHEAD, address_bits=bits)
        m.submodules.control = ResetInserter(stops)(control)
        m.submodules.fetcher = ResetInserter(resets)(fetcher)
        m.submodules.program = ResetInserter(resets)(program)
        m.submodules.reader = ResetInserter(stops)(reader)
        m.submodules.runner = runner = ProgramRunner(config, encodings=self._encodings, address_bits=bits, primes=True)
        m.d.sync += [stops.eq(self.stop), resets.eq(self.stop | control.abort)]
        m.d.comb += [runner.stop.eq(stops), runner.reset.eq(resets)]
        wiring.connect(m, wiring.flipped(self.i_requests), control.i_requests)
        wiring.connect(m, control.o_answers, wiring.flipped(self.o_answers))
        wiring.connect(m, runner.o_reports, wiring.flipped(self.o_reports))
        wiring.connect(m, wiring.flipped(self.i_features), runner.i_features)
        wiring.connect(m, runner.o_features, wiring.flipped(self.o_features))
        if config.map_stations:
            self._move_maps(m, fetcher, runner, resets)
        wiring.connect(m, fetcher.o_starts, wiring.flipped(self.o_starts))
        # Words come out of a block memory, and a check sum is compared with them.
        m.submodules.words = words = ShortQueue(WORD_BITS)
        wiring.connect(m, words.o, fetcher.i)
        m.d.comb += [
            words.flush.eq(resets | fetcher.o_starts.valid),
            words.i.payload.eq(self.i_words.payload),
            words.i.valid.eq(self.i_words.valid & ~words.flush),
            self.i_words.ready.eq(words.i.ready & ~words.flush),
        ]
        wiring.connect(m, fetcher.o_writes, wiring.flipped(self.o_memory_writes))
        asks, takes = [reader.o_requests, *runner.o_memory_requests], [reader.i_words, *runner.i_memory_words]
        for port, (ask, take) in enumerate(zip(asks, takes, strict=True)):
            wiring.connect(m, ask, wiring.flipped(self.o_memory_requests[port]))
            wiring.connect(m, wiring.flipped(self.i_memory_words[port]), take)

        named = data.StructLayout({"address": bits, "words": bits})
        region: data.View[Region] = fetcher.o_regions.payload
        told = data.View(named, program.r_data)
        m.d.comb += [
            data.View(named, program.w_data).address.eq(region.address),
            data.View(named, program.w_data).words.eq(region.words),
            program.w_en.eq(fetcher.o_regions.valid),
            fetcher.o_regions.ready.eq(program.w_rdy),
            reader.i_regions.payload.address.eq(told.address),
            reader.i_regions.payload.words.eq(told.words),
            reader.i_regions.valid.eq(program.r_rdy),
            program.r_en.eq(reader.i_regions.ready),
        ]

        # A run ends when the whole image has been read, too, so that its last sum has been looked at.
        fetched, quiet, moved, running = (
            Signal(),
            *(Signal(reset_less=True, name=n) for n in ("quiet", "moved", "running")),
        )
        with m.If(fetcher.start):
            m.d.sync += fetched.eq(0)
        with m.Elif(fetcher.done):
            m.d.sync += fetched.eq(1)
        m.d.sync += [
            quiet.eq(reader.idle),
            running.eq(control.running),
            moved.eq((self.i_words.valid & self.i_words.ready) | (reader.o.valid & reader.o.ready)),
        ]
        connect_control(m, control, runner)
        # What is left of a run that was ended is no program.
        m.d.comb += [
            runner.i_program.payload.eq(reader.o.payload),
            runner.i_program.valid.eq(running & reader.o.valid),
            reader.o.ready.eq(running & runner.i_program.ready),
        ]
        m.d.comb += [
            fetcher.start.eq(control.check | control.start),
            fetcher.dry.eq(control.check),
            fetcher.reported.eq(control.running & runner.reported),
            control.started.eq(1),
            control.checked.eq(fetcher.done),
            control.found.eq(fetcher.status),
            control.failed.eq(fetcher.done & (fetcher.status != ImageStatus.GOOD)),
            control.ended.eq(runner.ended & fetched & (~runner.maps_busy if config.map_stations else 1)),
            control.quiet.eq(quiet & runner.quiet),
            reader.clear.eq(control.idle),
            control.moved.eq(moved | runner.moved),
            self.transfer.eq(fetcher.transfer),
            self.memory_forget.eq(stops),
        ]
        return m

    def _move_maps(self, m: Module, fetcher: Fetcher, runner: ProgramRunner, resets: Signal) -> None:
        """Pieces of maps between the external memory and the array.

        What is left of a run belongs to nobody. It is dropped until the next image is begun: then the memory has no word of it any
        more.
        """
        drops = Signal(reset_less=True)
        m.d.sync += drops.eq(resets | fetcher.o_starts.valid)
        m.submodules.maps = maps = ResetInserter(drops)(MapPort(self._burst_words))
        for name, outer in (("o_requests", "o_map_requests"), ("o_words", "o_map_words")):
            wiring.connect(m, getattr(maps, name), wiring.flipped(getattr(self, outer)))
        wiring.connect(m, wiring.flipped(self.i_map_words), maps.i_words)
        wiring.connect(m, fetcher.o_pieces, maps.i_pieces)
        wiring.connect(m, runner.o_maps, maps.i)
        m.d.comb += [maps.idle.eq(self.map_idle), self.map_drop.eq(drops)]
        # Bytes of maps come out of a block memory, and go on to the array.
        m.submodules.loaded = given = OutputBuffer(signed(8))
        wiring.connect(m, given.o, runner.i_maps)
        m.d.comb += [
            given.flush.eq(drops),
            given.i.payload.eq(maps.o.payload),
            given.i.valid.eq(maps.o.valid & ~drops),
            maps.o.ready.eq(given.i.ready & ~drops),
        ]
