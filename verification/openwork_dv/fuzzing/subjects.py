"""What is mutated: small networks that between them have every kind of step, and images of them."""

from dataclasses import replace
from functools import cache

import numpy as np

from openwork.activation import Clip
from openwork.compiler.network import compile_network
from openwork.image import Image
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, MaxPool, Reshape, Step, Tensor, Upsample
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

SMALL = ArrayConfig(2, 3, feature_words=1024, row_buffer_nonzeros=32, tap_entries=128, sum_bits=28, replicas=2)


@cache
def small_networks() -> tuple[IntegerNetwork, ...]:
    """A classifier with max and global pooling and a map that is read twice; a decoder with a vector that becomes a map."""
    return _classifier(), _decoder()


@cache
def small_image() -> Image:
    """Of the classifier, on an array with two ways to divide the maps and with copies; all that it makes is stored."""
    return compile_network(_classifier(), SMALL, Encoding.CSR, row_groups=SMALL.pes, watch=True)


@cache
def flash_image() -> Image:
    """Of the classifier, for a board that reads its image out of flash."""
    return compile_network(_classifier(pools=False), PRESETS["ice40-up5k-flash"], Encoding.CSR)


@cache
def fetched_image() -> Image:
    """Of the classifier, for a board whose scratchpad holds a part of it at a time."""
    plain = small_image()
    return compile_network(
        _classifier(), SMALL, Encoding.CSR, row_groups=SMALL.pes, watch=True, scratchpad_words=len(plain.words) // 2
    )


@cache
def spilled_image() -> Image:
    """With maps in an external memory, which move beside passes."""
    config = replace(SMALL, feature_words=128, map_stations=True)
    network = _network(
        (2, 12, 10),
        LayerStep(("input",), "a", _layer("a", (2, 12, 10), 4, (3, 3), padding=(1, 1, 1, 1))),
        LayerStep(("a",), "b", _layer("b", (4, 12, 10), 4, (3, 3), stride=(2, 2), padding=(1, 1, 1, 1))),
        LayerStep(("b",), "c", _layer("c", (4, 6, 5), 6, (3, 3), stride=(2, 2), padding=(1, 1, 1, 1))),
        LayerStep(("c",), "d", _layer("d", (6, 3, 3), 5, (3, 3))),
    )
    return compile_network(network, config, Encoding.CSR, row_groups=config.pes, scratchpad_words=2048)


def _classifier(*, pools: bool = True) -> IntegerNetwork:
    second: Step = (
        MaxPool(("a",), "b", (3, 3), (2, 2), (1, 1, 1, 1))
        if pools
        else LayerStep(("a",), "b", _layer("b", (4, 6, 5), 4, (3, 3), stride=(2, 2), padding=(1, 1, 1, 1), groups=4))
    )
    average = IntegerLayer(
        "d", np.ones((6, 1, 3, 3), np.int8), np.zeros(6, np.int64), np.full(6, 3), 0, 0, Clip(), (6, 3, 3), groups=6
    )
    return _network(
        (2, 6, 5),
        LayerStep(("input",), "a", _layer("a", (2, 6, 5), 4, (3, 3), padding=(1, 1, 1, 1))),
        second,
        LayerStep(("b", "b"), "c", _layer("c", (8, 3, 3), 6, (3, 3), padding=(1, 1, 1, 1))),
        LayerStep(("c",), "d", average),
        LayerStep(("d",), "e", _layer("e", (6, 1, 1), 5, (1, 1))),
    )


def _decoder() -> IntegerNetwork:
    return _network(
        (5, 1, 1),
        LayerStep(("input",), "a", _layer("a", (5, 1, 1), 18, (1, 1))),
        Reshape(("a",), "b", (2, 3, 3)),
        Upsample(("b",), "c", (2, 2)),
        LayerStep(("c",), "d", _layer("d", (2, 6, 6), 2, (3, 3), padding=(1, 1, 1, 1))),
    )


def _layer(
    name: str, shape: tuple[int, int, int], rows: int, kernel: tuple[int, int], **options: object
) -> IntegerLayer:
    """Half of its weights are zero."""
    rng = np.random.default_rng([*name.encode()])
    groups = int(str(options.get("groups", 1)))
    weights = rng.integers(-128, 128, (rows, shape[0] // groups, *kernel)) * rng.binomial(
        1, 0.5, (rows, shape[0] // groups, *kernel)
    )
    bias = rng.integers(-3000, 3000, rows)
    return IntegerLayer(
        name,
        weights.astype(np.int8),
        bias,
        np.full(rows, 8),
        0,
        0,
        Clip(),
        shape,
        **options,  # type: ignore[arg-type]
    )


def _network(shape: tuple[int, int, int], *steps: Step) -> IntegerNetwork:
    shapes = {"input": shape}
    for step in steps:
        read = [shapes[name] for name in step.inputs]
        shapes[step.output] = step.output_shape((sum(one[0] for one in read), *read[0][1:]))
    tensors = tuple(Tensor(name, one, 0.1, 0) for name, one in shapes.items())
    return IntegerNetwork(tensors, steps, (steps[-1].output,))
