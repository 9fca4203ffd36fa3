"""Chooses which steps are fused, and how their rounds run, so that a network with maps in an external memory takes least time.

Dynamic programming over the cuts between fused steps, as in "Occam" (Gupta et al., TACO 2022, section 4): the best way to run the
first steps is the best last group of fused steps behind the best way to run those before. The time of a group is estimated from
the plans of its steps over whole maps; the chosen groups are planned exactly afterwards.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

from openwork.compiler.buffers import Buffer
from openwork.compiler.channel_parts import ChannelCuts
from openwork.compiler.errors import CompileError
from openwork.compiler.memory import Lifetime, allocate, need
from openwork.compiler.passes import plan_blocks
from openwork.compiler.predict import pass_cycles
from openwork.compiler.rounds import MapStep, Rounds, Stay, Variant, moves_of, rounds_of
from openwork.compiler.schedule import Run
from openwork.compiler.spilled_plan import Times, part_cycles
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import BETWEEN_CYCLES, READ_CYCLES

CHANNELS = (128, 64, 32, 16)
"""How many channels parts of maps have at most that are computed after each other."""

FEW_CHANNELS = (8, 4, 2, 1)
"""Likewise, for a step that fits in no other way, whatever is fused with it."""

MOST_PARTS = 20
"""Parts of a map at most: more would take long to plan, and bring little."""

Progress = Callable[[Sequence[int], str], Iterable[int]]
"""Wraps the steps of a loop, and shows a title and how many steps are done."""

MOST_FUSED = 8
"""Steps that are fused at most. To try longer groups, too, takes much longer."""

MOST_ROUNDS = 64
"""Rounds of several steps at most: passes over fewer pixels take much longer than their products."""

STRIPS = (1, 2, 3, 4, MOST_ROUNDS)
"""Rows of local pixels that are computed at a time: high strips share more of what they read, and low ones hold less."""

MORE_ROUNDS = (2, 4)
"""How many times the fewest rounds that fit are tried, too, where maps are moved beside passes."""

MOST_PIXELS = 1 << 20
"""More local pixels than any map has."""

COMMAND_CYCLES = BETWEEN_CYCLES + READ_CYCLES
"""What a short command takes besides the cycles that it reports."""

FETCHED_WORD_CYCLES = 2.1
"""Cycles in which a word of the image comes out of an SDRAM with 16 data pins; less with 32. Used for estimates alone."""


@dataclass(frozen=True)
class StepCost:
    """What the passes of a step take, for any number of pixels.

    Attributes:
        blocks: for each block of rows, the cycles of a pass besides its pixels, the cycles per pixel, the most pixels of a pass,
            the words of the image that a pass uses besides its tap table, and those of the tap table per pixel.
    """

    blocks: tuple[tuple[int, int, int, int, int], ...]

    @classmethod
    def of(cls, step: MapStep, config: ArrayConfig, encoding: Encoding, most_words: int | None) -> "StepCost":
        """From the plan of the step over the whole map.

        Raises:
            CompileError: as `plan_blocks`.
        """
        blocks = []
        for plan in plan_blocks(Run(step.form, step.inputs, step.output), config, encoding, most_words):
            lengths = [stream.rows.lengths for stream in plan.streams]
            table = 1 << bits_for(plan.block.layout.taps)
            one, two = (pass_cycles(config, encoding, hold, hold * table, lengths) for hold in (1, 2))
            most = max(plan.holds)
            blocks.append((2 * one - two, two - one, most, plan.words(config) - most * table, table))
        return cls(tuple(blocks))

    def cycles(self, stretches: Sequence[int]) -> tuple[int, int]:
        """Cycles of all passes over pixels that lie in stretches of these lengths, and the words of the image that they use."""
        cycles = words = 0
        for fixed, each, most, used, table in self.blocks:
            for stretch in stretches:
                passes = -(-stretch // most)
                cycles += passes * (fixed + COMMAND_CYCLES) + stretch * each
                words += passes * used + stretch * table
        return cycles, words


@dataclass(frozen=True, eq=False)
class FusedSteps:
    """Steps that run in rounds, and where their pixels lie.

    Attributes:
        rounds: how they run.
        addresses: for each of `rounds.stays`, its word address.
        cost: estimated cycles.
    """

    rounds: Rounds
    addresses: tuple[int, ...]
    cost: int


class _Fuser:
    """Finds the cheapest groups, and remembers what steps cost."""

    def __init__(self, config: ArrayConfig, encoding: Encoding, most_words: int | None) -> None:
        self._config, self._encoding, self._most_words = config, encoding, most_words
        self._cuts = ChannelCuts()
        self._costs: dict[MapStep, StepCost | None] = {}
        self._errors: dict[MapStep, CompileError] = {}

    def cheapest(self, steps: Sequence[MapStep], stored: frozenset[Buffer], limit: int | None) -> FusedSteps | None:
        """The cheapest way to run these steps fused; None if none fits or none takes less than `limit`."""
        found = self._cheapest(steps, stored, limit)
        for channels in CHANNELS:
            if max(one.output.shape[0] for one in steps) <= MOST_PARTS * channels:
                found = self._cheapest_cut(steps, stored, channels, found.cost if found else limit) or found
        return found

    def in_few_channels(self, steps: Sequence[MapStep], stored: frozenset[Buffer]) -> FusedSteps | None:
        """A way to run these steps with very few channels after each other; None if none fits."""
        ways = (self._cheapest_cut(steps, stored, channels, None) for channels in FEW_CHANNELS)
        return next((found for found in ways if found is not None), None)

    def _cheapest_cut(
        self, steps: Sequence[MapStep], stored: frozenset[Buffer], channels: int, limit: int | None
    ) -> FusedSteps | None:
        """The cheapest way to run these steps with at most so many channels after each other."""
        made = self._cuts.cut(steps, channels)
        if made is None:
            return None
        cut, parts = made
        kept = frozenset(part for whole in stored for part in parts.get(whole, (whole,)))
        return self._cheapest(cut, kept, limit)

    def _cheapest(self, steps: Sequence[MapStep], stored: frozenset[Buffer], limit: int | None) -> FusedSteps | None:
        costs = [cost for one in steps if (cost := self._cost(one)) is not None]
        if len(costs) < len(steps):
            return None
        least = self._least(steps, costs, stored)
        found: FusedSteps | None = None
        ways = _Ways(steps, stored)
        hopeless = set()
        for variants in _variants(steps, MOST_ROUNDS if limit is not None else MOST_PIXELS):
            _, strip, _, _, ahead, behind = variants[0]
            if (strip, ahead, behind) in hopeless or (limit is not None and least[ahead > 0] >= limit):
                continue
            rounds = _fewest(ways, variants, self._config)
            if rounds is None:
                if variants[0].split and not variants[0].kept:
                    hopeless.add((strip, ahead, behind))  # Nothing takes fewer words.
                continue
            if found and rounds.variant.rounds == found.rounds.variant.rounds == 1:
                break  # All variants are the same then.
            for one in (rounds, *_more(rounds, ways, variants)):
                cycles = _cost(one, costs, self._config)
                if limit is not None and cycles >= limit:
                    continue
                if (addresses := _addresses(one, self._config)) is None:
                    continue
                found, limit = FusedSteps(one, addresses, cycles), cycles
        return found

    def reason(self, steps: Sequence[MapStep]) -> CompileError:
        """Why a step alone does not fit.

        Args:
            steps: what is computed for it.
        """
        for error in (self._errors[one] for one in steps if one in self._errors):
            return error
        ways = [cut[0] for channels in FEW_CHANNELS if (cut := self._cuts.cut(steps, channels)) is not None]
        made = steps[-1].output
        needed = min(
            rounds_of(way, frozenset(whole for whole in _made(way) if whole.tensor == made.tensor), variants[-1]).peak
            for way in (steps, *ways)
            for variants in _variants(way, MOST_PIXELS)
        )
        return CompileError(
            f"step {steps[-1].form.name!r}: one local pixel and what it reads take {needed:,} feature words per PE, and there are "
            f"{self._config.feature_words:,}: use an array with more of them",
            need=needed,
        )

    def _cost(self, step: MapStep) -> StepCost | None:
        if step not in self._costs:
            try:
                self._costs[step] = StepCost.of(step, self._config, self._encoding, self._most_words)
            except CompileError as error:
                self._errors[step] = error
                self._costs[step] = None
        return self._costs[step]

    def _least(self, steps: Sequence[MapStep], costs: Sequence[StepCost], stored: frozenset[Buffer]) -> tuple[int, int]:
        """Lower bounds of the cost, where nothing moves beside passes and where it does: every pixel is moved and computed once."""
        computing = sum(cost.cycles([len(one.output.pixels)])[0] for one, cost in zip(steps, costs, strict=True))
        loaded = {one for step in steps for one in step.inputs} - _made(steps)
        moving = sum(part_cycles(self._config, whole, whole.words, store=False) for whole in loaded)
        moving += sum(part_cycles(self._config, whole, whole.words, store=True) for whole in stored)
        return computing + moving, max(computing, moving)


def fuse(
    steps: Sequence[Sequence[MapStep]],
    config: ArrayConfig,
    encoding: Encoding,
    most_words: int | None,
    progress: Progress,
    most_cycles: int | None = None,
) -> list[FusedSteps]:
    """The groups of fused steps with the least estimated time, in order.

    Args:
        steps: for each step of the head of a network, what is computed for it; the last one makes its output.
        most_words: words of the image that one pass may use.
        progress: shows for how many steps the best groups are known.
        most_cycles: what another division of the maps takes; None if there is none.

    Raises:
        CompileError: a step does not fit, whatever is fused; or all steps take more than `most_cycles`.
    """
    fuser = _Fuser(config, encoding, most_words)
    last_read = {each[-1].output: len(steps) for each in steps[-1:]}
    for number, each in enumerate(steps):
        last_read.update({source: max(last_read.get(source, 0), number) for one in each for source in one.inputs})
    best: list[tuple[int, list[FusedSteps]]] = [(0, [])]
    for end in progress(range(1, len(steps) + 1), "choosing which layers are fused"):
        stored = {whole for each in steps[:end] for whole in _made(each) if last_read.get(whole, -1) >= end}
        found: tuple[int, list[FusedSteps]] | None = None
        for first in range(end - 1, max(end - 1 - MOST_FUSED, -1), -1):
            limit = None if found is None else found[0] - best[first][0]
            some = [one for each in steps[first:end] for one in each]
            group = fuser.cheapest(some, _made(some) & stored, limit)
            if group is not None:
                found = best[first][0] + group.cost, [*best[first][1], group]
        if found is None:
            alone = steps[end - 1]
            group = fuser.in_few_channels(alone, _made(alone) & stored)
            if group is None:
                raise fuser.reason(alone)
            found = best[end - 1][0] + group.cost, [*best[end - 1][1], group]
        if most_cycles is not None and found[0] > most_cycles:
            raise CompileError(f"the maps take fewer than {found[0]:,} cycles if they are divided in another way")
        best.append(found)
    return best[-1][1]


def _made(steps: Sequence[MapStep]) -> frozenset[Buffer]:
    return frozenset(one.output for one in steps)


def _variants(steps: Sequence[MapStep], most: int) -> Iterator[list[Variant]]:
    """Ways to run fused steps; in each list only the number of rounds differs, and it ascends.

    Args:
        most: the most rounds, unless every round has a single pixel.
    """
    output, turns = steps[-1].output, len(steps)
    pixels = output.block[0] * output.block[1]
    counts = sorted({count for each in range(1, pixels + 1) if (count := ceil(pixels / each)) <= most})
    strips = sorted({min(rows, output.block[0]) for rows in STRIPS}) if output.block[1] > 1 else [1]
    beside = sorted({(turns, turns), (turns, 1), (1, turns), (1, 1), (0, 0)}, reverse=True)
    for (ahead, behind), strip in product(beside, strips):
        share = strip / output.block[0]
        for kept in (
            lambda _: 0,
            lambda _: 1,
            lambda _: 2,
            lambda count, share=share: ceil(count * share) + 1,
            lambda count: count,
        ):
            for split in (True, False):
                yield [Variant(count, strip, kept(count), split, ahead, behind) for count in counts]


class _Ways:
    """Ways to run the same fused steps. What is computed and held for how long does not depend on when it is loaded and stored."""

    def __init__(self, steps: Sequence[MapStep], stored: frozenset[Buffer]) -> None:
        self._steps, self._stored = steps, stored
        self._found: dict[Variant, Rounds] = {}

    def run(self, variant: Variant) -> Rounds:
        """The steps in the rounds of a variant."""
        alone = variant._replace(ahead=0, behind=0)
        if alone not in self._found:
            self._found[alone] = rounds_of(self._steps, self._stored, alone)
        return self._found[alone].moved(variant.ahead, variant.behind)


def _fewest(ways: _Ways, variants: Sequence[Variant], config: ArrayConfig) -> Rounds | None:
    """The variant with the fewest rounds that fits the feature memory. Few rounds are tried first: they take less time to try."""
    first, last = 0, 0
    while (fitting := ways.run(variants[last])).peak > config.feature_words:
        first, last = last + 1, min(2 * last + 1, len(variants) - 1)
        if first == len(variants):
            return None
    while first < last:
        middle = (first + last) // 2
        rounds = ways.run(variants[middle])
        if rounds.peak <= config.feature_words:
            fitting, last = rounds, middle
        else:
            first = middle + 1
    return fitting


def _more(fewest: Rounds, ways: _Ways, variants: Sequence[Variant]) -> Iterator[Rounds]:
    """More rounds than fit: maps of the first round, which nothing comes before, and of the last one are smaller then."""
    if not fewest.variant.ahead:
        return
    for times in MORE_ROUNDS:
        for variant in variants:
            if variant.rounds >= times * fewest.variant.rounds:
                yield ways.run(variant)
                break


def _addresses(rounds: Rounds, config: ArrayConfig) -> tuple[int, ...] | None:
    """A word address for each stay, so that no two of them overlap; None if the feature memory is too small for that."""
    lives = [Lifetime(f"{number:06}", stay.words, *rounds.held(stay)) for number, stay in enumerate(rounds.stays)]
    addresses = allocate(lives)
    if need(lives, addresses) > config.feature_words:
        return None
    return tuple(addresses[one.name] for one in lives)


def _cost(rounds: Rounds, costs: Sequence[StepCost], config: ArrayConfig) -> int:
    """Estimated cycles. Words of the image come beside running passes."""
    stretches: dict[int, list[int]] = defaultdict(list)
    for stay in rounds.stays:
        if not stay.loaded:
            stretches[stay.born].append(stay.bits.bit_count())
    times, words, waiting = Times(), 0, 0
    around, rest = moves_of(rounds)
    for turn, urgent, beside, due in around:
        computing, used = costs[turn % len(rounds.steps)].cycles(stretches[turn])
        first, later = _moving(urgent, config), _moving(beside, config)
        times.turn(turn, first, later, due, computing)
        words, waiting = words + used, waiting + first
    last = _moving(rest, config)
    return max(times.end(last), round(words * FETCHED_WORD_CYCLES) + waiting + last)


def _moving(stays: Iterable[Stay], config: ArrayConfig) -> int:
    return sum(part_cycles(config, stay.of, stay.words, store=not stay.loaded) for stay in stays)
