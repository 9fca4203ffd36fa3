"""A small design that tries out the SDRAM chip of a board."""

from amaranth.hdl import Elaboratable, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.sdram import SdramConfig
from openwork_hw.memory.payloads import SdramPins
from openwork_hw.memory.sdram_controller import SdramController
from openwork_hw.shells.uart import Uart, clocks_per_bit

GOOD, BAD = b".", b"x"

TAPS = 0xA3000000
"""Of the longest sequence that a shift register of 32 bits has: powers 32, 30, 26, 25 and 0."""


class SdramTester(wiring.Component):
    """Write all words of an SDRAM chip, read them back, and say on a serial line whether they are right, without end.

    Role
        The first design on a new board, in a shell's place: it shows at which phase of its clock the chip is good.
    Function
        Words are the low bits of a long pseudo-random sequence, so that each pass writes others. They are written and read in
        bursts over whole rows. After each pass one byte goes out: GOOD if every word since the last byte was right, else BAD.
    Ports
        rx : in, 1; not looked at
        tx : out, 1
        sdram : out, SdramPins(chip)
    Timing
        One clock, that of `config`. A pass over 32 MB takes a third of a second at 100 MHz.
    Cost
        SdramController, Uart, two shift registers of 32 bits, two counters of the chip's addresses.
    Limits
        A pass that is shorter than a byte on the line has no byte of its own.
    """

    rx: Signal
    tx: Signal
    sdram: wiring.PureInterface

    def __init__(self, config: SdramConfig, *, baud: int) -> None:
        self._config = config
        self._clocks = clocks_per_bit(config.clock_hz, baud)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "sdram": Out(SdramPins(config.chip))})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        chip = self._config.chip
        m.submodules.controller = controller = SdramController(self._config)
        m.submodules.uart = uart = Uart(self._clocks)
        wiring.connect(m, wiring.flipped(self.sdram), controller.pins)
        m.d.comb += [uart.rx.eq(self.rx), self.tx.eq(uart.tx)]

        # Every row is written, then every row is read.
        row = Signal(chip.bank_bits + chip.row_bits)
        reads = Signal()
        request = controller.i_requests
        m.d.comb += [
            request.valid.eq(1),
            request.payload.address.eq(row << chip.column_bits),
            request.payload.further.eq(chip.columns - 1),
            request.payload.write.eq(~reads),
        ]
        with m.If(request.ready):
            m.d.sync += row.eq(row + 1)
            with m.If(row.all()):
                m.d.sync += reads.eq(~reads)

        written, expected = Signal(32, init=1), Signal(32, init=1)
        words, read = controller.i_words, controller.o_words
        m.d.comb += [words.valid.eq(1), words.payload.eq(written), read.ready.eq(1)]
        for state, steps in ((written, words.ready), (expected, read.valid)):
            with m.If(steps):
                m.d.sync += state.eq((state >> 1) ^ Mux(state[0], TAPS, 0))

        # A word is compared in the cycle after it came.
        came, word, wanted = Signal(), Signal(chip.data_bits), Signal(chip.data_bits)
        left = Signal(chip.address_bits, init=-1)
        wrong, wrong_before, due, bad = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [came.eq(read.valid), word.eq(read.payload), wanted.eq(expected), wrong_before.eq(wrong)]
        m.d.comb += [
            wrong.eq(wrong_before | (came & (word != wanted))),
            uart.i.valid.eq(due),
            uart.i.payload.eq(Mux(bad, BAD[0], GOOD[0])),
        ]
        with m.If(uart.i.ready):
            m.d.sync += due.eq(0)
        with m.If(came):
            m.d.sync += left.eq(left - 1)
            with m.If((left == 0) & (uart.i.ready | ~due)):
                m.d.sync += [due.eq(1), bad.eq(wrong), wrong_before.eq(0)]
        return m
