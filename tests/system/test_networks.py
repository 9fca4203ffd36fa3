"""Whole networks on the gateware, compiled to native code: every output is the golden model's, every cycle the predicted one."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.openwork.compiler.test_network import classifier, decoder, far, flat, residual, shrinking
from tests.openwork.compiler.test_segments import SMALLER_GROUPS, deep
from tests.openwork.quantization.test_tables import Classifier, batch_of
from torch import nn

from openwork.backends import compare
from openwork.compiler.network import compile_network
from openwork.frontend import import_module
from openwork.image import Image
from openwork.models.catalogue import SUBJECTS
from openwork.models.shared_data import data_folder
from openwork.network import IntegerNetwork
from openwork.quantization import quantize
from openwork_dv.coverage import NETWORK_BINS
from openwork_dv.native import NativeSimulation, Stalls, build
from openwork_dv.network_campaign import MOST_REFUSED, run_random_networks
from openwork_dv.network_runs import network_complaints
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

pytestmark = pytest.mark.slow

CONFIG = ArrayConfig(6, 3, feature_words=4096, row_buffer_nonzeros=64, replicas=3, sum_bits=32, tap_entries=128,
                     activation_tables=True)  # fmt: skip
"""Two ways to divide maps with copies, one without; vectors in six streams."""

SQUARE = ArrayConfig(16, 8, group_sizes=(8, 16), replicas=2, feature_words=4096)


@cache
def simulation(config: ArrayConfig) -> NativeSimulation:
    return build(config, (Encoding.PACKED,) if config == SQUARE else tuple(Encoding), short_runs=True)


def inputs_of(network: IntegerNetwork, count: int, seed: int) -> NDArray[np.int8]:
    return np.random.default_rng(seed).integers(-128, 128, (count, *network.input.shape)).astype(np.int8)


def runs_right(image: Image, config: ArrayConfig, inputs: NDArray[np.int8], stalls: Stalls | None = None) -> None:
    """All that an image stores is right; without stalls, so are all cycles."""
    complaints = network_complaints(image.network.steps[-1].output, simulation(config), image, inputs, stalls)
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize(
    "network",
    [classifier(), flat(), residual(), far(), shrinking(), decoder()],
    ids=["classifier", "flat", "residual", "far", "shrinking", "decoder"],
)
def test_every_tensor_and_every_cycle_is_right(network: IntegerNetwork, encoding: Encoding) -> None:
    image = compile_network(network, CONFIG, encoding, watch=True)
    runs_right(image, CONFIG, inputs_of(network, 3, seed=1))


def test_a_model_with_functions_of_one_value_runs_as_the_golden_model_does() -> None:
    """From PyTorch to RTL. The comparison counts what tables take."""
    network = quantize(import_module(Classifier(nn.SiLU()).eval(), batch_of(1)), batch_of(40))
    image = compile_network(network, PRESETS["demo-tables"], watch=True)
    found = compare(image, network.quantize_inputs(batch_of(3).numpy()), ("golden", "model", "rtl"))
    assert found.agrees and found.first is None
    assert sum(one.cycles for one in found.tensors) == image.compute_cycles
    assert sum(command.kind == "TABLE" for command in image.commands) == 3


@pytest.mark.parametrize("groups", [2, 3, 6])
def test_maps_may_be_divided_in_every_way(groups: int) -> None:
    image = compile_network(classifier(), CONFIG, row_groups=groups, watch=True)
    runs_right(image, CONFIG, inputs_of(image.network, 1, seed=2))


def test_segments_with_smaller_groups() -> None:
    config = replace(SMALLER_GROUPS, feature_words=128)
    image = compile_network(deep(24, 28), config, watch=True)
    assert len({place.row_groups for place in image.places if not place.vector}) > 1
    runs_right(image, config, inputs_of(image.network, 2, seed=4))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_pauses_of_host_and_memory_change_no_output(probability: float) -> None:
    image = compile_network(classifier(), CONFIG, watch=True)
    runs_right(image, CONFIG, inputs_of(image.network, 2, seed=3), Stalls(probability, seed=3, latency=9))


def test_random_networks() -> None:
    """What they met is kept in build/network_coverage.json."""
    campaign = run_random_networks(simulation(CONFIG), seed=1, numbers=range(500))
    print(campaign)
    campaign.coverage.save(Path("build") / "network_coverage.json")
    assert campaign.complaints == []
    assert campaign.coverage.missing(NETWORK_BINS) == []
    assert campaign.refused_share <= MOST_REFUSED, str(campaign)


@pytest.mark.parametrize("pes", [1, 2])
@pytest.mark.parametrize("lanes", [1, 4])
def test_random_networks_on_memories_with_one_port(pes: int, lanes: int) -> None:
    """Sums, pooled sums and moves are written when no word is read."""
    config = ArrayConfig(
        pes, lanes, feature_words=4096, row_buffer_nonzeros=64, sum_bits=32, tap_entries=128, single_port=True,
        activation_tables=pes == 2,
    )  # fmt: skip
    campaign = run_random_networks(build(config, short_runs=True), seed=2, numbers=range(60))
    print(campaign)
    assert campaign.complaints == []
    assert campaign.coverage.missing(["SUM", "MAX", "POOL", "MOVE of one lane"]) == []


@pytest.mark.skipif(not data_folder().is_dir(), reason="needs the folder of shared data")
@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("digits CNN", PRESETS["demo"]),
        ("digits autoencoder", PRESETS["demo"]),
        ("ResNet-8, MLPerf Tiny", SQUARE),
        ("DS-CNN, MLPerf Tiny", SQUARE),
        ("autoencoder 640, MLPerf Tiny", SQUARE),
        ("ResNet-20, CIFAR-10", SQUARE),
    ],
)
def test_real_networks(name: str, config: ArrayConfig) -> None:
    from openwork import quantize

    subject = SUBJECTS[name](2)
    network = quantize(subject.model, subject.calibration[:64])
    image = compile_network(network, config, watch=True)
    runs_right(image, config, network.integer_inputs(subject.inputs.numpy()))
