"""A whole chip with an SDRAM beside it but for clock, reset and pins: a serial line, the array, a scratchpad, the controller."""

from amaranth.hdl import Elaboratable, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, ArrayConfig, bits_for
from openwork_hw.arch.encodings import chosen_encodings
from openwork_hw.arch.link import Identity
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.sdram import SdramConfig
from openwork_hw.external_runner import ExternalRunner
from openwork_hw.memory.payloads import SdramPins
from openwork_hw.memory.sdram_memory import SdramMemory
from openwork_hw.shells.board_link import BoardLink
from openwork_hw.shells.image_memory import ImageMemory
from openwork_hw.shells.memory import connect_external_memory, connect_memory, memory_readers
from openwork_hw.shells.uart import Uart, clocks_per_bit
from openwork_hw.stream.output_buffer import OutputBuffer


class SdramShell(wiring.Component):
    """Run external images out of an SDRAM for a host on a serial line.

    Role
        The chip of the boards that have an SDRAM: ULX3S, Colorlight i5.
    Function
        `BoardLink` carries out the requests of the host: WRITE and PEEK reach the words of the SDRAM. An ExternalRunner runs the
        external image that begins at word 0.
    Ports
        rx : in, 1, asynchronous; tx : out, 1
        sdram : out, SdramPins(chip)
    Timing
        One clock, of `clock_hz`, which is the SDRAM's, too.
    Cost
        Uart, BoardLink, ExternalRunner, ImageMemory, SdramMemory.
    Limits
        A PEEK during a run waits until no word of the image is on its way, and the run then takes longer than predicted.
    Verified by
        tests/system/test_sdram_board.py::test_digits_out_of_sdram
    """

    rx: Signal
    tx: Signal
    sdram: wiring.PureInterface

    def __init__(
        self,
        config: ArrayConfig,
        *,
        sdram: SdramConfig,
        baud: int,
        memory_words: int,
        encodings: tuple[Encoding, ...] | None = None,
        receive_bytes: int = 2048,
        result_bytes: int = 16384,
    ) -> None:
        """sdram: the chip and the clock of all; memory_words: of the scratchpad. The others as ByteShell's."""
        clock_hz = round(sdram.clock_hz)
        self._sdram = sdram
        self._clocks = clocks_per_bit(clock_hz, baud)
        self._scratchpad = ImageMemory(memory_words, memory_readers(config, peek=False), config.technology)
        self._identity = Identity(
            config,
            chosen_encodings(config, encodings),
            sdram.chip.bytes // (WORD_BITS // 8),
            receive_bytes,
            result_bytes,
            clock_hz,
            scratchpad_words=memory_words,
        )
        super().__init__(
            {"rx": In(1, init=1), "tx": Out(1, init=1), "sdram": Out(SdramPins(sdram.chip))},
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        identity = self._identity
        m.submodules.uart = uart = Uart(self._clocks)
        m.submodules.link = link = BoardLink(identity)
        m.submodules.runner = runner = ExternalRunner(
            identity.config,
            encodings=identity.encodings,
            scratchpad_words=identity.scratchpad_words,
            address_bits=bits_for(identity.memory_words + 1),
            burst_words=self._sdram.burst_words,
        )
        m.submodules.scratchpad = scratchpad = self._scratchpad
        m.submodules.memory = memory = SdramMemory(self._sdram)

        m.d.comb += [uart.rx.eq(self.rx), self.tx.eq(uart.tx)]
        wiring.connect(m, uart.o, link.i_bytes)
        wiring.connect(m, link.o_bytes, uart.i)
        wiring.connect(m, link.o_requests, runner.i_requests)
        wiring.connect(m, runner.o_features, link.i_features)
        wiring.connect(m, runner.o_reports, link.i_reports)
        wiring.connect(m, runner.o_answers, link.i_answers)
        m.d.comb += link.transfer.eq(runner.transfer)
        # Between the link's counters and the sequencer's, which would be one long path.
        m.submodules.features = features = OutputBuffer(signed(8))
        m.d.comb += [
            features.flush.eq(runner.memory_forget),
            runner.stop.eq(link.stop),
            memory.forget.eq(runner.memory_forget),
        ]
        wiring.connect(m, link.o_features, features.i)
        wiring.connect(m, features.o, runner.i_features)

        connect_memory(m, runner, scratchpad)
        wiring.connect(m, link.o_writes, memory.i_writes)
        wiring.connect(m, link.o_peeks, memory.i_peeks)
        wiring.connect(m, memory.o_peeked, link.i_peeked)
        connect_external_memory(m, runner, memory)
        wiring.connect(m, memory.pins, wiring.flipped(self.sdram))
        return m
