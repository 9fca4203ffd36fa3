"""What is claimed of the weight decoders, for every sequence of words, legal or not."""

from amaranth.hdl import Cat, Const, Mux, Signal, Value

from openwork_dv.formal.properties import Properties, transfers
from openwork_dv.formal.reference_decoder import ReferenceDecoder
from openwork_hw.arch.config import ROW_BITS
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, StreamErrorKind
from openwork_hw.decoder.weight_decoder import WeightDecoder


def decoder_properties(decoder: WeightDecoder, layout: ColumnLayout, *, patience: int, row_bits: int) -> Properties:
    """Nothing outside the layer leaves, errors are final, rows are counted, and nothing hangs.

    Args:
        layout: of the layer, a constant of the proof: comparisons with it are then a handful of gates.
        patience: cycles in which nothing need move while words are offered and nonzeros taken.

    Words are whatever the solver likes, as many as it likes before the last one, offered when it likes; `clear` comes at any time.
    """
    properties = Properties(decoder)
    m = properties.m
    clear = properties.choose("clear")
    header_rows = properties.choose("header_rows", row_bits)
    body = properties.choose("body", len(Value.cast(decoder.i_words.payload)))
    begun = Signal()
    header = Cat(header_rows, Const(0, ROW_BITS - row_bits), body[ROW_BITS:])
    properties.drive(decoder.i_words, "words", Mux(begun, body, header))
    properties.stall(decoder.o, "o")
    m.d.comb += [
        decoder.clear.eq(clear),
        decoder.channels.eq(layout.channels),
        decoder.channel_bits.eq(layout.channel_bits),
        decoder.columns.eq(layout.columns),
    ]
    nonzero, word = decoder.o.payload, decoder.i_words.payload
    taken, accepted = transfers(decoder.i_words), transfers(decoder.o)

    # What the neighbours see of a stream: its header, its end, and the rows that were accepted.
    ended, rows, complete, in_row = Signal(), Signal(ROW_BITS), Signal(ROW_BITS), Signal()
    with m.If(taken):
        m.d.sync += [begun.eq(1), ended.eq(word.last)]
        with m.If(~begun):
            m.d.sync += rows.eq(word.data[:ROW_BITS])
    with m.If(accepted):
        m.d.sync += [complete.eq(complete + nonzero.last), in_row.eq(~nonzero.last)]
    with m.If(clear):
        m.d.sync += [begun.eq(0), ended.eq(0), complete.eq(0), in_row.eq(0)]

    column = nonzero.tap << layout.channel_bits | nonzero.channel
    properties.claim("channel_in_range", ~decoder.o.valid | (nonzero.channel < layout.channels))
    properties.claim("column_in_range", ~decoder.o.valid | (column < layout.columns))
    properties.claim("offer_stays", properties.stays(decoder.o, unless=clear))

    failed = decoder.error != StreamErrorKind.NONE
    properties.claim("nothing_leaves_after_an_error", ~failed | ~decoder.o.valid)
    was_failed = properties.past(failed & ~clear)
    properties.claim("error_stays", ~was_failed | (decoder.error == properties.past(decoder.error)))
    properties.claim("position_stays", ~was_failed | (decoder.position == properties.past(decoder.position)))
    properties.claim("no_error_before_a_word", begun | ~failed)
    properties.claim("nothing_leaves_before_a_word", begun | ~decoder.o.valid)

    properties.claim("position", decoder.position == complete)
    properties.claim("no_more_rows_than_promised", ~decoder.o.valid | (complete < rows))
    properties.claim(
        "final_ends_the_last_row", ~decoder.o.valid | (nonzero.final == (nonzero.last & (complete + 1 == rows)))
    )
    good = decoder.done & begun & ~failed
    properties.claim("done_is_complete_or_failed", ~good | ((complete == rows) & ~in_row))
    properties.claim("done_has_read_all", ~good | ended)
    properties.claim("done_stays", ~properties.past(decoder.done & begun & ~clear) | decoder.done)
    properties.claim("done_offers_nothing", ~decoder.done | ~decoder.o.valid)

    still = Signal(range(patience + 2))
    moves = taken | accepted | decoder.done | ~(decoder.i_words.valid | ended) | ~decoder.o.ready | clear
    started = Signal()
    m.d.sync += started.eq(started | clear)
    m.d.sync += still.eq(Mux(moves | ~started, 0, Mux(still > patience, still, still + 1)))
    properties.claim("no_hang", still <= patience)

    properties.reach("two_rows", good & (rows == 2))
    properties.reach("error_after_a_row", failed & (decoder.position == 1) & (rows == 2))
    properties.reach("waits_as_long_as_it_may", still == patience)
    return properties


def exact_properties(decoder: WeightDecoder, encoding: Encoding, layout: ColumnLayout, *, words: int) -> Properties:
    """For every stream of up to `words` words: its nonzeros and nothing else leave, and the first error is the one that it has.

    `ReferenceDecoder` says what they are. CSR and triplet only: what a packed stream means depends on the order in which its words
    are asked for.
    """
    properties = Properties(decoder)
    m = properties.m
    clear = properties.choose("clear")
    properties.drive(decoder.i_words, "words")
    properties.stall(decoder.o, "o")
    m.submodules.reference = reference = ReferenceDecoder(encoding, layout, words=words)
    m.d.comb += [
        decoder.clear.eq(clear),
        decoder.channels.eq(layout.channels),
        decoder.channel_bits.eq(layout.channel_bits),
        decoder.columns.eq(layout.columns),
        reference.clear.eq(clear),
        reference.i.eq(decoder.i_words.payload),
        reference.taken.eq(transfers(decoder.i_words)),
        reference.accepted.eq(transfers(decoder.o)),
    ]
    properties.assume(reference.fits)
    begun = Signal()
    m.d.sync += begun.eq((begun | transfers(decoder.i_words)) & ~clear)

    offered, expected = decoder.o.payload, reference.o
    failed = decoder.error != StreamErrorKind.NONE
    same = (
        expected.nonzero
        & (offered.row == expected.row)
        & ((offered.tap << layout.channel_bits | offered.channel) == expected.column)
        & (offered.value == expected.value.as_signed())
        & (offered.last == expected.last)
    )
    properties.claim("nonzeros", ~decoder.o.valid | same)
    properties.claim("error", ~failed | (decoder.error == expected.error))
    properties.claim("position", decoder.position == reference.rows_complete)
    properties.claim("end", ~(decoder.done & begun & ~failed) | expected.end)
    for kind in (StreamErrorKind.HEADER, StreamErrorKind.COLUMN, StreamErrorKind.LENGTH, StreamErrorKind.TRUNCATED):
        properties.reach(f"{kind.name.lower()}_error", decoder.error == kind)
    properties.reach("error_after_a_row", failed & (decoder.position == 1))
    properties.reach("two_rows", decoder.done & begun & ~failed & (decoder.position == 2))
    return properties
