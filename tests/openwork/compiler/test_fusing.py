"""Which steps are fused: groups that fit, that follow each other, and that take less time than the steps alone."""

from itertools import pairwise

import pytest
from tests.openwork.compiler.test_rounds import map_steps
from tests.system.networks import Builder

from openwork.compiler.errors import CompileError
from openwork.compiler.fusing import StepCost, fuse
from openwork.compiler.passes import plan_blocks
from openwork.compiler.schedule import Run
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.nonzeros import Encoding


def array(words: int) -> ArrayConfig:
    return ArrayConfig(2, 3, feature_words=words, row_buffer_nonzeros=64, tap_entries=64, sum_bits=26)


@pytest.mark.parametrize("words", [64, 128, 4096])
def test_groups_fit_and_hold_every_step_once(words: int) -> None:
    steps = map_steps()
    groups = fuse([[one] for one in steps], array(words), Encoding.PACKED, None, lambda steps, _: steps)
    names = [dict.fromkeys(one.output.tensor for one in group.rounds.steps) for group in groups]
    assert [name for each in names for name in each] == [one.output.tensor for one in steps]
    for group in groups:
        stays = [
            (*group.rounds.held(stay), address, address + stay.words)
            for stay, address in zip(group.rounds.stays, group.addresses, strict=True)
        ]
        assert all(begin >= 0 and end <= words for _, _, begin, end in stays)
        for turn in range(max(last for _, last, _, _ in stays) + 1):
            live = sorted((begin, end) for first, last, begin, end in stays if first <= turn <= last)
            assert all(first[1] <= second[0] for first, second in pairwise(live))
    if words == 4096:
        assert len(groups) == 2  # of at most 8 steps
    if words == 64:
        assert len(groups) > 1


def test_more_memory_costs_less() -> None:
    costs = [
        sum(
            group.cost
            for group in fuse(
                [[one] for one in map_steps()], array(words), Encoding.PACKED, None, lambda steps, _: steps
            )
        )
        for words in (64, 128, 512, 4096)
    ]
    assert costs == sorted(costs, reverse=True)


def test_the_cost_of_passes_is_that_of_their_plan() -> None:
    config = array(512)
    for step in map_steps():
        cost = StepCost.of(step, config, Encoding.PACKED, None)
        for pixels in (1, 5, 16):
            part = step.output.window_at(range(min(pixels, len(step.output.pixels))), 0)
            plans = plan_blocks(Run(step.form, step.inputs, part), config, Encoding.PACKED)
            passes = sum(len(plan.holds) for plan in plans)
            cycles, words = cost.cycles([len(part.window)])
            assert cycles == sum(sum(plan.cycles) for plan in plans) + 11 * passes
            tables = [max(plan.holds) << bits_for(plan.block.layout.taps) for plan in plans]
            data = sum(
                (plan.words(config) - table) * len(plan.holds) for plan, table in zip(plans, tables, strict=True)
            )
            assert words == data + sum(sum(plan.holds) << bits_for(plan.block.layout.taps) for plan in plans)


def test_a_step_that_does_not_fit_is_named_with_its_need() -> None:
    net = Builder((8, 16, 12), zero_point=-9, seed=1)
    net.layer("wide", ("input",), 9, (3, 3), padding=(1, 1, 1, 1))
    steps = map_steps(net.network())
    with pytest.raises(
        CompileError, match="step 'wide': one local pixel and what it reads take 81 feature words per PE"
    ):
        fuse([steps], array(64), Encoding.PACKED, None, lambda steps, _: steps)
