"""The compiler, without hardware: random layers through the image simulator equal the golden model, bit for bit."""

import numpy as np
import pytest

from openwork.activation import Clip
from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network
from openwork.golden import run_layer
from openwork.layer import IntegerLayer
from openwork.network import one_layer_network
from openwork.simulator.image import run_image
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

CONFIGS = [
    ArrayConfig(1, 1, feature_words=4096, row_buffer_nonzeros=64, tap_entries=64),
    ArrayConfig(3, 5, feature_words=4096, row_buffer_nonzeros=16, tap_entries=256, replicas=3),
    ArrayConfig(4, 4, replicas=2),
    ArrayConfig(21, 7, replicas=7),
    ArrayConfig(2, 8, row_buffer_nonzeros=256, tap_entries=128, sum_bits=24, single_port=True),
]


def random_layer(rng: np.random.Generator) -> IntegerLayer:
    """A layer of any kind the array runs; its outputs are spread over int8 and beyond."""
    groups = int(rng.choice([1, 1, 2, 3]))
    group_channels = int(rng.choice([1, 2, 3, 5]))
    rows = groups * int(rng.choice([1, 2, 4, 7]))
    kernel = rng.integers(1, 8, 2) if rng.random() < 0.3 else np.repeat(rng.choice([1, 3, 5]), 2)
    stride, dilation = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    reach = dilation * (kernel - 1) + 1
    padding = [int(size) for size in rng.integers(0, np.tile(reach, 2))]
    smallest = np.maximum(1, reach - padding[:2] - padding[2:])
    height, width = (int(low + rng.integers(0, 12)) for low in smallest)
    shape = (rows, group_channels, int(kernel[0]), int(kernel[1]))
    extremes = rng.random() < 0.1
    weights = rng.choice([-128, 127], shape) if extremes else rng.integers(-128, 128, shape)
    weights = weights * (rng.random(shape) < rng.choice([0, 0.05, 0.3, 1]))
    weights[rng.random(rows) < 0.2] = 0  # empty rows
    zero_point = int(rng.integers(-128, 128))
    bias = rng.integers(-5000, 5000, rows) - zero_point * weights.reshape(rows, -1).sum(axis=1)
    low, high = sorted(int(limit) for limit in rng.integers(-128, 128, 2)) if rng.random() < 0.5 else (-128, 127)
    return IntegerLayer(
        name="random",
        weights=weights.astype(np.int8),
        bias=bias.astype(np.int64),
        shift=rng.integers(0, 14, rows),
        input_zero_point=zero_point,
        output_zero_point=int(rng.integers(-128, 128)),
        activation=Clip(low, high),
        input_shape=(groups * group_channels, height, width),
        stride=(int(stride[0]), int(stride[1])),
        padding=(padding[0], padding[1], padding[2], padding[3]),
        dilation=(int(dilation[0]), int(dilation[1])),
        groups=groups,
    )


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("seed", range(45))
def test_outputs_equal_the_golden_model(seed: int, config: ArrayConfig) -> None:
    rng = np.random.default_rng(seed)
    layer = random_layer(rng)
    extremes = rng.choice([-128, 127], layer.input_shape)
    inputs = (extremes if seed % 7 == 0 else rng.integers(-128, 128, layer.input_shape)).astype(np.int8)
    expected = run_layer(layer, inputs)
    encoding = list(Encoding)[seed % 3]
    compiled, refusal = 0, ""
    for row_groups in [*config.row_groups, None]:
        if row_groups and config.pes // row_groups > config.replicas:
            continue
        try:
            image = compile_network(one_layer_network(layer), config, encoding, row_groups=row_groups)
        except CompileError as error:
            refusal = str(error)
            assert any(reason in refusal for reason in ("feature words", "tap entries", "a map out of one pixel"))
            continue
        compiled += 1
        assert np.array_equal(image.outputs(run_image(image, inputs)), expected), f"{row_groups}\n{layer}"
    assert compiled or refusal


@pytest.mark.parametrize("encoding", Encoding)
def test_a_gap_over_several_empty_channels_and_rows(encoding: Encoding) -> None:
    """One nonzero in the last channel of the last row only: the packed stream needs fillers, and rows need padding."""
    weights = np.zeros((6, 300, 1, 1), dtype=np.int8)
    weights[5, 299] = 77
    zeros = np.zeros(6, dtype=np.int64)
    layer = IntegerLayer("gap", weights, zeros, zeros + 6, 0, 0, Clip(), (300, 3, 3))
    inputs = np.random.default_rng(0).integers(-128, 128, layer.input_shape).astype(np.int8)
    for row_groups in (1, 2, 4):
        image = compile_network(
            one_layer_network(layer), ArrayConfig(4, 4, replicas=4), encoding, row_groups=row_groups
        )
        assert np.array_equal(image.outputs(run_image(image, inputs)), run_layer(layer, inputs))
