"""Fetches an external image into the scratchpad, transfer by transfer."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import crc, data, fifo, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS, ArrayConfig, bits_for
from openwork_hw.arch.external_image import HEADER_WORDS, MAGIC, VERSION
from openwork_hw.arch.image import ImageStatus
from openwork_hw.arch.transfers import MOST_PIECES, PIECES_AHEAD, TRANSFER_FIELDS, TransferKind
from openwork_hw.image.memory_reader import ADDRESS_BITS, Region
from openwork_hw.memory.map_port import Piece
from openwork_hw.shells.memory import WordWrite
from openwork_hw.stream.output_buffer import OutputBuffer

FIELDS = data.StructLayout(dict(TRANSFER_FIELDS))
"""The words in front of what a transfer carries."""

TRANSFER_BITS = 24
"""Of the number of a transfer."""


class Fetcher(wiring.Component):
    """Follow an external image: check every sum, put words into the scratchpad, and announce the program's words.

    Role
        Part of an `ExternalRunner`, where it takes the place of an `ImageChecker`.
    Function
        `start` reads the external image (`arch.external_image`) from its first word on. With `dry`, it only checks. Without, it
        carries the transfers out, too: a transfer waits until `after` commands have been reported, its words are written to the
        scratchpad, and a PROGRAM transfer is announced at o_regions when its check sum has been found right; the pieces of a
        MAPS transfer come at o_pieces then.
        It ends after the END transfer, or with the first rule that is broken: MAGIC, VERSION, CONFIGURATION; LENGTH if the image is
        made for a larger scratchpad, or has more or fewer words than its header says; DAMAGED if a check sum is wrong, or a
        transfer carries nothing. Damaged words may be in the scratchpad then, but no command that comes after them is announced.
    Ports
        start : in; high for one cycle: begin; dry : in, with it
        o_starts : out, stream of word addresses: from now on, `i` gives the words from this address on
        i : in, stream of 32
        o_writes : out, stream of WordWrite, to the scratchpad, which takes a word per cycle
        o_regions : out, stream of Region; o_pieces : out, stream of Piece
        reported : in; high for one cycle: the report of a command is taken
        done : out; high for one cycle, with `status`
        status : out, ImageStatus
        transfer : out, TRANSFER_BITS; number of the transfer at hand, or of the last one
    Timing
        One word per cycle. `arch.external_image.FetchSchedule` gives the cycle of every word and of every announcement.
    Cost
        A CRC-32 of a word per cycle, counters. `o_regions` wants a queue behind it, so that later transfers need not wait.
    Limits
        The image has fewer than 2 ** address_bits words. Addresses beyond the scratchpad wrap around.
    Verified by
        tests/openwork_hw/image/test_fetcher.py::test_every_write_and_every_announcement_is_right
    """

    start: Value
    dry: Value
    o_starts: stream.Interface
    i: stream.Interface
    o_writes: stream.Interface
    o_regions: stream.Interface
    o_pieces: stream.Interface
    reported: Value
    done: Value
    status: Value
    transfer: Value

    def __init__(self, config: ArrayConfig, *, scratchpad_words: int, address_bits: int) -> None:
        """`address_bits`: enough to count the words of the external memory."""
        self._config = config
        self._scratchpad_words = scratchpad_words
        self._address_bits = address_bits
        super().__init__(
            {
                "start": In(1),
                "dry": In(1),
                "o_starts": Out(stream.Signature(ADDRESS_BITS)),
                "i": In(stream.Signature(WORD_BITS)),
                "o_writes": Out(stream.Signature(WordWrite)),
                "o_regions": Out(stream.Signature(Region)),
                "o_pieces": Out(stream.Signature(Piece)),
                "reported": In(1),
                "done": Out(1),
                "status": Out(ImageStatus),
                "transfer": Out(TRANSFER_BITS),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.sum = check = crc.Processor(crc.Parameters(catalog.CRC32_ISO_HDLC, data_width=WORD_BITS))
        status, dry = Signal(ImageStatus), Signal(reset_less=True)
        transfer = Signal(TRANSFER_BITS, reset_less=True)  # is still there when the run has been ended
        word, takes = self.i.payload, Signal()
        wrong = Signal(reset_less=True)  # whether a sum is, in the cycle after it was taken
        left, none_left = Signal(self._address_bits, reset_less=True), Signal()  # words of the image
        m.d.comb += [
            takes.eq(self.i.valid & self.i.ready),
            check.data.eq(word),
            check.valid.eq(takes),
            self.status.eq(status),
            self.transfer.eq(transfer),
            self.o_starts.payload.eq(0),
            none_left.eq(left == 0),
        ]
        with m.If(takes):
            m.d.sync += [left.eq(left - 1), wrong.eq(word != check.crc)]

        # The transfer at hand.
        fields, count = Signal(FIELDS, reset_less=True), Signal(FIELDS["count"].shape, reset_less=True)
        reports, may_begin = Signal(FIELDS["after"].shape, reset_less=True), Signal(reset_less=True)
        m.d.sync += [reports.eq(reports + self.reported), may_begin.eq(dry | (reports >= fields.after))]
        empty = Signal(reset_less=True)
        m.d.sync += empty.eq((fields.kind == 0) | (fields.count == 0))

        # Words go to the scratchpad from a register.
        carries, written, write = Signal(), Signal(), Signal(WordWrite, reset_less=True)
        address = Signal(bits_for(self._scratchpad_words), reset_less=True)
        m.d.sync += [written.eq(carries), write.address.eq(address), write.word.eq(word), address.eq(address + carries)]
        m.d.comb += [self.o_writes.valid.eq(written), self.o_writes.payload.eq(write)]
        m.d.comb += [
            self.o_regions.payload.address.eq(fields.address),
            self.o_regions.payload.words.eq(fields.count),
        ]

        # Pieces of maps wait until their check sum has been found right.
        pieces = fifo.SyncFIFOBuffered(width=Piece.size, depth=PIECES_AHEAD)
        m.submodules.pieces = ResetInserter(self.o_starts.valid)(pieces)
        first_half, second, releases = Signal(WORD_BITS, reset_less=True), Signal(), Signal()
        waiting, released = Signal(range(PIECES_AHEAD + 1)), Signal(range(PIECES_AHEAD + 1))
        # They come out of a block memory, and their consumer decides late.
        m.submodules.came = came = OutputBuffer(Piece)
        wiring.connect(m, came.o, wiring.flipped(self.o_pieces))
        goes = came.i.valid & came.i.ready
        m.d.comb += [
            pieces.w_data.eq(Cat(first_half, word)),
            came.i.payload.eq(pieces.r_data),
            came.i.valid.eq(pieces.r_rdy & (released != 0) & ~self.o_starts.valid),
            came.flush.eq(self.o_starts.valid),
            pieces.r_en.eq(goes),
        ]
        m.d.sync += [
            waiting.eq(Mux(releases, 0, waiting) + pieces.w_en),
            released.eq(released + Mux(releases, waiting, 0) - goes),
        ]
        with m.If(self.o_starts.valid):  # what is left of another image belongs to nobody
            m.d.sync += [waiting.eq(0), released.eq(0)]

        def end_early(m: Module) -> None:
            """In a state that takes words of a transfer: one more than the header says is one too many."""
            with m.If(takes & none_left):
                m.d.sync += status.eq(ImageStatus.LENGTH)
                m.next = "DONE"

        place = Signal(range(HEADER_WORDS))
        rules = (
            (0, word != MAGIC, ImageStatus.MAGIC),
            (1, word != VERSION, ImageStatus.VERSION),
            (2, word != self._config.fingerprint, ImageStatus.CONFIGURATION),
            (3, word >> self._address_bits != 0, ImageStatus.LENGTH),
            (4, word > self._scratchpad_words, ImageStatus.LENGTH),
        )
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.d.sync += [dry.eq(self.dry), status.eq(ImageStatus.GOOD), transfer.eq(0), reports.eq(0)]
                    m.next = "ASK"

            with m.State("ASK"):
                m.d.comb += [self.o_starts.valid.eq(1), check.start.eq(1)]
                m.d.sync += place.eq(0)
                with m.If(self.o_starts.ready):
                    m.next = "HEADER"

            with m.State("HEADER"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(takes):
                    m.d.sync += place.eq(place + 1)
                    for index, broken, meaning in rules:
                        with m.If((place == index) & broken & (status == ImageStatus.GOOD)):
                            m.d.sync += status.eq(meaning)
                    with m.If(place == 3):
                        m.d.sync += left.eq(word - 4)
                    with m.If(place == HEADER_WORDS - 1):
                        m.next = "JUDGE_HEADER"

            with m.State("JUDGE_HEADER"):
                m.next = "NEXT"
                with m.If(status != ImageStatus.GOOD):
                    m.next = "DONE"
                with m.Elif(wrong):
                    m.d.sync += status.eq(ImageStatus.DAMAGED)
                    m.next = "DONE"

            with m.State("NEXT"):
                m.d.comb += check.start.eq(1)
                m.next = "FIELDS_LOW"

            for state, then, half in (("FIELDS_LOW", "FIELDS_HIGH", 0), ("FIELDS_HIGH", "SETTLE", 1)):
                with m.State(state):
                    m.d.comb += self.i.ready.eq(1)
                    with m.If(takes):
                        m.d.sync += Value.cast(fields).word_select(half, WORD_BITS).eq(word)
                        m.next = then
                    end_early(m)

            # What depends on the fields is known a cycle later.
            with m.State("SETTLE"):
                m.d.sync += [address.eq(fields.address), count.eq(fields.count), second.eq(0)]
                m.next = "BEGIN"

            with m.State("BEGIN"):
                with m.If(empty):
                    m.d.sync += status.eq(ImageStatus.DAMAGED)
                    m.next = "DONE"
                with m.Elif(
                    may_begin
                    & ((fields.kind != TransferKind.MAPS) | dry | (pieces.level <= PIECES_AHEAD - MOST_PIECES))
                ):
                    m.next = "CONTENT"

            with m.State("CONTENT"):
                m.d.comb += [
                    self.i.ready.eq(1),
                    carries.eq(takes & ~dry & (fields.kind != TransferKind.END) & (fields.kind != TransferKind.MAPS)),
                    pieces.w_en.eq(takes & ~dry & (fields.kind == TransferKind.MAPS) & second),
                ]
                m.d.sync += second.eq(second ^ takes)
                with m.If(takes):
                    m.d.sync += first_half.eq(word)
                with m.If(takes):
                    m.d.sync += count.eq(count - 1)
                    with m.If(count == 1):
                        m.next = "SUM"
                end_early(m)

            with m.State("SUM"):
                m.d.comb += self.i.ready.eq(1)
                with m.If(takes):
                    m.next = "JUDGE"
                end_early(m)

            with m.State("JUDGE"):
                m.d.comb += [
                    self.o_regions.valid.eq((fields.kind == TransferKind.PROGRAM) & ~wrong & ~dry),
                    releases.eq((fields.kind == TransferKind.MAPS) & ~wrong & ~dry),
                ]
                with m.If(wrong):
                    m.d.sync += status.eq(ImageStatus.DAMAGED)
                    m.next = "DONE"
                with m.Elif(fields.kind == TransferKind.END):
                    with m.If(~none_left):
                        m.d.sync += status.eq(ImageStatus.LENGTH)
                    m.next = "DONE"
                with m.Elif(~self.o_regions.valid | self.o_regions.ready):
                    m.d.sync += transfer.eq(transfer + 1)
                    m.next = "NEXT"

            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"

        return m
