"""Packed weight streams: Rice-coded gaps and values, within a few percent of the entropy of random positions.

Positions count over the rows of the stream: ``position = k * columns + column`` for the k-th row. Each nonzero stores
``gap = position - previous - 1`` (previous = -1 at the start) as ``quotient << rice | remainder`` with quotient <= 15;
a longer gap is broken by *fillers*: nonzeros of value 0. Two bit strings, lowest bit first:

- stops: for each nonzero, quotient zeros, then a one;
- fields: for each nonzero, its value (8 bits), then its remainder (rice bits).

Each string is cut into words S0, S1, .. and F0, F1, .., zero padded, and the words are interleaved in the order in
which a decoder with room for two stop words and four field words asks for them: S0 S1 F0 F1 F2 F3, then S(i+2) when the
last stop of S(i) is taken and F(i+4) when the last bit of F(i) is; S first, where one nonzero does both. A string that
is over gives zero words as long as the other goes on.

A row ends where the next position lies in the next row, or the stream ends.

>>> import numpy as np
>>> layout = ColumnLayout(taps=1, channels=16)
>>> columns, values = np.array([0, 3, 1]), np.array([1, 2, -1], np.int8)
>>> rows = SparseRows(rows=np.arange(2), lengths=np.array([2, 1]), columns=columns, values=values)
>>> [f"{word:08x}" for word in encode(rows, layout)]    # gaps 0, 2, 13 with rice 0: stops at bits 0, 3, 17; S1 is empty
['30000002', '00020009', '00000000', '00ff0201']
>>> decode(encode(rows, layout), layout, row_numbers=[0, 1]).columns
array([0, 3, 1])
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows, StreamErrorKind
from openwork_hw.arch.weight_stream import Beat, Header, collect, parse_header, signed_byte

MAX_QUOTIENT = 15
MAX_RICE = 7
VALUE_BITS = 8
STOP_WORDS = 2
"""Stop words that a decoder holds."""
FIELD_WORDS = 4
"""Field words that a decoder holds."""


def pad_gaps(rows: SparseRows, layout: ColumnLayout, rice: int) -> SparseRows:
    """Break every gap whose quotient exceeds 15 by fillers: nonzeros of value 0 in legal columns, as far on as can be.

    Raises:
        ValueError: a gap between legal columns is longer than the code can say with this `rice`.
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
        outside = (filler & ((1 << layout.channel_bits) - 1)) >= layout.channels
        filler = np.where(outside, (filler >> layout.channel_bits << layout.channel_bits) + layout.channels - 1, filler)
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
    """The smallest `rice` that needs the fewest words.

    Raises:
        ValueError: columns are not ascending, or no `rice` can say the gaps between this layout's columns.
    """
    positions = _positions(rows, layout)
    steps = np.diff(positions, prepend=-1)
    if steps.min() < 1:
        raise ValueError("the columns of a packed row must ascend")
    unused = (1 << layout.channel_bits) - layout.channels
    costs = {}
    for rice in range(MAX_RICE + 1):
        span = (MAX_QUOTIENT + 1) << rice
        if int(steps.max()) > span:
            if unused >= span:
                continue
            padded = np.diff(_positions(pad_gaps(rows, layout, rice), layout), prepend=-1)
        else:
            padded = steps
        stops = int(((padded - 1) >> rice).sum()) + len(padded)
        costs[rice] = _words(stops) + _words(len(padded) * (VALUE_BITS + rice))
    if not costs:
        raise _unreachable(layout)
    return min(costs, key=lambda rice: costs[rice])


def prepare(rows: SparseRows, layout: ColumnLayout) -> SparseRows:
    """The rows as `encode` writes them, fillers included. Preparing twice changes nothing."""
    return pad_gaps(rows, layout, choose_rice(rows, layout))


def encode(rows: SparseRows, layout: ColumnLayout) -> NDArray[np.uint32]:
    """Write rows as packed words.

    Raises:
        ValueError: columns are not ascending within a row, or gaps cannot be written.
    """
    rice = choose_rice(rows, layout)
    rows = pad_gaps(rows, layout, rice)
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
    header = np.array([Header(Encoding.PACKED, len(rows.rows), rice).word], dtype=np.uint32)
    return np.concatenate([header, offered.astype(np.uint32)])


def late_cycles(rows: SparseRows, layout: ColumnLayout) -> int:
    """Cycles by which a decoder offers the last nonzero of prepared rows late: it looks for more stops before it.

    It searches a half of a stop word a cycle, and the first of them costs no time.
    """
    rice = choose_rice(rows, layout)
    stops = np.cumsum((np.diff(_positions(rows, layout), prepend=-1) - 1 >> rice) + 1) - 1
    is_stop, _ = _word_order(stops, VALUE_BITS + rice)
    halves_left = 2 * int(is_stop.sum()) - (int(stops[-1]) // 16 + 1)
    return max(halves_left - 1, 0)


def decode(words: NDArray[np.uint32], layout: ColumnLayout, row_numbers: Sequence[int]) -> SparseRows:
    """Read packed words.

    Raises:
        StreamError: the words are no legal stream of these rows.
    """
    header = parse_header(words, Encoding.PACKED)
    return collect(_beats(words[1:].tolist(), header.rice, layout.columns), header.rows, layout, row_numbers)


def _beats(words: list[int], rice: int, columns: int) -> Iterator[Beat]:
    """The decoder as the gateware has it: a request that finds no word left is answered by nothing."""
    halves: list[int] = []  # of the stop words
    fields: list[int] = []
    taken = 0

    def request(stop: bool) -> None:
        nonlocal taken
        if taken < len(words):
            word = words[taken]
            if stop:
                halves.extend((word & 0xFFFF, word >> 16))
            else:
                fields.append(word)
            taken += 1

    for index in range(STOP_WORDS + FIELD_WORDS):
        request(stop=index < STOP_WORDS)
    held: Beat | None = None
    field_bits = VALUE_BITS + rice
    half = -1
    stops = 0  # what is left of halves[half]
    previous_stop = -1
    column = -1
    offset = 0
    while True:
        if stops == 0:
            half += 1
            if half >= len(halves) or halves[half] == 0:
                break
            stops = halves[half]
        if offset + field_bits > 32 * len(fields):
            yield Beat(error=StreamErrorKind.TRUNCATED)
            return
        stop = (stops & -stops).bit_length() - 1
        stops &= stops - 1
        quotient = (stop - previous_stop - 1) % 16
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
        if stops == 0 and half % 2:
            request(stop=True)
        if offset % 32 + field_bits >= 32:
            request(stop=False)
        offset += field_bits
    if taken < len(words) or any(halves[half:]):
        yield Beat(error=StreamErrorKind.CODE)
        return
    if held is not None:
        yield held._replace(last=True)
    if offset < 32 * len(fields) and (fields[offset // 32] >> offset % 32 or any(fields[offset // 32 + 1 :])):
        yield Beat(error=StreamErrorKind.LENGTH)


def _word_order(stops: NDArray[np.int64], field_bits: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """For each word of a stream whose stops are at bits `stops`: whether it is a stop word, and which of its string."""
    stop_count = int(stops[-1]) // 32 + 1
    field_count = _words(len(stops) * field_bits)
    last_stops = np.searchsorted(stops >> 5, np.arange(stop_count), side="right") - 1
    last_fields = (np.arange(len(stops) * field_bits // 32) * 32 + 31) // field_bits
    keys = np.concatenate([np.full(STOP_WORDS, -2), 2 * last_stops, np.full(FIELD_WORDS, -1), 2 * last_fields + 1])
    is_stop = np.arange(len(keys)) < STOP_WORDS + stop_count
    index = np.concatenate([np.arange(is_stop.sum()), np.arange(len(keys) - is_stop.sum())])
    order = np.argsort(keys, kind="stable")
    real = index < np.where(is_stop, stop_count, field_count)
    order = order[: int(np.flatnonzero(real[order])[-1]) + 1]
    return is_stop[order], index[order]


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
