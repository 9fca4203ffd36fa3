"""Packed weight streams: Rice-coded gaps and values, within a few percent of the entropy of random positions.

Positions count over all rows of the stream: ``position = k * columns + column`` in the k-th row. Each nonzero stores
``gap = position - previous - 1`` (previous = -1 at the start) as ``quotient << rice | remainder``, with a quotient of at
most 7. Nonzeros of value 0, called *fillers*, break a longer gap. A stream consists of two bit strings, lowest bit first:

- The stops hold, for each nonzero, as many zeros as its quotient, and then a one. Every byte of the stops holds a one.
- The fields hold, for each nonzero, its value (8 bits) and then its remainder (`rice` bits).

After the header comes the number of nonzeros, fillers included (24 bits; the upper byte of the word is 0). The stops are cut
into words S0, S1, .. and the fields into words F0, F1, .., and zeros fill the last words. The words stand in the order in
which a decoder asks for them that has room for three stop words and five field words. This is first S0 F0 F1 S1 F2 F3 S2 F4.
Then S(i+3) follows when the last stop of S(i) is taken, and F(i+5) when the last bit of F(i) is taken. If one nonzero takes
both, S(i+3) comes first. When a string is over and the other goes on, zero words take its place. The reasons for two strings
and for this much room are in `docs/decisions/0004-packed-streams-never-starve.md`.

A row ends where the next position lies in the next row, or where the stream ends.

>>> import numpy as np
>>> layout = ColumnLayout(taps=1, channels=16)
>>> columns, values = np.array([0, 3, 1]), np.array([1, 2, -1], np.int8)
>>> rows = SparseRows(rows=np.arange(2), lengths=np.array([2, 1]), columns=columns, values=values)
>>> [f"{word:08x}" for word in encode(rows, layout)]    # gaps 0, 2, 13 with rice 0: 13 is broken by a filler into 7 and 5
['30000002', '00000004', '00020809', 'ff000201']
>>> decode(encode(rows, layout), layout, row_numbers=[0, 1]).columns
array([ 0,  3, 11,  1])
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows, StreamErrorKind
from openwork_hw.arch.weight_stream import Beat, Header, collect, parse_header, signed_byte

MAX_QUOTIENT = 7
MAX_RICE = 7
VALUE_BITS = 8
COUNT_BITS = 24
"""Bits of the field that holds the number of nonzeros."""
MAX_COUNT = (1 << COUNT_BITS) - 1
STOP_WORDS = 3
"""Stop words that a decoder holds."""
FIELD_WORDS = 5
"""Field words that a decoder holds."""
FIRST_WORDS = (True, False, False, True, False, False, True, False)
"""Which of the first words are stop words: the words that an empty decoder asks for."""


def pad_gaps(rows: SparseRows, layout: ColumnLayout, rice: int) -> SparseRows:
    """Break every gap whose quotient exceeds 7 with fillers: nonzeros of value 0 in legal columns, as few as possible.

    Raises:
        ValueError: a gap between two legal columns is too long for a code with this `rice`.
    """
    positions = _positions(rows, layout)
    span = (MAX_QUOTIENT + 1) << rice
    at = np.concatenate([np.array([-1], dtype=np.int64), positions[:-1]])
    ends = positions
    fillers: list[NDArray[np.int64]] = []
    while True:
        long = ends - at > span
        at, ends = at[long], ends[long]
        if len(at) == 0:
            break
        filler = at + span
        channel = filler % layout.columns & ((1 << layout.channel_bits) - 1)
        filler -= np.maximum(channel - (layout.channels - 1), 0)
        if np.any(filler <= at):
            raise _unreachable(layout)
        fillers.append(filler)
        at = filler
    if not fillers:
        return rows
    added = np.concatenate(fillers)
    merged = np.concatenate([positions, added])
    order = np.argsort(merged, kind="stable")
    return SparseRows(
        rows=rows.rows,
        lengths=rows.lengths + np.bincount(added // layout.columns, minlength=len(rows.rows)),
        columns=merged[order] % layout.columns,
        values=np.concatenate([rows.values, np.zeros(len(added), dtype=np.int8)])[order],
    )


def choose_rice(rows: SparseRows, layout: ColumnLayout) -> int:
    """The smallest of the `rice` parameters that need the fewest words.

    Raises:
        ValueError: columns do not ascend within a row, or no `rice` can write the gaps between this layout's columns.
    """
    return cheapest(rows, layout)[1]


def cheapest(rows: SparseRows, layout: ColumnLayout) -> tuple[int, int]:
    """The fewest words of stops and fields, and the `rice` that needs them. Words that fill up the shorter string do not count.

    Raises:
        ValueError: as `choose_rice`.
    """
    positions = _positions(rows, layout)
    steps = np.diff(positions, prepend=-1)
    if steps.min() < 1:
        raise ValueError("the columns of a packed row must ascend")
    unused = (1 << layout.channel_bits) - layout.channels if layout.taps > 1 else 0
    best: tuple[int, int] | None = None
    for rice in reversed(range(MAX_RICE + 1)):
        span = (MAX_QUOTIENT + 1) << rice
        padded = steps
        if int(steps.max()) > span:
            if unused >= span:
                break
            nonzeros = len(steps) + int(((steps - 1) // span).sum())  # more if fillers have to avoid columns
            if best and _words(nonzeros) + _words(nonzeros * (VALUE_BITS + rice)) > best[0]:
                continue
            padded = np.diff(_positions(pad_gaps(rows, layout, rice), layout), prepend=-1)
        stops = int(((padded - 1) >> rice).sum()) + len(padded)
        words = _words(stops) + _words(len(padded) * (VALUE_BITS + rice))
        if best is None or words <= best[0]:
            best = words, rice
    if best is None:
        raise _unreachable(layout)
    return best


def prepare(rows: SparseRows, layout: ColumnLayout) -> SparseRows:
    """The rows as `encode` writes them, fillers included. To prepare them twice changes nothing."""
    return pad_gaps(rows, layout, choose_rice(rows, layout))


def encode(rows: SparseRows, layout: ColumnLayout, rice: int | None = None) -> NDArray[np.uint32]:
    """Write rows as packed words, with the `rice` of `choose_rice` unless another `rice` is given.

    Raises:
        ValueError: columns do not ascend within a row, a gap cannot be written, or there are too many nonzeros.
    """
    rice = choose_rice(rows, layout) if rice is None else rice
    rows = pad_gaps(rows, layout, rice)
    if rows.nonzeros > MAX_COUNT:
        raise ValueError(f"a packed stream holds up to {MAX_COUNT} nonzeros, not {rows.nonzeros}: use more streams")
    gaps = np.diff(_positions(rows, layout), prepend=-1) - 1
    nonzeros = len(gaps)
    field_bits = VALUE_BITS + rice

    stops = np.cumsum((gaps >> rice) + 1) - 1
    stop_count = int(stops[-1]) // 32 + 1
    stop_words = np.bincount(stops >> 5, weights=(1 << (stops & 31)).astype(np.float64), minlength=stop_count)

    offsets = np.arange(nonzeros, dtype=np.int64) * field_bits
    shifted = (rows.values.view(np.uint8).astype(np.int64) | (gaps & ((1 << rice) - 1)) << VALUE_BITS) << (offsets & 31)
    field_count = _words(nonzeros * field_bits)
    low = np.bincount(offsets >> 5, weights=(shifted & 0xFFFFFFFF).astype(np.float64), minlength=field_count + 1)
    high = np.bincount((offsets >> 5) + 1, weights=(shifted >> 32).astype(np.float64), minlength=field_count + 1)
    field_words = (low + high)[:field_count]

    is_stop, index = _word_order(stops, field_bits)
    offered = np.zeros(len(index), dtype=np.float64)
    real_stop = is_stop & (index < stop_count)
    real_field = ~is_stop & (index < field_count)
    offered[real_stop] = stop_words[index[real_stop]]
    offered[real_field] = field_words[index[real_field]]
    head = np.array([Header(Encoding.PACKED, len(rows.rows), rice).word, nonzeros], dtype=np.uint32)
    return np.concatenate([head, offered.astype(np.uint32)])


def encoded_words(rows: SparseRows, layout: ColumnLayout, rice: int) -> int:
    """The number of words that `encode` writes.

    Raises:
        ValueError: as `encode`.
    """
    gaps = np.diff(_positions(pad_gaps(rows, layout, rice), layout), prepend=-1) - 1
    is_stop, _ = _word_order(np.cumsum((gaps >> rice) + 1) - 1, VALUE_BITS + rice)
    return 2 + len(is_stop)


def decode(words: NDArray[np.uint32], layout: ColumnLayout, row_numbers: Sequence[int]) -> SparseRows:
    """Read packed words.

    Raises:
        StreamError: the words are not a legal stream of these rows.
    """
    header = parse_header(words, Encoding.PACKED)
    return collect(_beats(words[1:].tolist(), header.rice, layout.columns), header.rows, layout, row_numbers)


def _beats(words: list[int], rice: int, columns: int) -> Iterator[Beat]:
    """Decode as the gateware does: it asks for a word when it has room for one, and gets none after the last word."""
    stop_bytes: list[int] = []
    fields: list[int] = []
    taken = 1

    def request(stop: bool) -> None:
        nonlocal taken
        if taken < len(words):
            word = words[taken]
            if stop:
                stop_bytes.extend(word.to_bytes(4, "little"))
            else:
                fields.append(word)
            taken += 1

    count = words[0]
    if not 1 <= count <= MAX_COUNT:
        yield Beat(error=StreamErrorKind.CODE)
        return
    for kind in FIRST_WORDS:
        request(stop=kind)
    held: Beat | None = None
    field_bits = VALUE_BITS + rice
    place = -1  # index of the current byte of stops
    stops = 0  # the bits of that byte that are not taken yet
    previous_stop = -1
    column = -1
    offset = 0
    for _ in range(count):
        if stops == 0:
            place += 1
            stops = stop_bytes[place] if place < len(stop_bytes) else 0
            if stops == 0:
                yield Beat(error=StreamErrorKind.CODE if place < len(stop_bytes) else StreamErrorKind.TRUNCATED)
                return
        if offset + field_bits > 32 * len(fields):
            yield Beat(error=StreamErrorKind.TRUNCATED)
            return
        stop = (stops & -stops).bit_length() - 1
        stops &= stops - 1
        quotient = (stop - previous_stop - 1) % (MAX_QUOTIENT + 1)
        previous_stop = stop
        window = fields[offset // 32] | (fields[offset // 32 + 1] << 32 if offset % 32 + field_bits > 32 else 0)
        field = window >> offset % 32
        column += 1 + (quotient << rice | field >> VALUE_BITS & ((1 << rice) - 1))
        crosses = column >= columns
        if crosses:
            column -= columns
        if held is not None:
            yield held._replace(last=crosses)
        if column >= columns or (crosses and held is None):
            yield Beat(error=StreamErrorKind.CODE)
            return
        held = Beat(0, column, signed_byte(field & 255))
        if stops == 0 and place % 4 == 3:
            request(stop=True)
        if offset % 32 + field_bits >= 32:
            request(stop=False)
        offset += field_bits
    assert held is not None
    yield held._replace(last=True)
    over = offset // 32
    behind = fields[over] >> offset % 32 if over < len(fields) else 0
    if taken < len(words) or stops or any(stop_bytes[place + 1 :]) or behind or any(fields[over + 1 :]):
        yield Beat(error=StreamErrorKind.LENGTH)


def _word_order(stops: NDArray[np.int64], field_bits: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """The order of the words of a stream whose stops are at bits `stops`.

    Returns:
        For each word, whether it is a stop word, and its index within its string.
    """
    stop_count = int(stops[-1]) // 32 + 1
    field_count = _words(len(stops) * field_bits)
    last_stops = np.searchsorted(stops >> 5, np.arange(stop_count), side="right") - 1
    last_fields = (np.arange(len(stops) * field_bits // 32) * 32 + 31) // field_bits
    first = np.array(FIRST_WORDS)
    is_stop = np.concatenate([first, np.ones(stop_count, dtype=bool), np.zeros(len(last_fields), dtype=bool)])
    when = np.concatenate([np.arange(-len(first), 0), 2 * last_stops, 2 * last_fields + 1])
    order = np.argsort(when, kind="stable")
    is_stop = is_stop[order]
    index = np.where(is_stop, np.cumsum(is_stop), np.cumsum(~is_stop)) - 1
    used = int(np.flatnonzero(index < np.where(is_stop, stop_count, field_count))[-1]) + 1
    return is_stop[:used], index[:used]


def _positions(rows: SparseRows, layout: ColumnLayout) -> NDArray[np.int64]:
    starts = np.arange(len(rows.rows), dtype=np.int64) * layout.columns
    return np.asarray(np.repeat(starts, rows.lengths) + rows.columns, dtype=np.int64)


def _unreachable(layout: ColumnLayout) -> ValueError:
    return ValueError(
        f"the {(1 << layout.channel_bits) - layout.channels} unused column numbers after every {layout.channels} "
        f"channels are more than a packed gap can cross: use another encoding"
    )


def _words(bits: int) -> int:
    return -(-bits // 32)
