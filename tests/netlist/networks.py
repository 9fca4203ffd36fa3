"""A network that fits the smallest arrays."""

import numpy as np

from openwork.activation import Clip
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, Tensor


def small_network() -> IntegerNetwork:
    """Two convolutions that fit the smallest array here, half of their weights 0."""
    generator = np.random.default_rng(7)

    def layer(name: str, shape: tuple[int, int, int], rows: int, stride: int) -> IntegerLayer:
        size = (rows, shape[0], 3, 3)
        return IntegerLayer(
            name=name,
            weights=generator.integers(-20, 21, size, np.int8) * generator.integers(0, 2, size, np.int8),
            bias=generator.integers(-1000, 1000, rows),
            shift=np.full(rows, 5),
            input_zero_point=3,
            output_zero_point=3,
            activation=Clip(),
            input_shape=shape,
            stride=(stride, stride),
            padding=(1, 1, 1, 1),
            groups=1,
        )

    first, second = layer("first", (1, 8, 8), 4, 1), layer("second", (4, 8, 8), 6, 2)
    tensors = (
        Tensor("input", (1, 8, 8), 1.0, 3),
        Tensor("first", (4, 8, 8), 1.0, 3),
        Tensor("second", (6, 4, 4), 1.0, 3),
    )
    return IntegerNetwork(
        tensors, (LayerStep(("input",), "first", first), LayerStep(("first",), "second", second)), ("second",)
    )
