"""Rounds: which local pixels fused steps compute, keep and drop, one part of the result after the other.

Steps are *fused* if they run in turns, so that maps between them never leave the feature memories. In each *round* the steps
compute, one after the other, what the round's part of the result needs and what is not there from earlier rounds. Local pixels
are bits of an int: bit p is local pixel p of every block.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from openwork.compiler.addressing import read_pixels
from openwork.compiler.buffers import Buffer
from openwork.operations.form import Form


@dataclass(frozen=True, eq=False)
class MapStep:
    """A step of the network, or some rows of it, that computes a map from maps.

    Attributes:
        form: the rows.
        inputs: the whole maps that they read, one for each input of the form.
        output: the whole map that they make.
    """

    form: Form
    inputs: tuple[Buffer, ...]
    output: Buffer

    @cached_property
    def reads(self) -> Mapping[Buffer, tuple[int, ...]]:
        """For each map that is read, and each local pixel of the output, the local pixels that are read for it, as bits.

        Raises:
            CompileError: a tap reaches further than a neighbour.
        """
        numbers: dict[Buffer, list[int]] = defaultdict(list)
        for number, source in enumerate(self.inputs):
            numbers[source].append(number)
        return {
            source: tuple(bits_of(pixels) for pixels in read_pixels(self.form, which, source, self.output))
            for source, which in numbers.items()
        }

    def read_for(self, source: Buffer, pixels: int) -> int:
        """The local pixels of a map that are read for some local pixels of the output; all as bits."""
        known = self._read[source]
        if pixels not in known:
            each, found = self.reads[source], 0
            for pixel in pixels_of(pixels):
                found |= each[pixel]
            # Pixels outside the map read nothing, and a tap table must point at something.
            known[pixels] = found or int(pixels != 0)
        return known[pixels]

    @cached_property
    def _read(self) -> dict[Buffer, dict[int, int]]:
        return {source: {} for source in self.reads}


class Variant(NamedTuple):
    """A way to run fused steps.

    Attributes:
        rounds: how many rounds.
        strip: how many rows of local pixels the result is computed in at a time. Within a strip the parts follow each other
            column by column.
        kept: a local pixel that was needed stays if it is needed again within so many rounds; otherwise it is computed or loaded
            again.
        split: whether pixels of a round that are needed for different times lie apart. Then more passes write them, and fewer
            words are held.
        ahead: how many turns before the turn that first reads them pixels begin to be loaded. Passes wait less for what is loaded
            beside earlier passes, and more words are held.
        behind: likewise, for how many turns behind the one that computes them pixels may be stored.
    """

    rounds: int
    strip: int
    kept: int
    split: bool
    ahead: int = 0
    behind: int = 0


@dataclass(frozen=True, eq=False)
class Stay:
    """Local pixels of a map that come to the feature memory together and leave together.

    Time counts the turns of steps: that of step s in round r is r * steps + s.

    Attributes:
        of: the whole map.
        bits: the local pixels, as bits.
        born: the turn in which they are computed, or first read.
        dies: the turn in which they are last read, or `born`.
        stored: whether they go to the external memory when they have been computed.
        loaded: whether they come from there.
    """

    of: Buffer
    bits: int
    born: int
    dies: int
    stored: bool
    loaded: bool

    @property
    def pixels(self) -> tuple[int, ...]:
        """The local pixels, in the order in which they lie there."""
        return tuple(pixels_of(self.bits))

    @cached_property
    def words(self) -> int:
        """Feature words per PE."""
        return self.bits.bit_count() * self.of.shape[0]


class Moves(NamedTuple):
    """What moves between the feature memories and the external memory around a turn.

    Attributes:
        turn: the number of the turn.
        urgent: what must be over before the turn's passes begin.
        beside: what moves beside the passes.
        due: the turn before whose passes that must be over; None if nothing moves beside.
    """

    turn: int
    urgent: list[Stay]
    beside: list[Stay]
    due: int | None


@dataclass(frozen=True, eq=False)
class Rounds:
    """Fused steps in rounds.

    Attributes:
        steps: in order.
        variant: how they run.
        stays: all pixels of all maps, in the order of their turns.
        reads: for each turn and each map that its step reads, the local pixels that it reads, as bits.
        peak: the most feature words per PE that are held in a turn.
    """

    steps: tuple[MapStep, ...]
    variant: Variant
    stays: tuple[Stay, ...]
    reads: Mapping[tuple[int, Buffer], int]
    peak: int

    def moved(self, ahead: int, behind: int) -> "Rounds":
        """The same with other times to load and to store."""
        variant = self.variant._replace(ahead=ahead, behind=behind)
        return replace(self, variant=variant, peak=_peak(self.stays, variant))

    def held(self, stay: Stay) -> tuple[int, int]:
        """The first and the last turn in which words hold a stay."""
        return _held(stay, self.variant)


def pixels_of(bits: int) -> Iterator[int]:
    """The local pixels, ascending."""
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


def bits_of(pixels: Sequence[int] | frozenset[int]) -> int:
    """Local pixels as bits."""
    bits = 0
    for pixel in pixels:
        bits |= 1 << pixel
    return bits


def rounds_of(steps: Sequence[MapStep], stored: frozenset[Buffer], variant: Variant) -> Rounds:
    """Run fused steps in rounds.

    Args:
        stored: the outputs that are read after these steps. Every one of them is computed whole.
    """
    turns = len(steps)
    needed: dict[Buffer, list[int]] = {}
    readers: dict[Buffer, list[int]] = defaultdict(list)
    reads: dict[tuple[int, Buffer], int] = {}
    new: dict[Buffer, list[int]] = {}
    gone: dict[Buffer, list[int]] = {}
    own = {one.output: _parts(one.output, variant) for one in steps if one.output in stored}

    def settle(whole: Buffer) -> None:
        new[whole], gone[whole] = _come_and_go(needed.pop(whole, [0] * variant.rounds), variant.kept)

    for number, one in reversed(list(enumerate(steps))):
        # What is stored is computed in its round at the latest, and stored as soon as it is computed.
        wanted, seen = needed.setdefault(one.output, [0] * variant.rounds), 0
        for place, part in enumerate(own.get(one.output, ())):
            wanted[place] |= part & ~seen
            seen |= wanted[place]
        settle(one.output)
        for source in one.reads:
            wanted = needed.setdefault(source, [0] * variant.rounds)
            readers[source].append(number)
            for place, made in enumerate(new[one.output]):
                reads[place * turns + number, source] = bits = one.read_for(source, made)
                wanted[place] |= bits
    for source in list(needed):
        settle(source)
    makers = {one.output: number for number, one in enumerate(steps)}
    stays: list[Stay] = []
    for whole in new:
        lives = _lives(
            makers.get(whole), [(number, whole) for number in readers[whole]], reads, turns, new[whole], gone[whole]
        )
        stays += _together(whole, lives, variant.split, stored=whole in own, loaded=whole not in makers)
    stays.sort(key=lambda stay: stay.born)
    return Rounds(tuple(steps), variant, tuple(stays), reads, _peak(stays, variant))


def _held(stay: Stay, variant: Variant) -> tuple[int, int]:
    if stay.loaded:
        return max(stay.born - variant.ahead, 0), stay.dies
    return stay.born, max(stay.dies, stay.born + variant.behind) if stay.stored else stay.dies


def moves_of(rounds: Rounds, addresses: Sequence[int] | None = None) -> tuple[list[Moves], list[Stay]]:
    """What moves around each turn that computes something, and what is stored behind the last one.

    Maps are moved one after the other beside commands, and a command can wait until all that has begun is over. So the passes of a
    turn wait for what they read, and for words that they write and from which something is still stored.

    Args:
        addresses: of the stays; None if they are not known, and any words may be written that may be given to others.
    """
    loads: dict[int, list[Stay]] = defaultdict(list)
    stores: dict[int, list[Stay]] = defaultdict(list)
    turns = sorted({stay.born for stay in rounds.stays if not stay.loaded})
    for stay in rounds.stays:
        if stay.loaded:
            loads[turns[bisect_left(turns, rounds.held(stay)[0])]].append(stay)
        elif stay.stored:
            stores[stay.born].append(stay)
    given = {} if addresses is None else _given(rounds.stays, addresses, turns, loads)
    found = []
    left: list[Stay] = []
    for turn in turns:
        around = Moves(turn, [], [], None)
        for stay in (*left, *loads[turn]):
            due = stay.born if stay.loaded else given.get(stay, rounds.held(stay)[1] + 1)
            if due <= turn:
                around.urgent.append(stay)
            else:
                around.beside.append(stay)
                around = around._replace(due=due if around.due is None else min(due, around.due))
        found.append(around)
        left = stores[turn]
    return found, left


def _given(
    stays: Sequence[Stay], addresses: Sequence[int], turns: Sequence[int], loads: Mapping[int, Sequence[Stay]]
) -> dict[Stay, int]:
    """For each stay that is stored, the first turn whose passes, or whose own loads, write some of its words.

    It is the one behind all turns if none does. What is loaded for later turns is loaded behind what is stored.
    """
    made: dict[int, list[tuple[int, int]]] = defaultdict(list)
    own = {stay for turn, some in loads.items() for stay in some if stay.born <= turn}
    for stay, address in zip(stays, addresses, strict=True):
        if not stay.loaded or stay in own:
            made[stay.born].append((address, address + stay.words))
    return {
        stay: next(
            (
                turn
                for turn in turns[bisect_right(turns, stay.born) :]
                if any(begin < address + stay.words and address < end for begin, end in made[turn])
            ),
            turns[-1] + 1,
        )
        for stay, address in zip(stays, addresses, strict=True)
        if stay.stored
    }


def _parts(whole: Buffer, variant: Variant) -> list[int]:
    """The local pixels of a map in parts of nearly equal size, one per round."""
    rows, across = whole.block
    pixels = [
        row * across + column
        for top in range(0, rows, variant.strip)
        for column in range(across)
        for row in range(top, min(top + variant.strip, rows))
    ]
    ends = [len(pixels) * number // variant.rounds for number in range(variant.rounds + 1)]
    return [bits_of(pixels[first:last]) for first, last in pairwise(ends)]


def _come_and_go(needed: Sequence[int], kept: int) -> tuple[list[int], list[int]]:
    """For each round the pixels that come, and those that leave behind it."""
    new, gone = [], []
    held = 0
    soon = _next(needed, kept)
    for place, wanted in enumerate(needed):
        new.append(wanted & ~held)
        there = held | wanted
        held = there & soon[place]
        gone.append(there & ~held)
    return new, gone


def _next(needed: Sequence[int], kept: int) -> list[int]:
    """For each round the pixels that are needed in one of the `kept` rounds behind it."""
    if kept < 1:
        return [0] * len(needed)
    # What is needed in `length` rounds from each round on, for powers of two.
    ahead, length = [*needed[1:], 0], 1
    while 2 * length <= kept:
        ahead = [one | other for one, other in zip(ahead, [*ahead[length:], *[0] * length], strict=True)][: len(needed)]
        length *= 2
    rest = kept - length
    return [one | other for one, other in zip(ahead, [*ahead[rest:], *[0] * rest][: len(needed)], strict=True)]


def _lives(
    maker: int | None,
    readers: Sequence[tuple[int, Buffer]],
    reads: Mapping[tuple[int, Buffer], int],
    turns: int,
    new: Sequence[int],
    gone: Sequence[int],
) -> Iterator[tuple[int, int, int]]:
    """Pixels of a map that come in the same turn and are used last in the same turn: both turns, and the pixels as bits.

    Args:
        maker: the step that computes the map; None for a map that is loaded before the step that first reads it.
        readers: the steps that read the map, and the map, the last step first.
        new, gone: for each round the pixels that come and those that leave.
    """
    there: dict[int, int] = {}
    for place, (come, leave) in enumerate(zip(new, gone, strict=True)):
        if not come | leave:
            continue
        uses = [(place * turns + reader, reads[place * turns + reader, whole]) for reader, whole in readers]
        for turn, bits in reversed(uses) if maker is None else [(place * turns + maker, come)]:
            if bits & come:
                there[turn] = bits & come
            come &= ~bits
        # Whatever no step reads leaves in the turn in which it came.
        for turn, bits in (*uses, (-1, leave)):
            if not (last := leave & bits):
                continue
            leave &= ~bits
            for born, held in list(there.items()):
                if part := held & last:
                    yield born, max(turn, born), part
                    there[born] = held & ~part
                    if held == part:
                        del there[born]


def _together(
    whole: Buffer, lives: Iterable[tuple[int, int, int]], split: bool, *, stored: bool, loaded: bool
) -> Iterator[Stay]:
    """The stays of a map: pixels that come together, and that leave together if `split`. A pixel is stored when it first comes."""
    parts: dict[int, dict[int, int]] = defaultdict(dict)
    for born, dies, bits in lives:
        parts[born][dies] = parts[born].get(dies, 0) | bits
    seen = 0
    for born in sorted(parts):
        found, together = parts[born], 0
        for bits in found.values():
            together |= bits
        for dies, bits in sorted(found.items()) if split else [(max(found), together)]:
            fresh = bits & ~seen if stored else 0
            if fresh:
                yield Stay(whole, fresh, born, dies, True, loaded)
            if bits != fresh:
                yield Stay(whole, bits ^ fresh, born, dies, False, loaded)
        seen |= together


def _peak(stays: Sequence[Stay], variant: Variant) -> int:
    changes: dict[int, int] = defaultdict(int)
    for stay in stays:
        first, last = _held(stay, variant)
        changes[first] += stay.words
        changes[last + 1] -= stay.words
    most = held = 0
    for turn in sorted(changes):
        held += changes[turn]
        most = max(most, held)
    return most
