"""Every way to divide maps computes the golden model's tensors; smaller blocks are found where maps have few pixels."""

from dataclasses import replace

import numpy as np
import pytest
from tests.openwork.compiler.test_network import classifier, decoder, far, layer, network, shrinking
from tests.slow import slow_but

from openwork.compiler.emit import emit
from openwork.compiler.errors import CompileError
from openwork.compiler.forms import network_forms
from openwork.compiler.memory import place_buffers
from openwork.compiler.network import best_plan
from openwork.compiler.passes import fewest_cycles, plan_passes
from openwork.compiler.schedule import schedule_network
from openwork.compiler.segments import Division, divisions
from openwork.golden import trace_network
from openwork.network import IntegerNetwork, LayerStep, MaxPool, Reshape, Step
from openwork.simulator.image import run_image
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

CONFIG = ArrayConfig(12, 6, group_sizes=(6,), replicas=2, sum_bits=32)


def all_divisions(found: IntegerNetwork, config: ArrayConfig = CONFIG, row_groups: int = 6) -> list[Division]:
    ways = divisions(network_forms(found), config, row_groups)
    return [one for one in ways if not isinstance(one, CompileError)]


def blocks(division: Division) -> dict[str, tuple[int, int]]:
    return {name: block for segment in division.segments for name, block in segment.blocks.items()}


def deep(height: int = 12, width: int = 7) -> IntegerNetwork:
    """Maps that are halved three times, once by two steps that are joined; a division may have several cuts."""
    options = {"padding": (1, 1, 1, 1), "stride": (2, 2)}
    half, quarter, eighth = ((-(-height // factor), -(-width // factor)) for factor in (2, 4, 8))
    return network(
        (5, height, width),
        LayerStep(("input",), "a", layer("a", (5, height, width), 6, (3, 3), **options)),
        LayerStep(("a",), "b", layer("b", (6, *half), 7, (3, 3), **options)),
        LayerStep(("a",), "c", layer("c", (6, *half), 9, (1, 1), stride=(2, 2))),
        LayerStep(("b", "c"), "d", layer("d", (16, *quarter), 8, (3, 3), padding=(1, 1, 1, 1))),
        MaxPool(("d",), "e", (3, 3), (2, 2), (1, 1, 1, 1)),
        LayerStep(("e",), "f", layer("f", (8, *eighth), 6, (3, 3), padding=(1, 1, 1, 1))),
    )


SMALLER_GROUPS = ArrayConfig(12, 4, group_sizes=(3, 6, 12), replicas=4, sum_bits=32)


def check(found: IntegerNetwork, config: ArrayConfig, division: Division, gathered_channels: int | None = None) -> int:
    """Every tensor of a division's image equals the golden model's; the cycles."""
    inputs = np.random.default_rng(1).integers(-128, 128, (1, *found.input.shape)).astype(np.int8)
    expected = trace_network(found, inputs)
    schedule = schedule_network(network_forms(found), config, division, gathered_channels)
    plan = plan_passes(schedule, place_buffers(schedule), Encoding.PACKED)
    assert fewest_cycles(schedule) <= plan.predicted_cycles
    image = emit(plan, True, lambda steps, _: steps)
    for name, tensor in image.tensors(run_image(image, inputs[0])).items():
        assert (tensor == expected[name][0]).all(), (division, name)
    return plan.predicted_cycles


@pytest.mark.parametrize(
    "found",
    [shrinking(), shrinking(pools=True), far(), classifier(), decoder()],
    ids=["layer", "pool", "far", "classifier", "decoder"],
)
def test_every_division_computes_the_golden_models_tensors(found: IntegerNetwork) -> None:
    for division in all_divisions(found):
        check(found, CONFIG, division)


@pytest.mark.parametrize("channels", slow_but([None, 4], 4))
def test_segments_may_have_smaller_groups_and_gather_some_channels_at_a_time(channels: int | None) -> None:
    ways = all_divisions(deep(), SMALLER_GROUPS, 12)
    groups = {tuple(segment.row_groups for segment in one.segments) for one in ways}
    assert groups >= {(12,), (12, 6), (12, 3), (12, 6, 3)}, groups
    assert {axes for one in ways for axes in one.gathered.values()} == {(0,), (1,), (0, 1)}
    for division in ways:
        check(deep(), SMALLER_GROUPS, division, channels)


def test_the_division_that_is_chosen_has_smaller_groups_where_they_bring_streams() -> None:
    found, small = deep(24, 28), replace(SMALLER_GROUPS, feature_words=128)
    plan = best_plan(found, small)
    assert len({segment.row_groups for segment in plan.schedule.division.segments}) > 1
    assert plan.predicted_cycles < best_plan(found, replace(small, group_sizes=(12,))).predicted_cycles
    with pytest.raises(CompileError, match="feature words"):
        best_plan(found, replace(small, group_sizes=(3,)))


def test_along_an_axis_with_one_pixel_no_stride_is_taken() -> None:
    """Sequences as maps of one row, halved three times: a block of each map has one row, not eight."""
    sequence = network(
        (4, 1, 24),
        LayerStep(("input",), "a", layer("a", (4, 1, 24), 5, (1, 3), padding=(0, 1, 0, 1), stride=(2, 2))),
        LayerStep(("a",), "b", layer("b", (5, 1, 12), 6, (1, 3), padding=(0, 1, 0, 1), stride=(2, 2))),
        LayerStep(("b",), "c", layer("c", (6, 1, 6), 3, (1, 3), padding=(0, 1, 0, 1), stride=(2, 2))),
    )
    for division in all_divisions(sequence):
        assert {block[0] for block in blocks(division).values()} == {1}
        check(sequence, CONFIG, division)


def test_a_map_of_fewer_pixels_than_the_one_before_has_blocks_is_gathered() -> None:
    gathered = [one for one in all_divisions(shrinking()) if one.gathered == {"b": (0, 1)}]
    assert {name: blocks(gathered[0])[name] for name in ("input", "a", "b", "c")} == {
        "input": (2, 2),
        "a": (1, 1),
        "b": (1, 1),
        "c": (1, 1),
    }
    plain = [one for one in all_divisions(shrinking()) if not one.gathered]
    assert all(blocks(one)["a"] == (2, 2) for one in plain)


def test_taps_that_reach_two_neighbours_allow_smaller_blocks() -> None:
    assert [blocks(one)["input"] for one in all_divisions(far())] == [(2, 2), (1, 1)]


def test_a_map_out_of_a_vector_is_divided_by_itself_unless_it_is_read_together_with_one_from_before() -> None:
    shape = (2, 24, 24)
    steps: list[Step] = [
        LayerStep(("input",), "a", layer("a", shape, 2, shape[1:])),
        LayerStep(("a",), "b", layer("b", (2, 1, 1), 72, (1, 1))),
        Reshape(("b",), "c", (2, 6, 6)),
        MaxPool(("input",), "d", (2, 2), (4, 4)),
        MaxPool(("d",), "e", (2, 2), (3, 3)),  # a pixel of which is three of `d`
    ]
    alone = all_divisions(network(shape, *steps))
    assert {(blocks(one)["d"], blocks(one)["c"]) for one in alone} == {((3, 3), (1, 1))}
    together = LayerStep(("c", "d"), "f", layer("f", (4, 6, 6), 3, (1, 1)))
    joined = all_divisions(network(shape, *steps, together))
    assert {(blocks(one)["d"], blocks(one)["c"]) for one in joined} == {((3, 3), (3, 3))}
