"""When the decoders offer the nonzeros of a stream, if words come every cycle: the gateware's decoders, event by event.

A decoder here is a generator. It yields, for each nonzero, the first cycle in which its output register holds it, and is
sent the cycle in which the nonzero leaves that register; at the end it returns the first cycle in which it is exhausted.
Cycles count from a feeder's start; the header is taken in cycle 1.
"""

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch import packed
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows

Decoder = Generator[int, int, int]

FIRST_WORD = 4
"""Cycle in which the first word after the header is taken."""

WORD_BYTES = 4
HALF_BITS = 16
REQUEST_CYCLES = 2
"""From the stop or field that frees a word to the first cycle in which the word that takes its place can come."""

STEADY_STOPS = 6
"""Where each stop word but the last two has so many stops, and each field at most"""

STEADY_FIELD_BITS = 9
"""so many bits, a packed stream gives a nonzero a cycle."""

PACKED_STAGES = 6
"""Steps of the packed decoder from a stop and its field to the nonzero's column."""


def decoder(encoding: Encoding, rows: SparseRows, layout: ColumnLayout) -> Decoder:
    """The decoder of one stream; `rows` as `encodings.prepare` gives them."""
    if encoding is Encoding.PACKED:
        return _packed(rows, layout)
    return _csr(rows.lengths) if encoding is Encoding.CSR else _triplet(rows.nonzeros)


class _Gearbox:
    """Words in, bytes out: a buffer of two words."""

    def __init__(self) -> None:
        self._taken = FIRST_WORD - 1  # cycle of the latest word
        self._words = 0
        self._uses: list[tuple[int, int]] = []  # end byte and cycle of what was used and may still hold up a word
        self._ahead = 0

    def ready(self, end: int) -> int:
        """First cycle in which all bytes before `end` show."""
        while self._words * WORD_BYTES < end:
            room = 0
            while self._ahead < len(self._uses) and room == 0 and self._words > 1:
                used, cycle = self._uses[self._ahead]
                if used >= (self._words - 1) * WORD_BYTES:
                    room = cycle
                else:
                    self._ahead += 1
            self._taken = max(self._taken + 1, room)
            self._words += 1
        return self._taken + 1

    def use(self, end: int, cycle: int) -> None:
        """Bytes before `end` leave."""
        self._uses.append((end, cycle))


def _csr(lengths: NDArray[np.int64]) -> Decoder:
    gearbox = _Gearbox()
    left = 0  # cycle in which the nonzero before left the output
    end = 0
    for length in lengths.tolist():
        end += 2
        for _ in range(length):
            end += 3
            cycle = max(left, gearbox.ready(end))
            gearbox.use(end, cycle)
            left = yield cycle + 1
    return left + 1


def _triplet(nonzeros: int) -> Decoder:
    gearbox = _Gearbox()
    left = 0
    cycle = gearbox.ready(5)
    gearbox.use(5, cycle)
    for index in range(1, nonzeros):  # each shows whether the one before, which is held, ends its row
        end = 5 * (index + 1)
        cycle = max(cycle + 1, left, gearbox.ready(end))
        gearbox.use(end, cycle)
        left = yield cycle + 1
    left = yield max(cycle + 1, left) + 1
    return left + 1


class PackedStream:
    """Where the stops and fields of a packed stream lie, and the order of its words.

    Attributes:
        field_bits: of each nonzero.
        halves: int64 [nonzeros], the half of a stop word that holds each stop.
        stop_words, field_words: in the stream, stand-ins included.
        order: for each word, whether it is a stop word, and its number among those of its kind.
    """

    def __init__(self, rows: SparseRows, layout: ColumnLayout) -> None:
        rice = packed.choose_rice(rows, layout)
        positions = np.repeat(np.arange(len(rows.rows)), rows.lengths) * layout.columns + rows.columns
        quotients = np.diff(positions, prepend=-1) - 1 >> rice
        self.field_bits = packed.VALUE_BITS + rice
        self.halves = np.cumsum(quotients + 1) - 1 >> 4
        count = rows.nonzeros
        real_stops = int(self.halves[-1]) // 2 + 1
        real_fields = -(-count * self.field_bits // 32)
        last_of_word = np.searchsorted(self.halves // 2, np.arange(real_stops), side="right") - 1
        stop_keys = [-1] * packed.STOP_WORDS + last_of_word.tolist()
        field_keys = [-1] * packed.FIELD_WORDS + [(32 * i + 31) // self.field_bits for i in range(real_fields)]
        keyed = sorted(
            [(key, 0, i) for i, key in enumerate(stop_keys) if key < count]
            + [(key, 1, i) for i, key in enumerate(field_keys) if key < count]
        )
        while keyed[-1][2] >= (real_fields if keyed[-1][1] else real_stops):
            keyed.pop()
        self.order = [(kind == 0, i) for _, kind, i in keyed]
        self.stop_words = sum(stop for stop, _ in self.order)
        self.field_words = len(self.order) - self.stop_words

    @property
    def regular(self) -> bool:
        """The words come fast enough for a nonzero a cycle, until the last."""
        stops = np.bincount(self.halves // 2)
        return self.field_bits <= STEADY_FIELD_BITS and bool((stops[:-2] >= STEADY_STOPS).all())

    @property
    def last_delay(self) -> int:
        """Cycles that the last nonzero is late, since zero halves of stops follow it."""
        return max(2 * self.stop_words - 1 - int(self.halves[-1]), 1) - 1

    @property
    def tail(self) -> int:
        """Steps that the padding behind the last field takes."""
        return -(-(32 * self.field_words - len(self.halves) * self.field_bits) // self.field_bits)


def _packed(rows: SparseRows, layout: ColumnLayout) -> Decoder:
    strings = PackedStream(rows, layout)
    count, bits, halves = rows.nonzeros, strings.field_bits, strings.halves.tolist()
    stop_taken: list[int] = []  # cycle in which each word is taken
    field_taken: list[int] = []
    taken = FIRST_WORD - 1
    stop_following: list[int] = []  # for each half: cycle in which it moves into `following`, and into `half`
    stop_loaded: list[int] = []
    last_stop: dict[int, int] = {}  # for each half: cycle in which its last stop is taken
    field_next: list[int] = []  # for each word: cycle in which it moves up to the queue's head
    field_word: list[int] = []  # for each word: cycle in which it moves into `word`
    field_high: list[int] = []  # for each half: into `high`, and into `low`
    field_low: list[int] = []
    left_low: dict[int, int] = {}  # for each half: cycle in which a take moves it out of `low`
    stop_asked: dict[int, int] = {}  # for each word: cycle in which its request shows
    field_asked: dict[int, int] = {}

    def load_stop_half(half: int) -> int:
        while len(stop_loaded) <= half:
            h = len(stop_loaded)
            before = stop_loaded[h - 1] if h else 0
            arrived = take_stop_word(h // 2) if h % 2 == 0 else follow_stop_half(h - 1)
            if len(stop_following) == h:
                stop_following.append(max(arrived + 1, before))
            drained = 0 if not h else last_stop[h - 1] if h - 1 in last_stop else before + 1
            stop_loaded.append(max(stop_following[h] + 1, drained))
        return stop_loaded[half]

    def follow_stop_half(half: int) -> int:
        if len(stop_following) <= half:
            if half % 2 == 0:
                load_stop_half(half)
            else:
                stop_following.append(max(follow_stop_half(half - 1) + 1, load_stop_half(half - 1)))
        return stop_following[half]

    def take_stop_word(number: int) -> int:
        while len(stop_taken) <= number:
            take_word()
        return stop_taken[number]

    def load_field_half(half: int) -> int:
        """Into `high`."""
        while len(field_high) <= half:
            h = len(field_high)
            if h == 2 * strings.field_words:  # zeros, once nothing else can follow
                field_high.append(max(max(ended(), field_high[h - 1] + 1) + 1, lower_field_half(h - 1)))
            elif h % 2 == 0 and h < 2 * strings.field_words:
                field_high.append(max(move_field_word(h // 2) + 1, lower_field_half(h - 1) if h else 0))
            else:
                field_high.append(max(field_high[h - 1] + 1, lower_field_half(h - 1)))
        return field_high[half]

    def lower_field_half(half: int) -> int:
        """Into `low`."""
        while len(field_low) <= half:
            h = len(field_low)
            field_low.append(max(load_field_half(h) + 1, left_low[h - 1] if h else 0))
        return field_low[half]

    def move_field_word(number: int) -> int:
        while len(field_word) <= number:
            i = len(field_word)
            field_word.append(max(queue_field_word(i) + 1, load_field_half(2 * i - 1) if i else 0))
        return field_word[number]

    def queue_field_word(number: int) -> int:
        while len(field_next) <= number:
            i = len(field_next)
            while len(field_taken) <= i:
                take_word()
            field_next.append(max(field_taken[i], move_field_word(i - 1) if i else 0) + 1)
        return field_next[number]

    def take_word() -> None:
        nonlocal taken
        is_stop, number = strings.order[len(stop_taken) + len(field_taken)]
        if is_stop:
            room = follow_stop_half(2 * number - 1) + 1 if number else 0
            asked = stop_asked.get(number, 0)
            taken = max(taken + 1, asked, room)
            stop_taken.append(taken)
        else:
            room = queue_field_word(number - 1) + 1 if number else 0
            asked = field_asked.get(number, 0)
            taken = max(taken + 1, asked, room)
            field_taken.append(taken)

    def ended() -> int:
        while len(stop_taken) + len(field_taken) < len(strings.order):
            take_word()
        return taken + 1

    def field_ready(position: int) -> int:
        half = position // HALF_BITS
        return max(lower_field_half(half), load_field_half(half + 1)) + 1

    waits: list[tuple[int, int]] = []  # cycles in which the decoder stands: from, until

    def running(cycle: int) -> int:
        """The first cycle from `cycle` on in which the decoder moves."""
        for start, stop in reversed(waits):
            if stop <= cycle:
                break
            if start <= cycle:
                return stop
        return cycle

    def through(cycle: int) -> int:
        """`cycle`, PACKED_STAGES steps later."""
        for _ in range(PACKED_STAGES):
            cycle = running(cycle + 1)
        return cycle

    def take_field(position: int, cycle: int) -> None:
        if position % HALF_BITS + bits >= HALF_BITS:
            left_low[position // HALF_BITS] = cycle

    cycle = 0
    for index in range(count):
        half = halves[index]
        cycle = running(max(cycle + 1, load_stop_half(half) + 1, field_ready(index * bits)))
        take_field(index * bits, cycle)
        frees_stop = False
        if index + 1 == count or halves[index + 1] != half:
            last_stop[half] = cycle
            frees_stop = half % 2 == 1
            if frees_stop:
                stop_asked[half // 2 + packed.STOP_WORDS] = cycle + REQUEST_CYCLES
        if (index * bits) % (2 * HALF_BITS) + bits >= 2 * HALF_BITS:
            word = index * bits // (2 * HALF_BITS)
            field_asked[word + packed.FIELD_WORDS] = cycle + REQUEST_CYCLES + frees_stop
        if index:
            offered = through(cycle) + 1
            left = yield offered
            if left > offered:
                waits.append((offered, left))
    everything = ended()
    empty = max(cycle, load_stop_half(2 * strings.stop_words - 1)) + 1
    cycle = running(max(empty, everything))
    offered = through(cycle) + 1
    left = yield offered
    if left > offered:
        waits.append((offered, left))
    position = count * bits
    while True:
        cycle = running(max(cycle + 1, field_ready(position)))
        if position >= 32 * strings.field_words:
            return through(cycle) + 1
        take_field(position, cycle)
        position += bits
