"""Moves bytes of maps between the array and the external memory."""

from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, signed
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import WORD_BITS
from openwork_hw.arch.sdram import MAP_BURST_WORDS, QUEUE_WORDS
from openwork_hw.image.memory_reader import ADDRESS_BITS
from openwork_hw.memory.payloads import WordBurst

Piece = data.StructLayout({"address": ADDRESS_BITS - 1, "store": 1, "bytes": WORD_BITS})
"""Bytes of the external memory, from a byte address on; to the memory where `store` is set, at a multiple of 4."""


class MapPort(wiring.Component):
    """Carry out pieces one after the other: bytes from the memory to the array, or from the array to the memory.

    Role
        Part of an `ExternalRunner`: the LOAD and STORE commands of maps in the external memory get and give their bytes here.
    Function
        A piece that loads gives its bytes at `o`, in order. A piece that stores takes its bytes at `i` and writes them; what is
        left of its last word is 0. A piece that stores begins when all before it has been given or written, and every piece
        behind it when all its words have been written. While the bytes of a piece are given, the words of the next piece that
        loads are asked for.
    Ports
        i_pieces : in, stream of Piece
        o : out, stream of signed 8; i : in, stream of signed 8
        o_requests, i_words, o_words, idle : SdramWords' i_map_requests, o_map_words, i_map_words, map_idle
    Timing
        A byte per cycle both ways. Some 20 cycles from a piece to its first byte; none where pieces that load follow each other,
        unless they are shorter than that. Some 20 cycles from a stored piece's last byte to the next piece.
    Cost
        A queue of QUEUE_WORDS words, counters, the place of a piece that waits.
    Limits
        A piece has at least one byte.
    Verified by
        tests/openwork_hw/memory/test_map_port.py::test_bytes_come_back_from_wherever_they_were_put
    """

    i_pieces: stream.Interface
    o: stream.Interface
    i: stream.Interface
    o_requests: stream.Interface
    i_words: stream.Interface
    o_words: stream.Interface
    idle: Signal

    def __init__(self, burst_words: int) -> None:
        """`burst_words`: of the memory's longest burst, none of which goes over a multiple of them; a power of two."""
        self._burst = burst_words
        super().__init__(
            {
                "i_pieces": In(stream.Signature(Piece)),
                "o": Out(stream.Signature(signed(8))),
                "i": In(stream.Signature(signed(8))),
                "o_requests": Out(stream.Signature(WordBurst(ADDRESS_BITS, burst_words))),
                "i_words": In(stream.Signature(WORD_BITS)),
                "o_words": Out(stream.Signature(WORD_BITS)),
                "idle": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        burst = self._burst
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=WORD_BITS, depth=QUEUE_WORDS)
        piece, request = self.i_pieces.payload, self.o_requests.payload
        address = Signal(ADDRESS_BITS - 3, reset_less=True)  # of the next word
        words = Signal(WORD_BITS - 1, reset_less=True)  # that are to be read and have not been asked for
        count = Signal(WORD_BITS, reset_less=True)  # bytes that have not been moved
        place = Signal(2, reset_less=True)  # of the next byte in its word
        # Words that were asked for and are not gone, or that have not been written.
        waiting = Signal(range(QUEUE_WORDS + 1))
        gathered = Signal(WORD_BITS - 8, reset_less=True)
        # Whether `count` is 0, and whether it is 1: known a cycle ahead, because the array waits for what depends on them.
        none_left, one_left = Signal(init=1), Signal()
        # The piece whose words are asked for while the bytes of the one before it are given.
        follows, next_place, next_count = Signal(), Signal(2, reset_less=True), Signal(WORD_BITS, reset_less=True)
        storing, drained = Signal(), Signal()
        ends, comes, goes = (Signal(name=name) for name in ("ends", "comes", "goes"))
        up_to_border = Signal(range(burst + 1))
        # The next burst, in registers. It is known two cycles after a piece has begun, and three after the burst before was taken.
        chunk, room, known = Signal(range(burst + 1)), Signal(), Signal()
        asks, taken, taken_words = Signal(), Signal(), Signal(range(burst + 1))
        m.d.comb += [
            ends.eq((place == 3) | one_left),
            up_to_border.eq(burst - address % burst),
            request.address.eq(address),
            request.words.eq(chunk),
            asks.eq(self.o_requests.valid & self.o_requests.ready),
            queue.w_data.eq(self.i_words.payload),
            queue.w_en.eq(self.i_words.valid),
            self.i_words.ready.eq(1),
            self.o.payload.eq(queue.r_data.word_select(place, 8)),
            queue.r_en.eq(goes & ends),
        ]
        # The bytes of a word that have come, the last one on its way; above it there are zeros.
        with m.Switch(place):
            for number in range(4):
                with m.Case(number):
                    m.d.comb += self.o_words.payload.eq(Cat(gathered[: 8 * number], self.i.payload))
                    if number < 3:
                        with m.If(comes):
                            m.d.sync += gathered.word_select(number, 8).eq(self.i.payload)
        m.d.sync += [known.eq(~asks & ~taken), taken.eq(asks), taken_words.eq(chunk)]
        with m.If(taken):
            m.d.sync += address.eq(address + taken_words)
        with m.If(comes | goes):
            m.d.sync += [count.eq(count - 1), place.eq(place + 1), none_left.eq(one_left), one_left.eq(count == 2)]
        m.d.comb += [
            self.o.valid.eq(queue.r_rdy & ~none_left & ~storing),
            goes.eq(self.o.valid & self.o.ready),
            drained.eq(none_left & ~follows & (waiting == 0) & self.idle),
        ]
        with m.If(follows & (none_left | (goes & one_left))):
            m.d.sync += [
                follows.eq(0),
                place.eq(next_place),
                count.eq(next_count),
                none_left.eq(0),
                one_left.eq(next_count == 1),
            ]
        m.d.sync += waiting.eq(waiting + Mux(taken, taken_words, 0) - queue.r_en)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i_pieces.ready.eq(Mux(piece.store, drained, ~follows))
                m.d.sync += [
                    address.eq(piece.address[2:]),
                    words.eq((piece.bytes + piece.address[:2] + 3)[2:]),
                    known.eq(0),
                ]
                with m.If(self.i_pieces.valid & self.i_pieces.ready):
                    with m.If(piece.store):
                        m.d.sync += [
                            place.eq(piece.address[:2]),
                            count.eq(piece.bytes),
                            none_left.eq(0),
                            one_left.eq(piece.bytes == 1),
                        ]
                        m.next = "STORE"
                    with m.Else():
                        m.d.sync += [
                            next_place.eq(piece.address[:2]),
                            next_count.eq(piece.bytes),
                            follows.eq(1),
                        ]
                        m.next = "LOAD"

            with m.State("LOAD"):  # until all words of the piece have been asked for
                m.d.comb += self.o_requests.valid.eq(known & room & (chunk != 0))
                m.d.sync += [
                    chunk.eq(Mux(words < up_to_border, words, up_to_border)),
                    room.eq(waiting <= QUEUE_WORDS - burst),
                ]
                with m.If(taken):
                    m.d.sync += words.eq(words - taken_words)
                with m.If(known & (words == 0)):
                    m.next = "IDLE"

            with m.State("STORE"):
                enough = Mux(waiting < MAP_BURST_WORDS, waiting, MAP_BURST_WORDS)
                m.d.comb += [
                    storing.eq(1),
                    request.write.eq(1),
                    self.o_requests.valid.eq(known & room),
                    self.i.ready.eq(self.o_words.ready & ~none_left),
                    comes.eq(self.i.valid & self.i.ready),
                    self.o_words.valid.eq(comes & ends),
                ]
                m.d.sync += [
                    chunk.eq(Mux(enough < up_to_border, enough, up_to_border)),
                    room.eq((waiting >= MAP_BURST_WORDS) | (none_left & (waiting != 0))),
                    waiting.eq(waiting + self.o_words.valid - Mux(taken, taken_words, 0)),
                ]
                with m.If(none_left & (waiting == 0) & self.idle):
                    m.next = "IDLE"
        return m
