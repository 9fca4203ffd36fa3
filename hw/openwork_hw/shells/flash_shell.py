"""A whole small chip but for clock, reset and pins: a serial line, the array, and a reader of the board's flash."""

from typing import Any

from amaranth.hdl import Elaboratable, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.encodings import chosen_encodings
from openwork_hw.arch.link import Identity
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.linear_runner import LinearRunner
from openwork_hw.shells.board_link import BoardLink
from openwork_hw.shells.flash_reader import FlashReader
from openwork_hw.shells.uart import Uart, clocks_per_bit


class FlashShell(wiring.Component):
    """Run the linear image of a flash memory for a host on a serial line.

    Role
        The chip of the boards iCEBreaker and UPduino.
    Function
        `BoardLink` carries out the requests of the host, and a LinearRunner runs the image. The host cannot write the memory over
        the link, but PEEK reads it.
    Ports
        rx : in, 1, asynchronous; tx : out, 1
        flash_cs_n, flash_clk, flash_data_0, flash_data_0_enable : out; flash_data : in, 2: as FlashReader's
    Timing
        One clock, of `clock_hz`, at most 30 MHz.
    Cost
        Uart, BoardLink, LinearRunner, FlashReader.
    Limits
        A PEEK waits until the array is idle. Reports of commands are not given.
    Verified by
        tests/system/test_flash_board.py::test_digits_out_of_flash
    """

    rx: Signal
    tx: Signal
    flash_cs_n: Signal
    flash_clk: Signal
    flash_data_0: Signal
    flash_data_0_enable: Signal
    flash_data: Signal

    def __init__(
        self,
        config: ArrayConfig,
        *,
        clock_hz: int,
        baud: int,
        memory_words: int,
        first_byte: int,
        encodings: tuple[Encoding, ...] | None = None,
        receive_bytes: int = 512,
        result_bytes: int = 512,
    ) -> None:
        """memory_words: the longest linear image, a power of two; first_byte: where it begins in the flash. The others as
        ByteShell's."""
        self._clocks = clocks_per_bit(clock_hz, baud)
        self._identity = Identity(
            config,
            chosen_encodings(config, encodings),
            memory_words,
            receive_bytes,
            result_bytes,
            clock_hz,
            writable=False,
            reports=False,
            linear=True,
        )
        self._flash = FlashReader(address_bits=bits_for(memory_words), first_byte=first_byte)
        pins: dict[str, Any] = {
            f"flash_{name}": self._flash.signature.members[name]
            for name in ("cs_n", "clk", "data_0", "data_0_enable", "data")
        }
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1)} | pins)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        identity = self._identity
        m.submodules.uart = uart = Uart(self._clocks)
        m.submodules.link = link = BoardLink(identity)
        runner = LinearRunner(identity.config, encodings=identity.encodings, memory_words=identity.memory_words)
        m.submodules.runner = ResetInserter(link.stop)(runner)
        m.submodules.flash = flash = ResetInserter(link.stop)(self._flash)

        m.d.comb += [uart.rx.eq(self.rx), self.tx.eq(uart.tx)]
        wiring.connect(m, uart.o, link.i_bytes)
        wiring.connect(m, link.o_bytes, uart.i)
        wiring.connect(m, link.o_requests, runner.i_requests)
        wiring.connect(m, link.o_features, runner.i_features)
        wiring.connect(m, runner.o_features, link.i_features)
        wiring.connect(m, runner.o_answers, link.i_answers)
        m.d.comb += [
            self.flash_cs_n.eq(flash.cs_n),
            self.flash_clk.eq(flash.clk),
            self.flash_data_0.eq(flash.data_0),
            self.flash_data_0_enable.eq(flash.data_0_enable),
            flash.data.eq(self.flash_data),
        ]

        # The flash is the runner's, but for a PEEK while it is idle: the link asks for nothing else before it has the word.
        peeks = Signal()
        asks, word = link.o_peeks, link.i_peeked
        m.d.comb += [
            flash.i_starts.valid.eq(runner.o_starts.valid | (asks.valid & runner.idle)),
            flash.i_starts.payload.eq(Mux(asks.valid, asks.payload, runner.o_starts.payload)),
            runner.o_starts.ready.eq(flash.i_starts.ready),
            asks.ready.eq(flash.i_starts.ready & runner.idle),
            runner.i_words.payload.eq(flash.o.payload),
            runner.i_words.valid.eq(flash.o.valid),
            runner.i_bits.eq(flash.o_bits),
            runner.i_bits_valid.eq(flash.o_bits_valid),
            word.payload.eq(flash.o.payload),
            word.valid.eq(flash.o.valid & peeks),
            flash.o.ready.eq(Mux(peeks, word.ready, runner.i_words.ready)),
        ]
        with m.If(asks.valid & asks.ready):
            m.d.sync += peeks.eq(1)
        with m.Elif((word.valid & word.ready) | link.stop):
            m.d.sync += peeks.eq(0)
        return m
