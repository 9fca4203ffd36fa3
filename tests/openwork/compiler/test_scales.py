"""Every way to divide maps computes the golden model's tensors; smaller blocks are found where maps have few pixels."""

import numpy as np
import pytest
from tests.openwork.compiler.test_network import classifier, decoder, far, layer, network, shrinking

from openwork.compiler.division import plan_network
from openwork.compiler.emit import emit
from openwork.compiler.errors import CompileError
from openwork.compiler.network import network_forms
from openwork.compiler.scales import Division, divisions
from openwork.golden import trace_network
from openwork.network import IntegerNetwork, LayerStep, MaxPool, Reshape, Step
from openwork.simulator.image import run_image
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

CONFIG = ArrayConfig(12, 6, group_sizes=(6,), replicas=2, sum_bits=32)


def all_divisions(found: IntegerNetwork) -> list[Division]:
    forms, vectors = network_forms(found)
    ways = divisions(found, forms, vectors, 6, CONFIG.lanes)
    return [one for one in ways if not isinstance(one, CompileError)]


@pytest.mark.parametrize(
    "found",
    [shrinking(), shrinking(pools=True), far(), classifier(), decoder()],
    ids=["layer", "pool", "far", "classifier", "decoder"],
)
def test_every_division_computes_the_golden_models_tensors(found: IntegerNetwork) -> None:
    forms, vectors = network_forms(found)
    inputs = np.random.default_rng(1).integers(-128, 128, (1, *found.input.shape)).astype(np.int8)
    expected = trace_network(found, inputs)
    for division in all_divisions(found):
        plan = plan_network(found, CONFIG, Encoding.PACKED, forms, vectors, division)
        image = emit(plan, True, lambda steps, _: steps)
        for name, tensor in image.tensors(run_image(image, inputs[0])).items():
            assert (tensor == expected[name][0]).all(), (division, name)


def test_a_map_of_fewer_pixels_than_the_one_before_has_blocks_is_gathered() -> None:
    gathered = [one for one in all_divisions(shrinking()) if one.gathered == {"b"}]
    assert {name: gathered[0].blocks[name] for name in ("input", "a", "b", "c")} == {
        "input": (2, 2),
        "a": (1, 1),
        "b": (1, 1),
        "c": (1, 1),
    }
    plain = [one for one in all_divisions(shrinking()) if not one.gathered]
    assert all(one.blocks["a"] == (2, 2) for one in plain)


def test_taps_that_reach_two_neighbours_allow_smaller_blocks() -> None:
    assert [one.blocks["input"] for one in all_divisions(far())] == [(2, 2), (1, 1)]


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
    assert {(one.blocks["d"], one.blocks["c"]) for one in alone} == {((3, 3), (1, 1))}
    together = LayerStep(("c", "d"), "f", layer("f", (4, 6, 6), 3, (1, 1)))
    joined = all_divisions(network(shape, *steps, together))
    assert {(one.blocks["d"], one.blocks["c"]) for one in joined} == {((3, 3), (3, 3))}
