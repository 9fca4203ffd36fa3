"""Decides whether the image in the memory may run."""

from amaranth.hdl import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import crc, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import COMMAND_WORDS, HEADER_WORDS, MAGIC, VERSION, ImageStatus
from openwork_hw.decoder.payloads import WeightWord
from openwork_hw.image.memory_reader import ADDRESS_BITS, Region


class ImageChecker(wiring.Component):
    """Read a whole image once: its header, then all words for the check sum.

    Role
        Part of an `ImageRunner`: it answers CHECK.
    Function
        status = the first rule of `arch.image.check_image` that the words break, or GOOD. The status is also LENGTH if there are
        more words than `address_bits` can number.
    Ports
        start : in; high for one cycle: begin
        o_regions, i : the memory reader's regions and words
        done : out; high for one cycle, with `status`
        status : out, ImageStatus
        program, program_words : out; the program's region, kept until the next start
    Timing
        Four cycles per word.
    Cost
        One CRC-32 of one byte per cycle.
    Limits
        -
    """

    start: Value
    o_regions: stream.Interface
    i: stream.Interface
    done: Value
    status: Value
    program: Value
    program_words: Value

    def __init__(self, config: ArrayConfig, *, address_bits: int) -> None:
        self._config = config
        self._address_bits = address_bits
        super().__init__(
            {
                "start": In(1),
                "o_regions": Out(stream.Signature(Region)),
                "i": In(stream.Signature(WeightWord)),
                "done": Out(1),
                "status": Out(ImageStatus),
                "program": Out(ADDRESS_BITS),
                "program_words": Out(ADDRESS_BITS),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.sum = check = crc.Processor(crc.Parameters(catalog.CRC32_ISO_HDLC, data_width=8))
        total = Signal(self._address_bits, reset_less=True)
        turn = Signal(2)  # bytes of the word that the check sum has taken
        place = Signal(range(HEADER_WORDS), reset_less=True)
        status = Signal(ImageStatus)
        damaged = Signal(reset_less=True)
        byte, sums = Signal(8, reset_less=True), Signal()  # what the check sum takes next
        word = self.i.payload
        takes = Signal()
        # A word stays for four cycles, so what it is can be known a cycle before it goes.
        rules = (
            (0, word.data != MAGIC, ImageStatus.MAGIC),
            (1, word.data != VERSION, ImageStatus.VERSION),
            (2, word.data != self._config.fingerprint, ImageStatus.CONFIGURATION),
            (3, word.data < HEADER_WORDS + COMMAND_WORDS + 1, ImageStatus.LENGTH),
            (3, word.data >> self._address_bits != 0, ImageStatus.LENGTH),
            (4, word.data < HEADER_WORDS, ImageStatus.LENGTH),
            (4, word.data >= total, ImageStatus.LENGTH),
        )
        broken = Signal(len(rules), reset_less=True)
        behind = Signal(self._address_bits, reset_less=True)  # words left, but for the sum
        m.d.sync += [broken.eq(Cat(rule for _place, rule, _meaning in rules)), behind.eq(total - word.data - 1)]
        m.d.sync += [byte.eq(word.data.word_select(turn, 8)), sums.eq(0)]
        m.d.comb += [
            takes.eq(self.i.valid & (turn == 3)),
            check.data.eq(byte),
            check.valid.eq(sums),
            check.start.eq(self.start),
            self.status.eq(status),
        ]
        region = self.o_regions.payload
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [place.eq(0), turn.eq(0), status.eq(ImageStatus.GOOD)]
                with m.If(self.start):
                    m.next = "ASK_HEADER"

            with m.State("ASK_HEADER"):
                m.d.comb += [region.address.eq(0), region.words.eq(HEADER_WORDS), self.o_regions.valid.eq(1)]
                with m.If(self.o_regions.ready):
                    m.next = "HEADER"

            with m.State("HEADER"):
                m.d.comb += self.i.ready.eq(turn == 3)
                m.d.sync += [turn.eq(turn + self.i.valid), sums.eq(self.i.valid)]
                with m.If(takes):
                    m.d.sync += place.eq(place + 1)
                    for number, (index, _rule, meaning) in enumerate(rules):
                        with m.If((place == index) & broken[number] & (status == ImageStatus.GOOD)):
                            m.d.sync += status.eq(meaning)
                    with m.If(place == 3):
                        m.d.sync += total.eq(word.data)
                    with m.If(place == 4):
                        m.d.sync += [self.program.eq(word.data), self.program_words.eq(behind)]
                    with m.If(word.last):
                        m.next = "ASK_REST"

            with m.State("ASK_REST"):
                m.d.comb += [
                    region.address.eq(HEADER_WORDS),
                    region.words.eq(total - HEADER_WORDS),
                    self.o_regions.valid.eq(status == ImageStatus.GOOD),
                ]
                with m.If(status != ImageStatus.GOOD):
                    m.next = "DONE"
                with m.Elif(self.o_regions.ready):
                    m.next = "REST"

            with m.State("REST"):
                # The last word is the sum itself; when it goes, that of all before it has long been there.
                m.d.comb += self.i.ready.eq(turn == 3)
                m.d.sync += [turn.eq(turn + self.i.valid), sums.eq(self.i.valid & ~word.last)]
                m.d.sync += damaged.eq(word.data != check.crc)
                with m.If(takes & word.last):
                    m.next = "SUM"

            with m.State("SUM"):
                with m.If(damaged):
                    m.d.sync += status.eq(ImageStatus.DAMAGED)
                m.next = "DONE"

            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        return m
