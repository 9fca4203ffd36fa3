"""Compact arrays: what they compute, and every cycle of it, on the compiled gateware."""

import numpy as np
import pytest
from tests.slow import slow_but
from tests.system.networks import few_pixels, long_rows, photograph, through_tables

from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network
from openwork.host.selftest import random_network
from openwork_dv.native import NativeSimulation, Stalls, build
from openwork_dv.network_runs import network_complaints
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

CONFIGS = {
    # Its row buffer is short, so that nonzeros wait for room in it, and the decoder for them.
    "one PE": ArrayConfig(1, 4, feature_words=1024, row_buffer_nonzeros=64, tap_entries=64, sum_bits=26, compact=True),
    "one port": ArrayConfig(
        1, 3, feature_words=2048, row_buffer_nonzeros=64, tap_entries=64, sum_bits=26, single_port=True, compact=True
    ),
    "two streams": ArrayConfig(
        2,
        5,
        feature_words=512,
        row_buffer_nonzeros=128,
        tap_entries=64,
        sum_bits=26,
        replicas=2,
        compact=True,
        activation_tables=True,
    ),
}

NETWORKS = {"photograph": photograph(), "long rows": long_rows(), "few pixels": few_pixels()}


@pytest.fixture(scope="module", params=slow_but(CONFIGS, "two streams"))
def simulation(request: pytest.FixtureRequest) -> NativeSimulation:
    return build(CONFIGS[request.param], short_runs=True)


def test_random_networks_take_the_cycles_predicted(simulation: NativeSimulation, seed: int) -> None:
    rng = np.random.default_rng([seed, 20])
    tried = 0
    while tried < 15:
        network = random_network(int(rng.integers(1, 30)), int(rng.integers(1, 12)), rng)
        try:
            image = compile_network(network, simulation.config, Encoding.CSR, watch=True)
        except CompileError:
            continue
        tried += 1
        inputs = rng.integers(-128, 128, (2, *network.input.shape)).astype(np.int8)
        assert network_complaints(f"random {tried}", simulation, image, inputs) == []


@pytest.mark.parametrize("stalls", [None, Stalls(0.4, seed=6, latency=9)])
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_with_every_operation(simulation: NativeSimulation, name: str, stalls: Stalls | None) -> None:
    network = NETWORKS[name]
    image = compile_network(network, simulation.config, Encoding.CSR, watch=True)
    inputs = np.random.default_rng(5).integers(-128, 128, (2, *network.input.shape)).astype(np.int8)
    assert network_complaints(name, simulation, image, inputs, stalls) == []


@pytest.mark.parametrize("stalls", [None, Stalls(0.4, seed=6, latency=9)])
def test_outputs_go_through_activation_tables(stalls: Stalls | None) -> None:
    """In a compact array the settings of a TABLE stay until its last byte has passed all PEs."""
    network, config = through_tables(), CONFIGS["two streams"]
    image = compile_network(network, config, Encoding.CSR, watch=True)
    inputs = np.random.default_rng(5).integers(-128, 128, (2, *network.input.shape)).astype(np.int8)
    assert network_complaints("through tables", build(config, short_runs=True), image, inputs, stalls) == []
