"""Reads words from a serial flash memory."""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, ConfigError

WAKE = 0xAB
"""Release from power-down: an iCE40 sends the flash to sleep when it has read its configuration."""

READ_DUAL = 0x3B
"""Fast read, dual output: the address on one pin, then eight cycles' rest, then two bits a cycle."""

COMMAND_BITS = 8
ADDRESS_BITS = 24
DUMMY_BITS = 8

REST_CYCLES = 1024
"""From the wake to the first read. Flash memories ask for 3 to 30 us; with a clock of up to 30 MHz this is enough."""

GAP_CYCLES = 8
"""With the flash not selected, between two reads. They ask for 50 to 100 ns."""


class FlashReader(wiring.Component):
    """Read words from a start address on, one after the other.

    Role
        Part of a `FlashShell`: the image memory of a board with little memory on the chip.
    Function
        After each start, it offers the words from that address on, the first byte of a word highest, without end. While the next
        start is offered, it offers no more words.
    Ports
        i_starts : in, stream of word addresses, from `first_byte` of the flash on
        o : out, stream of 32
        o_bits : out, 2; o_bits_valid : out: the bits of a word as they come, all of them before it is offered
        cs_n, clk : out; data_0, data_0_enable : out, data : in, 2, IO1 highest: the flash's pins. All outputs are registers, and
            `data` goes to one
    Timing
        A cycle of the flash's clock takes two cycles, and a word 33 or more. While a word waits to be taken, the flash's clock
        stands still. A start is taken when the flash is ready for it. Its first word comes some 130 cycles later.
    Cost
        Two shift registers.
    Limits
        The flash knows READ_DUAL, and its clock may run at half of ours.
    """

    i_starts: stream.Interface
    o: stream.Interface
    o_bits: Signal
    o_bits_valid: Signal
    cs_n: Signal
    clk: Signal
    data_0: Signal
    data_0_enable: Signal
    data: Signal

    def __init__(self, *, address_bits: int, first_byte: int) -> None:
        """`first_byte`: a multiple of what the addresses reach, so that the two need no adder."""
        if first_byte % (4 << address_bits) or first_byte + (4 << address_bits) > 1 << ADDRESS_BITS:
            raise ConfigError(
                f"words of {address_bits} address bits do not lie at byte {first_byte:#x} of a flash: it must be a multiple of "
                f"{4 << address_bits:#x} below {1 << ADDRESS_BITS:#x}"
            )
        self._address_bits = address_bits
        self._first_byte = first_byte
        super().__init__(
            {
                "i_starts": In(stream.Signature(address_bits)),
                "o": Out(stream.Signature(WORD_BITS)),
                "o_bits": Out(2),
                "o_bits_valid": Out(1),
                "cs_n": Out(1, init=1),
                "clk": Out(1),
                "data_0": Out(1),
                "data_0_enable": Out(1),
                "data": In(2),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        cs_n, clk, data_0_enable = Signal(init=1), Signal(), Signal()
        said = Signal(COMMAND_BITS + ADDRESS_BITS, reset_less=True)
        word = Signal(WORD_BITS, reset_less=True)
        heard = Signal(2, reset_less=True)
        left = Signal(range(REST_CYCLES + 1), init=COMMAND_BITS)
        waking = Signal(init=1)
        m.d.comb += [
            self.cs_n.eq(cs_n),
            self.clk.eq(clk),
            self.data_0.eq(said[-1]),
            self.data_0_enable.eq(data_0_enable),
            self.o.payload.eq(word),
            self.o_bits.eq(heard),
        ]
        m.d.sync += heard.eq(self.data)
        start = self.i_starts
        with m.FSM():
            with m.State("WAKE"):
                m.d.sync += [said.eq(WAKE << ADDRESS_BITS), left.eq(COMMAND_BITS), cs_n.eq(0), data_0_enable.eq(1)]
                m.next = "SAY"

            # Each bit is on the pin for two cycles, and the clock rises between them.
            with m.State("SAY"):
                m.d.sync += clk.eq(~clk)
                with m.If(clk):
                    m.d.sync += [said.eq(said << 1), left.eq(left - 1)]
                    with m.If(left == DUMMY_BITS + 1):
                        m.d.sync += data_0_enable.eq(waking)
                    with m.If(left == 1):
                        m.d.sync += [left.eq(WORD_BITS // 2), cs_n.eq(waking)]
                        m.next = "HEAR"
                        with m.If(waking):
                            m.d.sync += [left.eq(REST_CYCLES), waking.eq(0)]
                            m.next = "REST"

            with m.State("REST"):
                m.d.sync += [left.eq(left - 1), data_0_enable.eq(0)]
                with m.If(left == 1):
                    m.next = "WAIT"

            with m.State("WAIT"):
                m.d.comb += start.ready.eq(1)
                address = Cat(
                    Const(0, 2), start.payload, Const(self._first_byte >> self._address_bits + 2, ADDRESS_BITS)
                )
                m.d.sync += [
                    said.eq(Cat(address[:ADDRESS_BITS], Const(READ_DUAL, COMMAND_BITS))),
                    left.eq(COMMAND_BITS + ADDRESS_BITS + DUMMY_BITS),
                ]
                with m.If(start.valid):
                    m.d.sync += [cs_n.eq(0), data_0_enable.eq(1)]
                    m.next = "SAY"

            # While the clock is low the flash has its bits on the pins; they are in `heard` when it is high.
            with m.State("HEAR"):
                m.d.sync += clk.eq(~clk)
                with m.If(clk):
                    m.d.comb += self.o_bits_valid.eq(~start.valid)
                    m.d.sync += [word.eq(word << 2 | heard), left.eq(left - 1)]
                    with m.If(left == 1):
                        m.d.sync += left.eq(WORD_BITS // 2)
                        m.next = "OFFER"
                with m.If(start.valid):
                    m.d.sync += left.eq(GAP_CYCLES)
                    m.next = "GAP"

            with m.State("OFFER"):
                m.d.comb += self.o.valid.eq(~start.valid)
                with m.If(self.o.ready):
                    m.next = "HEAR"
                with m.If(start.valid):
                    m.d.sync += left.eq(GAP_CYCLES)
                    m.next = "GAP"

            with m.State("GAP"):
                m.d.sync += [left.eq(left - 1), clk.eq(0), cs_n.eq(1), data_0_enable.eq(0)]
                with m.If(left == 1):
                    m.next = "WAIT"
        return m
