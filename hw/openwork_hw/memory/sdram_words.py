"""Serves 32-bit words of an SDRAM chip: a long sequence in order, and single words."""

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, ResetInserter, Signal
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.sdram import MAP_WRITE_WORDS, QUEUE_WORDS, SdramConfig
from openwork_hw.image.memory_reader import ADDRESS_BITS
from openwork_hw.memory.payloads import SdramAddress, SdramRequest, WordBurst
from openwork_hw.shells.memory import WordWrite


class SdramWords(wiring.Component):
    """Ask an SDRAM controller for words in bursts ahead of time, and carry out single writes and reads in between.

    Role
        Between an `SdramController` and what a board keeps in its SDRAM: an `ExternalRunner` reads its image in order, a `MapPort`
        reads and writes maps, and the host writes and reads single words.
    Function
        After each start, it offers the words from that address on, without end. While the next start is offered, it offers no more
        words. A start is taken when all words that were asked for have come, all writes are done, and the chip can be refreshed at
        once, so that the same words then come in the same cycles. The lowest bits of a word lie first in the chip.
    Ports
        i_starts : in, stream of word addresses
        o : out, stream of 32
        i_writes : in, stream of WordWrite; a write is carried out before every later start and peek
        i_peeks : in, stream of word addresses; o_peeked : out, stream of words: whoever asked takes the word at once
        i_map_requests : in, stream of WordBurst, none over a multiple of the burst's length; o_map_words : out, stream of words:
            whoever asks has room; i_map_words : in, stream of words: to be written, all of a burst's before its request
        map_idle : out; no burst of a map is under way
        map_drop : in; words that wait to be written to a map without a request are dropped
        forget : in, 1; while it is high, a peek loses its word
        o_requests, o_data, i_data, restart, idle : the SdramController's i_requests, i_words, o_words, restart, idle
    Timing
        `arch.sdram.WordSchedule` gives the cycle of every word, if nothing comes in between. A write or a peek is a burst of its
        own; a peek or a burst of a map waits until no word is on its way.
    Cost
        A queue of QUEUE_WORDS words, one of MAP_WRITE_WORDS words, a register of a request, one of a write.
    Limits
        Addresses beyond the chip wrap around.
    Verified by
        tests/openwork_hw/memory/test_sdram_words.py::test_words_come_in_the_cycles_predicted
    """

    i_starts: stream.Interface
    o: stream.Interface
    i_writes: stream.Interface
    i_peeks: stream.Interface
    o_peeked: stream.Interface
    i_map_requests: stream.Interface
    o_map_words: stream.Interface
    i_map_words: stream.Interface
    map_idle: Signal
    map_drop: Signal
    forget: Signal
    o_requests: stream.Interface
    o_data: stream.Interface
    i_data: stream.Interface
    restart: Signal
    idle: Signal

    def __init__(self, config: SdramConfig) -> None:
        self._config = config
        chip = config.chip
        super().__init__(
            {
                "i_starts": In(stream.Signature(ADDRESS_BITS)),
                "o": Out(stream.Signature(WORD_BITS)),
                "i_writes": In(stream.Signature(WordWrite)),
                "i_peeks": In(stream.Signature(ADDRESS_BITS)),
                "o_peeked": Out(stream.Signature(WORD_BITS)),
                "i_map_requests": In(stream.Signature(WordBurst(ADDRESS_BITS, config.burst_words))),
                "o_map_words": Out(stream.Signature(WORD_BITS)),
                "i_map_words": In(stream.Signature(WORD_BITS)),
                "map_idle": Out(1),
                "map_drop": In(1),
                "forget": In(1),
                "o_requests": Out(stream.Signature(SdramRequest(chip))),
                "o_data": Out(stream.Signature(chip.data_bits)),
                "i_data": In(stream.Signature(chip.data_bits)),
                "restart": Out(1),
                "idle": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        chip, burst = self._config.chip, self._config.burst_words
        beats = WORD_BITS // chip.data_bits
        queue = fifo.SyncFIFOBuffered(width=WORD_BITS, depth=QUEUE_WORDS)
        m.submodules.queue = ResetInserter(self.i_starts.valid)(queue)

        # The next request waits in a register. A write comes before a peek, and a peek before the words that are read ahead.
        request, waits, free = self.o_requests.payload, Signal(), Signal()
        asks = {kind: Signal(name=f"asks_{kind}") for kind in ("write", "peek", "map", "burst")}
        maps, map_reads, map_writes = self.i_map_requests, Signal(), Signal()
        writes, write_asked, write = Signal(), Signal(), Signal(WordWrite, reset_less=True)
        peeks, peek_wanted = Signal(), Signal()  # a word is on its way, and its asker has not been reset since
        reading, address = Signal(), Signal(chip.word_address_bits, reset_less=True)
        room = Signal(range(QUEUE_WORDS + 1))
        to_come = Signal(range(QUEUE_WORDS * beats + 1))  # of the chip's words that were asked for
        # What was asked for counts a cycle later: the controller takes no request in the cycle after it was offered.
        counted, bursts, bursts_words = Signal.like(to_come), Signal(), Signal(range(burst + 1))
        words = Signal(range(burst + 1))  # of a burst: up to the next multiple of their number
        m.d.comb += [
            self.o_requests.valid.eq(waits),
            free.eq(~waits | self.o_requests.ready),
            words.eq(burst - address % burst),
            asks["write"].eq(free & writes & ~write_asked & ~map_writes),
            asks["peek"].eq(free & self.i_peeks.valid & ~peeks & ~writes & ~map_reads & (to_come == 0)),
            asks["map"].eq(free & maps.valid & ~self.i_peeks.valid & self.map_idle & ~writes & ~peeks & (to_come == 0)),
            asks["burst"].eq(
                free
                & reading
                & ~Cat(self.i_starts.valid, writes, peeks, self.i_peeks.valid, maps.valid, map_reads).any()
                & (room >= burst)
            ),
            self.i_peeks.ready.eq(asks["peek"]),
            maps.ready.eq(asks["map"]),
        ]
        with m.If(free):
            single = Mux(self.i_peeks.valid, self.i_peeks.payload, Mux(maps.valid, maps.payload.address, address))
            at = Mux(asks["write"], write.address, single)
            places = Cat(Const(0, beats.bit_length() - 1), at)[: chip.address_bits]
            m.d.sync += [
                waits.eq(Cat(asks.values()).any()),
                request.address.eq(SdramAddress(chip)(places)),
                request.write.eq(asks["write"] | (asks["map"] & maps.payload.write)),
                request.further.eq(
                    Mux(asks["burst"], words * beats, Mux(asks["map"], maps.payload.words * beats, beats)) - 1
                ),
            ]

        # Bursts of maps. What is to be written has all come; what a reset has left over goes before the next burst.
        to_write = fifo.SyncFIFOBuffered(width=WORD_BITS, depth=MAP_WRITE_WORDS)
        drops, stale = Signal(), Signal()
        m.submodules.to_write = ResetInserter(drops)(to_write)
        map_part, map_left = Signal(range(beats)), Signal.like(maps.payload.words)
        gone = map_writes & self.o_data.ready & (map_part == beats - 1)
        m.d.comb += [
            self.map_idle.eq(~map_reads & ~map_writes & ~stale),
            drops.eq(stale & ~map_writes),
            to_write.w_data.eq(self.i_map_words.payload),
            to_write.w_en.eq(self.i_map_words.valid),
            self.i_map_words.ready.eq(to_write.w_rdy),
            to_write.r_en.eq(gone),
        ]
        m.d.sync += stale.eq(self.map_drop | (stale & map_writes))
        with m.If(map_writes & self.o_data.ready):
            m.d.sync += map_part.eq(Mux(map_part == beats - 1, 0, map_part + 1))
        with m.If(asks["map"]):
            m.d.sync += [
                map_reads.eq(~maps.payload.write),
                map_writes.eq(maps.payload.write),
                map_left.eq(maps.payload.words),
            ]
        with m.Elif(gone):
            m.d.sync += [map_left.eq(map_left - 1), map_writes.eq(map_left != 1)]
        with m.Elif(map_reads & (to_come == 0) & (counted == 0)):
            m.d.sync += map_reads.eq(0)

        # Writes.
        left = Signal(range(beats), init=beats - 1)
        m.d.comb += [
            self.i_writes.ready.eq(~writes),
            self.o_data.payload.eq(Mux(map_writes, to_write.r_data.word_select(map_part, chip.data_bits), write.word)),
            self.o_data.valid.eq(write_asked | map_writes),
        ]
        with m.If(~writes):
            m.d.sync += [write.eq(self.i_writes.payload), writes.eq(self.i_writes.valid)]
        with m.If(asks["write"]):
            m.d.sync += write_asked.eq(1)
        with m.If(self.o_data.valid & self.o_data.ready & ~map_writes):
            m.d.sync += [write.word.eq(write.word >> chip.data_bits), left.eq(Mux(left == 0, beats - 1, left - 1))]
            with m.If(left == 0):
                m.d.sync += [writes.eq(0), write_asked.eq(0)]

        # Words of the chip that come: as many as are asked for.
        came = Signal(WORD_BITS, reset_less=True)
        word, whole, part = Signal(WORD_BITS), Signal(), Signal(range(beats))
        coming = self.i_data.valid
        m.d.comb += [
            self.i_data.ready.eq(1),
            word.eq(Cat(came, self.i_data.payload)[chip.data_bits :]),
            whole.eq(coming & (part == beats - 1)),
            self.o_peeked.payload.eq(word),
            self.o_peeked.valid.eq(whole & peeks & peek_wanted & ~self.forget),
            queue.w_data.eq(word),
            self.o_map_words.payload.eq(word),
            self.o_map_words.valid.eq(whole & map_reads),
            queue.w_en.eq(whole & ~peeks & ~map_reads),
            self.o.payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy & ~self.i_starts.valid),
            queue.r_en.eq(self.o.ready),
        ]
        with m.If(coming):
            m.d.sync += [came.eq(word), part.eq(Mux(whole, 0, part + 1))]
        map_beats = Mux(asks["map"] & ~maps.payload.write, maps.payload.words * beats, 0)
        asked = Mux(asks["burst"], words * beats, Mux(asks["peek"], beats, map_beats))
        m.d.sync += [counted.eq(asked), to_come.eq(to_come + counted - coming)]
        with m.If(asks["peek"]):
            m.d.sync += [peeks.eq(1), peek_wanted.eq(1)]
        with m.Elif(whole):
            m.d.sync += peeks.eq(0)
        with m.If(self.forget):
            m.d.sync += peek_wanted.eq(0)

        # What is read ahead.
        begins = Signal()
        m.d.comb += [
            begins.eq(self.i_starts.valid & self.idle & ~waits & ~writes & ~peeks & ~map_writes & (to_come == 0)),
            self.i_starts.ready.eq(begins),
            self.restart.eq(begins),
        ]
        m.d.sync += [
            bursts.eq(asks["burst"]),
            bursts_words.eq(words),
            room.eq(room - Mux(bursts, bursts_words, 0) + (self.o.valid & self.o.ready)),
        ]
        with m.If(bursts):
            m.d.sync += address.eq(address + bursts_words)
        with m.If(self.i_starts.valid):
            m.d.sync += [reading.eq(begins), address.eq(self.i_starts.payload), room.eq(QUEUE_WORDS), bursts.eq(0)]
        return m
