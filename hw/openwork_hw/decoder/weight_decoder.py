"""Turns a weight stream of any built-in encoding into checked nonzeros."""

from typing import ClassVar

from amaranth.hdl import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.wiring import In, Out

from openwork_hw.arch.config import COLUMN_BITS, ROW_BITS, TAP_BITS
from openwork_hw.arch.layouts import HEADER_FIELDS
from openwork_hw.arch.nonzeros import Encoding, StreamErrorKind
from openwork_hw.arch.packed import MAX_RICE
from openwork_hw.arch.timing import HEADER_CYCLES
from openwork_hw.decoder.csr import CsrDecoder
from openwork_hw.decoder.packed import PackedDecoder
from openwork_hw.decoder.payloads import ERROR_BITS, DecodedNonzero, WeightNonzero, WeightWord
from openwork_hw.decoder.serial_csr import SerialCsrDecoder
from openwork_hw.decoder.triplet import TripletDecoder
from openwork_hw.primitives.registers import without_reset
from openwork_hw.stream.skid_buffer import SkidBuffer

DECODERS: dict[Encoding, type[CsrDecoder] | type[TripletDecoder] | type[PackedDecoder]] = {
    Encoding.CSR: CsrDecoder,
    Encoding.TRIPLET: TripletDecoder,
    Encoding.PACKED: PackedDecoder,
}


HEADER = data.StructLayout(dict(HEADER_FIELDS))
"""The first word of a stream."""


class State(enum.Enum):
    """What the decoder does with words. Every state has a bit."""

    DONE = 1
    HEADER = 2
    CHECK = 4
    DECODE = 8
    FLUSH = 16


class WeightDecoder(wiring.Component):
    """Read the header of a weight stream, decode its nonzeros, check and count them, and report the first error.

    Role
        The front of a `Feeder`: it turns a weight stream of any encoding into checked nonzeros for the `RowBuffer`.
    Function
        Each beat of the encoding's decoder is checked in the order of `openwork_hw.arch.weight_stream.collect`. A good beat
        leaves, with its column = tap << channel_bits | channel taken apart. After an error nothing leaves, and the words of
        the stream are taken and dropped up to the last word.
    Ports
        i_words : in, stream of WeightWord
        channels : in, 17 bits,
        channel_bits : in, 0 to 16, and
        columns : in, 17 bits: as in `ColumnLayout`; steady until done
        clear : in; return to the state before a stream; the stream begins when `clear` falls
        o : out, stream of WeightNonzero(channel_width)
        names_rows : out; the stream consists of triplets, so `o.row` is valid
        done : out; the stream's last word is taken and its last nonzero accepted, or an error found; level until clear
        error : out, StreamErrorKind of the first error, 0 while there is none
        position : out, rows accepted from `o` so far
    Timing
        latency_cycles[encoding] from the header's transfer to the first nonzero's offer; then as the decoder. `done`
        follows the last nonzero within 20 cycles. An error shows once all nonzeros before it are accepted.
        No combinational path from o to i_words.
    Cost
        The decoders of `encodings`, one shifter of 16 bits, a comparison of channel_width bits, a counter of 16 bits.
    Limits
        channel_bits is at most channel_width; taps at most 64.
    """

    latency_cycles: ClassVar = {
        encoding: decoder.latency_cycles + HEADER_CYCLES for encoding, decoder in DECODERS.items()
    }

    i_words: stream.Interface
    channels: Value
    channel_bits: Value
    columns: Value
    clear: Value
    o: stream.Interface
    names_rows: Value
    done: Value
    error: Value
    position: Value

    def __init__(self, *, channel_width: int, encodings: tuple[Encoding, ...], serial: bool = False) -> None:
        """`serial`: CSR, the only encoding then, is decoded a byte per cycle."""
        self._serial = serial
        if serial and encodings != (Encoding.CSR,):
            raise ValueError(f"a serial decoder decodes CSR alone, not {encodings}")
        if not 1 <= channel_width <= COLUMN_BITS:
            raise ValueError(f"channel_width must be from 1 to {COLUMN_BITS}, not {channel_width}")
        if not encodings or len(set(encodings)) != len(encodings):
            raise ValueError(f"encodings must be one or more different ones, not {encodings}")
        self._channel_width = channel_width
        self._encodings = encodings
        super().__init__(
            {
                "i_words": In(stream.Signature(WeightWord)),
                "channels": In(COLUMN_BITS + 1),
                "channel_bits": In(range(COLUMN_BITS + 1)),
                "columns": In(COLUMN_BITS + 1),
                "clear": In(1),
                "o": Out(stream.Signature(WeightNonzero(channel_width))),
                "names_rows": Out(1),
                "done": Out(1),
                "error": Out(ERROR_BITS),
                "position": Out(ROW_BITS),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        state = Signal(State, init=State.DONE, reset_less=True)
        in_done, in_header, in_check, in_decode, in_flush = state
        words_ended = Signal(reset_less=True)
        decoding = Signal(reset_less=True)  # words go to the decoder
        encoding = Signal(4, reset_less=True)
        rice = Signal(range(MAX_RICE + 1), reset_less=True)
        rows = Signal(ROW_BITS, reset_less=True)
        reserved = Signal(9, reset_less=True)
        word = self.i_words.payload
        header = data.View(HEADER, word.data)
        advance = Signal()
        m.d.comb += advance.eq(~self.o.valid | self.o.ready)

        # It falls with the first cycle in which words go to a decoder.
        restart = Signal(reset_less=True)
        m.d.sync += restart.eq(in_header)

        # The chosen decoder's side of the words and of the nonzeros.
        decoded = Signal(DecodedNonzero)
        decoded_valid = Signal()
        exhausted = Signal()
        words_ready = Signal()
        for kind in self._encodings:
            serial = self._serial
            decoder = SerialCsrDecoder() if serial else DECODERS[kind]()
            m.submodules[kind.name.lower()] = decoder
            chosen = encoding == kind if len(self._encodings) > 1 else 1
            source = decoder.o
            # A packed decoder ends in such a buffer itself, a serial one is slow anyway.
            if kind is not Encoding.PACKED and not serial:
                m.submodules[f"{kind.name.lower()}_skid"] = skid = SkidBuffer(DecodedNonzero)
                wiring.connect(m, decoder.o, skid.i)
                m.d.comb += skid.flush.eq(decoder.restart)
                source = skid.o
            m.d.comb += [
                decoder.restart.eq(restart),
                decoder.i_words.payload.eq(word),
                decoder.i_words.valid.eq(self.i_words.valid & decoding & chosen),
                source.ready.eq(advance),
            ]
            with m.If(chosen):
                m.d.comb += [
                    words_ready.eq(decoder.i_words.ready),
                    decoded.eq(source.payload),
                    decoded_valid.eq(source.valid),
                    exhausted.eq(decoder.exhausted),
                ]
            if isinstance(decoder, PackedDecoder):
                m.d.comb += [decoder.rice.eq(rice), decoder.columns.eq(self.columns)]
        m.d.comb += self.names_rows.eq(encoding == Encoding.TRIPLET if Encoding.TRIPLET in self._encodings else 0)

        # One cycle to take the column apart, one to count rows and to choose the error.
        split = Signal(WeightNonzero(self._channel_width), reset_less=True)
        split_valid = Signal(reset_less=True)
        split_error = Signal(ERROR_BITS, reset_less=True)
        split_failed = Signal(reset_less=True)  # an error of its own
        split_outside = Signal(reset_less=True)  # outside the layer
        mask = Signal(self._channel_width, reset_less=True)
        m.d.sync += mask.eq((1 << self.channel_bits) - 1)
        channel = decoded.column & mask
        beyond_channels = channel >= self.channels[: self._channel_width + 1]
        beyond_columns = decoded.column >= self.columns
        if self._encodings == (Encoding.PACKED,):  # which cannot leave its row
            beyond_columns = Const(0, 1)
        with m.If(advance):
            m.d.sync += [
                split_valid.eq(decoded_valid & in_decode),
                split.row.eq(decoded.row),
                split.tap.eq((decoded.column >> self.channel_bits)[:TAP_BITS]),
                split.channel.eq(channel),
                split.value.eq(decoded.value),
                split.last.eq(decoded.last),
                split_error.eq(decoded.error),
                split_failed.eq(decoded.error != StreamErrorKind.NONE),
                split_outside.eq(beyond_channels | beyond_columns),
            ]

        # Rows: `number` counts from 1 those that enter `o`, `entered` is one less, `position` counts those that left.
        number = Signal(ROW_BITS, init=1, reset_less=True)
        entered = Signal(ROW_BITS, reset_less=True)
        complete = Signal(reset_less=True)
        final = Signal()
        fault = Signal(ERROR_BITS)
        nonzero = without_reset(m, self.o.payload, "nonzero")
        valid, error, position = (
            without_reset(m, port, name)
            for name, port in {"valid": self.o.valid, "error": self.error, "position": self.position}.items()
        )
        rows_left = Signal(ROW_BITS, reset_less=True)  # rows to come after this one
        last_row = Signal(reset_less=True)
        m.d.comb += final.eq(split.last & last_row)
        with m.If(complete):
            m.d.comb += fault.eq(StreamErrorKind.LENGTH)
        with m.Elif(split_failed):
            m.d.comb += fault.eq(split_error)
        with m.Else():
            m.d.comb += fault.eq(StreamErrorKind.COLUMN)
        faulty = Signal()
        m.d.comb += faulty.eq(complete | split_failed | split_outside)
        with m.If(advance):
            m.d.sync += [
                valid.eq(split_valid & in_decode & ~faulty),
                nonzero.eq(split),
                nonzero.final.eq(final),
            ]
            with m.If(self.o.valid & nonzero.last):
                m.d.sync += position.eq(entered)

        with m.If(advance & split_valid & split.last):
            m.d.sync += [
                number.eq(number + 1),
                entered.eq(number),
                complete.eq(final),
                rows_left.eq(rows_left - 1),
                last_row.eq(rows_left == 1),
            ]

        word_taken = Signal()
        m.d.comb += [
            word_taken.eq(self.i_words.valid & self.i_words.ready),
            self.done.eq(in_done & ~self.o.valid),
        ]
        # What takes a word, each from a register of its own: the header, the decoder, the flush.
        wants_header = Signal(reset_less=True)
        flushing = Signal(reset_less=True)
        m.d.sync += flushing.eq(in_flush)
        m.d.comb += self.i_words.ready.eq(wants_header | (decoding & words_ready) | (flushing & ~words_ended))
        with m.If(word_taken):
            m.d.sync += wants_header.eq(0)
        with m.If(word_taken & word.last):
            m.d.sync += [words_ended.eq(1), decoding.eq(0)]
        with m.If(in_header):
            m.d.sync += [
                rows.eq(header.rows),
                rice.eq(header.rice),
                reserved.eq(header.unused),
                encoding.eq(header.encoding),
            ]
            with m.If(word_taken):
                m.d.sync += state.eq(State.CHECK)
        with m.If(in_check):
            known = Cat(encoding == kind for kind in self._encodings).any()
            wrong_rice = (encoding != Encoding.PACKED) & (rice != 0)
            m.d.sync += [
                rows_left.eq(rows - 1),
                last_row.eq(rows == 1),
                state.eq(Mux(words_ended, State.DONE, State.DECODE)),
                decoding.eq(~words_ended),
                error.eq(Mux(words_ended, StreamErrorKind.TRUNCATED, StreamErrorKind.NONE)),
            ]
            with m.If(~known | (rows == 0) | (reserved != 0) | wrong_rice):
                m.d.sync += [error.eq(StreamErrorKind.HEADER), state.eq(State.FLUSH), decoding.eq(0)]
        with m.If(in_decode):
            with m.If(advance & split_valid):
                with m.If(faulty):
                    m.d.sync += [error.eq(fault), state.eq(State.FLUSH), decoding.eq(0)]
            with m.If(exhausted & ~decoded_valid & ~split_valid & ~self.o.valid):
                m.d.sync += state.eq(State.DONE)
                with m.If(~complete):
                    m.d.sync += error.eq(StreamErrorKind.TRUNCATED)
        with m.If(in_flush):
            with m.If(words_ended):
                m.d.sync += state.eq(State.DONE)
        with m.If(self.clear):
            m.d.sync += [state.eq(State.HEADER), wants_header.eq(1), number.eq(1)]
            for flag in (
                words_ended,
                decoding,
                split_valid,
                complete,
                entered,
                error,
                position,
                valid,
            ):
                m.d.sync += flag.eq(0)
        return m
