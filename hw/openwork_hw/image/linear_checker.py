"""Decides whether a linear image may run."""

from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.lib import crc, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, ArrayConfig
from openwork_hw.arch.image import COMMAND_WORDS, HEADER_WORDS, ImageStatus
from openwork_hw.arch.linear_image import MAGIC, VERSION


class LinearChecker(wiring.Component):
    """Read a whole linear image once, in order.

    Role
        Part of a `LinearRunner`: it answers CHECK.
    Function
        status = the first rule of `arch.linear_image.check_linear_words` that the words break, or GOOD. The status is also LENGTH
        if there are more than `most_words` words.
    Ports
        start : in; high for one cycle: begin
        i : in, stream of 32: the words from the first one on; taken until `done`
        i_bits : in, 2; i_bits_valid : in: the same words, two bits at a time, highest first, each before it is offered at `i`
        done : out; high for one cycle, with `status`
        status : out, ImageStatus
    Timing
        One word per cycle.
    Cost
        One CRC-32 of two bits per cycle, a counter of words.
    Limits
        -
    """

    start: Value
    i: stream.Interface
    i_bits: Value
    i_bits_valid: Value
    done: Value
    status: Value

    def __init__(self, config: ArrayConfig, *, most_words: int) -> None:
        self._config = config
        self._most_words = most_words
        super().__init__(
            {
                "start": In(1),
                "i": In(stream.Signature(WORD_BITS)),
                "i_bits": In(2),
                "i_bits_valid": In(1),
                "done": Out(1),
                "status": Out(ImageStatus),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.sum = check = crc.Processor(crc.Parameters(catalog.CRC32_BZIP2, data_width=2))
        left = Signal(range(self._most_words + 1), reset_less=True)  # words to come, once the header has said how many
        place = Signal(range(HEADER_WORDS), reset_less=True)
        status = Signal(ImageStatus)
        word = self.i.payload
        m.d.comb += [
            check.start.eq(self.start),
            check.data.eq(self.i_bits),
            check.valid.eq(self.i_bits_valid),
            self.status.eq(status),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [place.eq(0), status.eq(ImageStatus.GOOD)]
                with m.If(self.start):
                    m.next = "HEADER"

            with m.State("HEADER"):
                m.d.comb += self.i.ready.eq(1)
                least = HEADER_WORDS + COMMAND_WORDS + 1
                with m.If(self.i.valid):
                    m.d.sync += [place.eq(place + 1), left.eq(word - 4)]
                    rules = (
                        (word != MAGIC, ImageStatus.MAGIC),
                        (word != VERSION, ImageStatus.VERSION),
                        (word != self._config.fingerprint, ImageStatus.CONFIGURATION),
                        ((word < least) | (word > self._most_words), ImageStatus.LENGTH),
                    )
                    for number, (broken, meaning) in enumerate(rules):
                        with m.If((place == number) & broken):
                            m.d.sync += status.eq(meaning)
                            m.next = "DONE"
                    with m.If((place == len(rules) - 1) & ~rules[-1][0]):
                        m.next = "REST"

            # With the check sum itself a sound image's sum is what it always is.
            with m.State("REST"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(self.i.valid):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        with m.If(~check.match_detected):
                            m.d.sync += status.eq(ImageStatus.DAMAGED)
                        m.next = "DONE"

            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        return m
