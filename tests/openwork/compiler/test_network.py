"""Whole networks: every tensor of the image simulator is the golden model's; what cannot run is refused in a sentence."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.openwork.networks import integer_networks
from tests.slow import slow_but

from openwork.activation import Clip
from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network
from openwork.golden import run_network, trace_network
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, MaxPool, Reshape, Step, Tensor, Upsample
from openwork.simulator.image import run_image
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

MOST_REFUSED = 0.4
"""Share of random networks that the compiler may refuse: of 60 it refuses 2 to 9."""

CONFIGS = [
    ArrayConfig(1, 1, feature_words=8192, sum_bits=32),
    ArrayConfig(6, 3, feature_words=4096, replicas=3, sum_bits=32),
    ArrayConfig(4, 5, feature_words=4096, replicas=4, row_buffer_nonzeros=16, tap_entries=64, sum_bits=32,
                activation_tables=True),
]  # fmt: skip


def layer(
    name: str, shape: tuple[int, int, int], rows: int, kernel: tuple[int, int], **options: object
) -> IntegerLayer:
    rng = np.random.default_rng(len(name) + rows)
    weights = rng.integers(-128, 128, (rows, shape[0], *kernel)).astype(np.int8)
    weights[rng.random(weights.shape) < 0.5] = 0
    zeros = np.zeros(rows, np.int64)
    return IntegerLayer(name, weights, zeros, zeros + 8, 0, 0, Clip(), shape, **options)  # type: ignore[arg-type]


def average(name: str, shape: tuple[int, int, int]) -> IntegerLayer:
    """Over the whole map, each channel by itself."""
    channels = shape[0]
    weights = np.full((channels, 1, *shape[1:]), 5, np.int8)
    zeros = np.zeros(channels, np.int64)
    return IntegerLayer(name, weights, zeros, zeros + 4, 0, 0, Clip(), shape, groups=channels)


def network(shape: tuple[int, int, int], *steps: Step) -> IntegerNetwork:
    tensors = [Tensor("input", shape, 1.0, 0)]
    shapes = {"input": shape}
    for step in steps:
        maps = [shapes[name] for name in step.inputs]
        shapes[step.output] = step.output_shape((sum(one[0] for one in maps), *maps[0][1:]))
        tensors.append(Tensor(step.output, shapes[step.output], 1.0, 0))
    return IntegerNetwork(tuple(tensors), steps, (steps[-1].output,))


def classifier(shape: tuple[int, int, int] = (3, 13, 11)) -> IntegerNetwork:
    """Convolution, max pooling past the map's edge, a layer that reads it twice, global pooling, two vectors."""
    _, height, width = shape
    half = (8, (height + 1) // 2, (width + 1) // 2)
    return network(
        shape,
        LayerStep(("input",), "a", layer("a", shape, 8, (3, 3), padding=(1, 1, 1, 1))),
        MaxPool(("a",), "b", (3, 3), (2, 2), (1, 1, 1, 1)),
        LayerStep(("b", "b"), "c", layer("c", (16, *half[1:]), 10, (3, 3), padding=(1, 1, 1, 1))),
        LayerStep(("c",), "d", average("d", (10, *half[1:]))),
        LayerStep(("d",), "e", layer("e", (10, 1, 1), 9, (1, 1))),
        LayerStep(("e",), "f", layer("f", (9, 1, 1), 7, (1, 1))),
    )


def flat() -> IntegerNetwork:
    """A map becomes a vector, once by a layer as large as it and once by a reshape."""
    return network(
        (2, 5, 4),
        LayerStep(("input",), "a", layer("a", (2, 5, 4), 3, (2, 2))),
        LayerStep(("a",), "b", layer("b", (3, 4, 3), 5, (4, 3))),
    )


def residual() -> IntegerNetwork:
    """A layer whose rows read the input, too, each its own channel, three times."""
    weights = np.zeros((128, 64 + 3 * 128, 1, 1), np.int8)
    weights[:, :64] = np.random.default_rng(3).integers(-1, 2, (128, 64, 1, 1))
    for repetition in range(3):
        weights[np.arange(128), 64 + 128 * repetition + np.arange(128)] = 127
    zeros = np.zeros(128, np.int64)
    both = IntegerLayer("b", weights, zeros, zeros + 8, 0, 0, Clip(), (448, 5, 5))
    return network(
        (128, 5, 5),
        LayerStep(("input",), "a", layer("a", (128, 5, 5), 64, (1, 1))),
        LayerStep(("a", "input", "input", "input"), "b", both),
    )


def far() -> IntegerNetwork:
    """A kernel of 5 x 5 and one of 5 x 3 on maps that have a block for each pixel, odd padding, and one that pools."""
    shape = (8, 6, 5)
    wide = layer("a", shape, 6, (5, 5), padding=(2, 2, 2, 2))
    return network(
        shape,
        LayerStep(("input",), "a", wide),
        MaxPool(("a",), "b", (5, 3), (1, 1), (2, 1, 2, 1)),
    )


def shrinking(*, pools: bool = False) -> IntegerNetwork:
    """Maps of 6 x 6 and 12 x 12 pixels for arrays of 6 x 6 blocks, halved until they have fewer."""
    shape = (8, 12, 11)
    options = {"padding": (1, 1, 1, 1), "stride": (2, 2)}
    second = (
        MaxPool(("a",), "b", (3, 3), (2, 2), (1, 1, 1, 1))
        if pools
        else LayerStep(("a",), "b", layer("b", (24, 6, 6), 20, (3, 3), **options))
    )
    channels = 24 if pools else 20
    return network(
        shape,
        LayerStep(("input",), "a", layer("a", shape, 24, (3, 3), **options)),
        second,
        LayerStep(("b",), "c", layer("c", (channels, 3, 3), 30, (3, 3), padding=(1, 1, 1, 1))),
        LayerStep(("c",), "d", average("d", (30, 3, 3))),
    )


def decoder(height: int = 3, width: int = 5) -> IntegerNetwork:
    """Vectors become maps: by a reshape and by enlarging; a map becomes one of another shape; all are used as maps."""
    small = (3, height, width)
    return network(
        (9, 1, 1),
        LayerStep(("input",), "a", layer("a", (9, 1, 1), 3 * height * width, (1, 1))),
        Reshape(("a",), "b", small),
        LayerStep(("b",), "c", layer("c", small, 4, (3, 3), padding=(1, 1, 1, 1))),
        Upsample(("c",), "d", (2, 2)),
        LayerStep(("d",), "e", layer("e", (4, 2 * height, 2 * width), 3, (3, 3), padding=(1, 1, 1, 1))),
        LayerStep(("e",), "f", average("f", (3, 2 * height, 2 * width))),
        Upsample(("f",), "g", (6, 6)),
        LayerStep(("g",), "h", layer("h", (3, 6, 6), 5, (3, 3), padding=(1, 1, 1, 1))),
        Reshape(("h",), "i", (9, 4, 5)),
        MaxPool(("i",), "j", (2, 2), (1, 1)),
    )


def agree(found: IntegerNetwork, config: ArrayConfig, encoding: Encoding, seed: int) -> None:
    image = compile_network(found, config, encoding, watch=True)
    inputs = np.random.default_rng(seed).integers(-128, 128, (1, *found.input.shape)).astype(np.int8)
    expected = trace_network(found, inputs)
    tensors = image.tensors(run_image(image, inputs[0]))
    assert set(tensors) == {tensor.name for tensor in found.tensors[1:]}
    for name, tensor in tensors.items():
        assert (tensor == expected[name][0]).all(), name
    plain = compile_network(found, config, encoding)
    assert (plain.outputs(run_image(plain, inputs[0])) == run_network(found, inputs)[0]).all()


@pytest.mark.parametrize(
    ("config", "count"),
    slow_but([(CONFIGS[-1], 20), *((config, 60) for config in CONFIGS)], (CONFIGS[-1], 20)),
    ids=str,
)
def test_random_networks_equal_the_golden_model(config: ArrayConfig, count: int) -> None:
    refused = Counter[bool]()

    @given(
        found=integer_networks(tables=config.activation_tables),
        encoding=st.sampled_from(list(Encoding)),
        seed=st.integers(0, 1 << 20),
    )
    @settings(max_examples=count, deadline=None)
    def check(found: IntegerNetwork, encoding: Encoding, seed: int) -> None:
        try:
            compile_network(found, config, encoding)
        except CompileError as error:
            assert any(  # what the array cannot do, said of networks that ask for it
                reason in str(error)
                for reason in ("vectors and maps together", "scaled differently", "vector into itself",
                               "a map out of one pixel", "is padded with", "feature words", "sums can reach", "gap", "tap entries")
            )  # fmt: skip
            refused[True] += 1
            return
        agree(found, config, encoding, seed)
        refused[False] += 1

    check()
    print(f"{refused[True]} of {refused.total()} networks were refused")
    assert refused[True] <= MOST_REFUSED * refused.total()


LARGE = ArrayConfig(21, 7, group_sizes=(1, 7, 21), replicas=3)


@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("config", slow_but([*CONFIGS, LARGE], CONFIGS[-1]), ids=str)
@pytest.mark.parametrize("build", [classifier, flat, residual, far, decoder])
def test_kinds_of_steps(build: object, config: ArrayConfig, encoding: Encoding) -> None:
    assert callable(build)
    agree(build(), config, encoding, seed=1)


def test_the_same_network_gives_the_same_bytes() -> None:
    first, second = (compile_network(classifier(), PRESETS["demo"]) for _ in range(2))
    assert first.words.tobytes() == second.words.tobytes()


def test_rows_with_a_residual_run_in_blocks() -> None:
    image = compile_network(residual(), PRESETS["demo"])
    assert sum(command.tensor == "b" for command in image.commands if command.kind == "RUN") > 1


def test_the_division_with_fewest_cycles_is_chosen() -> None:
    config = PRESETS["demo"]
    cycles = {groups: compile_network(classifier(), config, row_groups=groups).compute_cycles for groups in (1, 2, 4)}
    assert compile_network(classifier(), config).compute_cycles == min(cycles.values())


def test_what_does_not_fit_is_said_with_its_need() -> None:
    small = replace(PRESETS["demo"], feature_words=64)
    with pytest.raises(
        CompileError, match=r"needs \d+ feature words per PE .*, and there are 64: most at layer '\w'"
    ) as refusal:
        compile_network(classifier(), small)
    enough = 1 << (refusal.value.need - 1).bit_length()
    compile_network(classifier(), replace(small, feature_words=enough))
    with pytest.raises(CompileError):
        compile_network(classifier(), replace(small, feature_words=enough // 2))


def test_what_the_array_was_built_without_is_refused() -> None:
    with pytest.raises(ValueError, match="without the operation MAX"):
        compile_network(classifier(), replace(PRESETS["demo"], max_pooling=False))
    with pytest.raises(ValueError, match="without the operation POOL"):
        compile_network(classifier(), replace(PRESETS["demo"], global_pooling=False))
