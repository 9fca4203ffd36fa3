"""Whole networks on a small array in every quick run: every tensor is the golden model's, every cycle the predicted one.

`test_mutants.py` breaks the gateware line by line, and expects these tests to notice.
"""

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.system.networks import few_pixels, long_rows, photograph, picture_of_a_vector

from openwork.compiler.network import compile_network
from openwork.image import Image
from openwork.network import IntegerNetwork
from openwork_dv.coverage import NETWORK_BINS, Coverage
from openwork_dv.native import NativeSimulation, Stalls, build
from openwork_dv.network_coverage import network_bins
from openwork_dv.network_runs import network_complaints
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

CONFIG = ArrayConfig(
    4, 3, feature_words=1024, row_buffer_nonzeros=64, tap_entries=64, sum_bits=26, group_sizes=(2, 4), replicas=2
)
"""One stream for four PEs, or two streams that copy their outputs to each other; two feeders build twice as fast as four."""

NETWORKS = {
    "photograph": photograph(),
    "long rows": long_rows(),
    "few pixels": few_pixels(),
    "picture of a vector": picture_of_a_vector(),
}

SLOW_RUN_ONLY = {
    "streams that share nothing",  # of an array with more feeders
    "rows in several blocks",  # of layers with a hundred rows and a residual
}
"""Bins that small networks on this array do not meet."""


@pytest.fixture(scope="module")
def simulation() -> NativeSimulation:
    return build(CONFIG, short_runs=True)


def inputs_of(network: IntegerNetwork, count: int) -> NDArray[np.int8]:
    """Random; the last one holds nothing but the largest and the smallest value."""
    rng = np.random.default_rng(5)
    extremes = rng.choice(np.array([-128, 127], np.int8), (1, *network.input.shape))
    return np.concatenate([rng.integers(-128, 128, (count - 1, *network.input.shape)).astype(np.int8), extremes])


def image_of(name: str, encoding: Encoding, row_groups: int) -> Image:
    return compile_network(NETWORKS[name], CONFIG, encoding, row_groups=row_groups, watch=True)


@pytest.mark.parametrize("row_groups", CONFIG.row_groups)
@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tensor_and_every_cycle_is_right(
    simulation: NativeSimulation, name: str, encoding: Encoding, row_groups: int
) -> None:
    image = image_of(name, encoding, row_groups)
    complaints = network_complaints(name, simulation, image, inputs_of(image.network, 3))
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("name", NETWORKS)
def test_pauses_of_host_and_memory_change_no_tensor(simulation: NativeSimulation, name: str) -> None:
    image = image_of(name, Encoding.PACKED, 2)
    stalls = Stalls(0.4, seed=6, latency=9)
    complaints = network_complaints(name, simulation, image, inputs_of(image.network, 2), stalls)
    assert not complaints, "\n".join(complaints)


def test_they_meet_what_networks_need() -> None:
    coverage = Coverage()
    for name in NETWORKS:
        for row_groups, encoding in [(2, Encoding.PACKED), (2, Encoding.CSR), (4, Encoding.TRIPLET)]:
            coverage.add(network_bins(image_of(name, encoding, row_groups), 3))
    assert set(coverage.missing(NETWORK_BINS)) == SLOW_RUN_ONLY
