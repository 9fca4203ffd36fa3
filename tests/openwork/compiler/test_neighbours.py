"""Copies for taps that reach two neighbours: every tap then reaches one, and finds the operand that it found before."""

import pytest
from tests.openwork.compiler.test_rounds import map_steps
from tests.system.networks import Builder

from openwork.compiler.addressing import offset
from openwork.compiler.errors import CompileError
from openwork.compiler.neighbours import with_copies
from openwork.compiler.rounds import MapStep


def wide(kernel: int, height: int = 2, width: int = 3, stride: int = 1) -> MapStep:
    """A layer with a large kernel on a map of few pixels per block."""
    net = Builder((2, height, width), zero_point=3, seed=1)
    side = kernel // 2
    net.layer("wide", ("input",), 3, (kernel, kernel), padding=(side, side, side, side), stride=(stride, stride))
    return map_steps(net.network())[0]


def operands(step: MapStep, made: tuple[MapStep, ...]) -> list[tuple[int, int, int, int]]:
    """For each tap and pixel where its operand lies, in pixels of the whole map from the output's block on."""
    shifts = {one.output: (one.form.taps[0].down, one.form.taps[0].right) for one in made[:-1]}
    found = []
    last = made[-1]
    for tap in last.form.taps:
        source = last.inputs[tap.input]
        for y in range(last.output.block[0]):
            for x in range(last.output.block[1]):
                down, row = offset(last.form, source.block[0], 0, y, tap.down, source.row_groups)
                across, column = offset(last.form, source.block[1], 1, x, tap.right, source.lanes)
                assert max(abs(down), abs(across)) <= 1 or step is last
                more = shifts.get(source, (0, 0))
                found.append(
                    (y, x, down * source.block[0] + row + more[0], across * source.block[1] + column + more[1])
                )
    return found


@pytest.mark.parametrize(("kernel", "height", "width"), [(5, 2, 3), (5, 4, 3), (3, 2, 3), (5, 2, 6)])
def test_all_taps_reach_one_neighbour_and_multiply_the_same(kernel: int, height: int, width: int) -> None:
    step = wide(kernel, height, width)
    made = with_copies(step)
    assert operands(step, made) == operands(step, (step,))
    far = kernel == 5 and (height == 2 or width == 3)
    assert len(made) > 1 if far else made == (step,)
    for one in made[:-1]:
        assert one.inputs == step.inputs and one.output.step == "wide" and one.form.name == "wide"


def test_a_kernel_that_reaches_three_neighbours_is_refused() -> None:
    with pytest.raises(CompileError, match="step 'wide': a tap reaches further than two neighbours"):
        with_copies(wide(7))
