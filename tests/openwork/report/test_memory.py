"""What lies in the feature memory when: no two tensors at one place, and every one that is read."""

import pytest
from tests.openwork.report.networks import flattening_network, small_network

from openwork.compiler.network import compile_network
from openwork.network import IntegerNetwork
from openwork.report.memory import MemorySpan, alive, memory_spans, needed
from openwork_hw.arch.config import PRESETS

NETWORKS = {"small": small_network(), "flattening": flattening_network()}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_no_two_tensors_share_a_word_at_one_time(network: IntegerNetwork) -> None:
    spans = memory_spans(compile_network(network, PRESETS["demo"]))
    for index, one in enumerate(spans):
        for other in spans[index + 1 :]:
            if one.first <= other.last and other.first <= one.last:
                assert one.base + one.words <= other.base or other.base + other.words <= one.base
    for number, step in enumerate(network.steps, start=1):
        there = {span.tensor for span in spans if span.first <= number <= span.last and not span.copy}
        assert there >= {*step.inputs, step.output}
    last = {span.tensor for span in spans if span.last == len(network.steps) + 1}
    assert last == set(network.outputs)
    assert max(alive(spans, number) for number in range(len(network.steps) + 2)) <= needed(spans)


def test_a_map_that_is_read_as_a_vector_is_there_twice_for_one_step() -> None:
    image = compile_network(flattening_network(), PRESETS["demo"])
    spans = memory_spans(image)
    (copy,) = [span for span in spans if span.copy]
    assert (copy.tensor, copy.words, copy.first, copy.last) == ("vector of first of last", 4 * 8 * 8, 2, 2)


def test_memory_of_a_step_is_the_sum_of_what_is_alive() -> None:
    spans = [MemorySpan("a", 0, 0, 5, 0, 1), MemorySpan("b", 1, 8, 3, 1, 2)]
    assert [alive(spans, number) for number in range(4)] == [5, 8, 3, 0]
    assert needed(spans) == 11
