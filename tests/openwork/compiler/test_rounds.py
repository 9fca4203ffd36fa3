"""Fused steps in rounds: whatever a step reads is there, everything that is stored is computed, and no word is used twice."""

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from itertools import product
from operator import or_

import numpy as np
import pytest
from tests.system.networks import Builder

from openwork.compiler.buffers import Buffer
from openwork.compiler.channel_parts import ChannelCuts
from openwork.compiler.forms import network_forms
from openwork.compiler.rounds import MapStep, Rounds, Stay, Variant, moves_of, pixels_of, rounds_of
from openwork.network import IntegerNetwork, MaxPool

ROW_GROUPS, LANES = 2, 3


def network() -> IntegerNetwork:
    """A map that is read twice, a pooling of two maps, a depthwise layer, a stride, a sum, and a residual."""
    net = Builder((3, 16, 12), zero_point=-9, seed=1)
    net.layer("stem", ("input",), 4, (3, 3), padding=(1, 1, 1, 1), low=-9)
    net.layer("side", ("stem",), 5, (1, 1))
    net.add(MaxPool(("stem", "side"), "largest", (3, 3), (1, 1), (1, 1, 1, 1)))
    net.layer("depthwise", ("largest",), 9, (3, 3), padding=(1, 1, 1, 1), groups=9, density=0.9)
    net.layer("joined", ("depthwise", "stem"), 6, (1, 1))
    net.layer("half", ("joined",), 3, (3, 3), padding=(1, 1, 1, 1), stride=(2, 2))
    eye = np.zeros((3, 6, 1, 1), np.int8)
    eye[np.arange(3), np.arange(3)] = 3
    eye[np.arange(3), 3 + np.arange(3)] = -5
    net.layer("other", ("joined",), 3, (3, 3), padding=(1, 1, 1, 1), stride=(2, 2))
    net.weighted("sum", ("half", "other"), eye)
    joined = np.concatenate([eye[:, :3], net.weights(3, 3, 1, 1)], axis=1)
    net.weighted("residual", ("sum", "other"), joined)
    return net.network()


def map_steps(net: IntegerNetwork | None = None) -> tuple[MapStep, ...]:
    """The steps of a network, `network` if none is given, with maps divided among 2 x 3 blocks."""
    net = net or network()
    forms = network_forms(net).forms
    wholes = {
        tensor.name: Buffer(
            tensor.name,
            tensor.shape,
            ROW_GROUPS,
            LANES,
            (-(-tensor.shape[1] // ROW_GROUPS), -(-tensor.shape[2] // LANES)),
            tensor.zero_point,
            vector=False,
        )
        for tensor in net.tensors
    }
    return tuple(
        MapStep(form, tuple(wholes[name] for name in step.inputs), wholes[step.output])
        for step, form in zip(net.steps, forms, strict=True)
        if form is not None
    )


def union(bits: Iterable[int]) -> int:
    return reduce(or_, bits, 0)


def check(rounds: Rounds, stored: frozenset[Buffer]) -> None:
    """Replay the turns, knowing the stays alone."""
    turns = len(rounds.steps)
    made = {one.output for one in rounds.steps}
    peak = 0
    kept: dict[Buffer, int] = dict.fromkeys(stored, 0)
    for turn in range(turns * rounds.variant.rounds):
        step = rounds.steps[turn % turns]
        held = [stay for stay in rounds.stays if rounds.held(stay)[0] <= turn <= rounds.held(stay)[1]]
        now = [stay for stay in held if stay.born <= turn <= stay.dies]
        peak = max(peak, sum(stay.words for stay in held))
        for whole in {stay.of for stay in now} if rounds.variant.split else ():
            bits = [stay.bits for stay in now if stay.of is whole]
            assert sum(one.bit_count() for one in bits) == union(bits).bit_count()
        computed = 0
        for stay in (stay for stay in now if stay.born == turn):
            assert stay.of is step.output or (stay.of not in made and stay.of in step.reads)
            computed |= stay.bits if stay.of is step.output else 0
            if stay.stored:
                assert not kept[stay.of] & stay.bits
                kept[stay.of] |= stay.bits
        for source, each in step.reads.items():
            there = union(stay.bits for stay in now if stay.of is source)
            for pixel in pixels_of(computed):
                assert each[pixel] & ~there == 0
            assert rounds.reads[turn, source] & ~there == 0
    assert peak == rounds.peak
    check_moves(rounds)
    for whole, all_bits in kept.items():
        assert all_bits == (1 << whole.block[0] * whole.block[1]) - 1


def check_moves(rounds: Rounds) -> None:
    """Every pixel is moved once, in time: loaded before it is read, and stored before its words are given to others."""
    moves, rest = moves_of(rounds)
    under_way: list[Stay] = []
    moved: list[Stay] = []
    before = -1
    due: int | None = None
    for turn, urgent, beside, needed in moves:
        if due is not None and due <= turn:
            under_way, due = [], None
        for stay in (*urgent, *beside):
            assert stay.born == before if stay.stored else rounds.held(stay)[0] <= turn <= stay.born
        moved += [*urgent, *beside]
        if urgent:
            under_way, due = [], None
        under_way += beside
        assert (needed is None) is not bool(beside)
        due = needed if due is None or (needed is not None and needed < due) else due
        before = turn
        # What is still under way is not read, and its words are not given away.
        assert all(stay.born > turn if stay.loaded else turn <= rounds.held(stay)[1] for stay in under_way)
    moved += rest
    assert len(moved) == len(set(moved))
    assert set(moved) == {stay for stay in rounds.stays if stay.loaded or stay.stored}


VARIANTS = [
    Variant(count, strip, kept, split, *beside)
    for count, strip, split in product((1, 3, 8, 16), (1, 2, 3, 4), (False, True))
    for kept in {0, 1, count // 2, count}
    for beside in ((0, 0), ((1, 1), (3, 1), (1, 3), (4, 4))[(count + strip + kept + split) % 4])
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_what_is_read_is_there_and_what_is_stored_is_whole(variant: Variant) -> None:
    steps = map_steps()
    for first, last in ((0, 9), (1, 4), (3, 6), (2, 3), (4, 9)):
        some = steps[first:last]
        later = {source for one in steps[last:] for source in one.inputs}
        stored = frozenset(one.output for one in some if one.output in later or one is some[-1])
        check(rounds_of(some, stored, variant), stored)


@pytest.mark.parametrize("channels", [1, 2, 4, 8])
def test_parts_of_channels_too(channels: int) -> None:
    steps = map_steps()[:5]
    made = ChannelCuts().cut(steps, channels)
    assert made is not None
    cut, parts = made
    last = steps[-1].output
    check(
        rounds_of(cut, frozenset(parts.get(last, (last,))), Variant(4, 1, 1, True)),
        frozenset(parts.get(last, (last,))),
    )
    whole = rounds_of(steps, frozenset((last,)), Variant(4, 1, 0, False))
    assert rounds_of(cut, frozenset((last,)), Variant(4, 1, 0, False)).peak < whole.peak


@pytest.mark.parametrize(
    ("strip", "expected"),
    [
        (1, [0, 1, 2, 3, 4, 5, 6, 7]),
        (2, [0, 2, 1, 3, 4, 6, 5, 7]),
        (3, [0, 2, 4, 1, 3, 5, 6, 7]),
        (4, [0, 2, 4, 6, 1, 3, 5, 7]),
    ],
)
def test_parts_follow_each_other_strip_by_strip(strip: int, expected: list[int]) -> None:
    step = next(one for one in map_steps() if one.output.block == (4, 2))
    rounds = rounds_of((step,), frozenset((step.output,)), Variant(8, strip, 0, True))
    assert [pixel for stay in rounds.stays if stay.of is step.output for pixel in stay.pixels] == expected


def test_higher_strips_read_less_again() -> None:
    step = map_steps()[0]
    read = [
        sum(stay.bits.bit_count() for stay in rounds.stays if stay.of is not step.output)
        for rounds in (
            rounds_of((step,), frozenset((step.output,)), Variant(32 // strip, strip, 1, True)) for strip in (1, 2, 4)
        )
    ]
    assert read == [116, 84, 64]


def test_more_rounds_and_shorter_stays_take_fewer_words() -> None:
    steps = map_steps()
    stored = frozenset((steps[-1].output,))
    peaks = [rounds_of(steps, stored, Variant(count, 1, 1, True)).peak for count in (1, 2, 4, 8)]
    assert peaks == sorted(peaks, reverse=True) and peaks[-1] < peaks[0]
    kept, again = (rounds_of(steps, stored, Variant(4, 1, kept, True)) for kept in (4, 0))
    computed = [sum(stay.bits.bit_count() for stay in one.stays) for one in (kept, again)]
    assert again.peak < kept.peak and computed[0] < computed[1]


def test_a_window_knows_where_its_pixels_lie() -> None:
    whole = map_steps()[0].output  # 4 channels
    one = whole.window_at((5, 6, 2), 100)
    assert [one.word(pixel) for pixel in (5, 6, 2)] == [100, 104, 108]
    assert one.words == 12 and one.stretches == (3,)
    apart = replace(one, window=(1, 2, 3, 9), starts=(0, 4, 40, 44))
    assert apart.stretches == (2, 2) and apart.word(3) == 40
    assert whole.stretches == (len(whole.pixels),) and whole.word(3) == 12
