"""Every way to divide maps computes the golden model's tensors; smaller blocks are found where maps have few pixels."""

import numpy as np
import pytest
from tests.openwork.compiler.test_network import classifier, decoder, far, layer, network, shrinking

from openwork.compiler.emit import emit
from openwork.compiler.errors import CompileError
from openwork.compiler.forms import network_forms
from openwork.compiler.memory import place_buffers
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


def check(found: IntegerNetwork, config: ArrayConfig, division: Division) -> int:
    """Every tensor of a division's image equals the golden model's; the cycles."""
    inputs = np.random.default_rng(1).integers(-128, 128, (1, *found.input.shape)).astype(np.int8)
    expected = trace_network(found, inputs)
    schedule = schedule_network(network_forms(found), config, division)
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
        MaxPool(("input",), "d", (2, 2), 4),
        MaxPool(("d",), "e", (2, 2), 3),  # a pixel of which is three of `d`
    ]
    alone = all_divisions(network(shape, *steps))
    assert {(blocks(one)["d"], blocks(one)["c"]) for one in alone} == {((3, 3), (1, 1))}
    together = LayerStep(("c", "d"), "f", layer("f", (4, 6, 6), 3, (1, 1)))
    joined = all_divisions(network(shape, *steps, together))
    assert {(blocks(one)["d"], blocks(one)["c"]) for one in joined} == {((3, 3), (3, 3))}
