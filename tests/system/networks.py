"""Small networks that between them use everything that the array and the compiler have."""

import numpy as np
from numpy.typing import NDArray

from openwork.activation import Activation, Clip, Table
from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork, LayerStep, MaxPool, PixelShuffle, Reshape, Shape, Step, Tensor, Upsample

Padding = tuple[int, int, int, int]


class Builder:
    """Steps one after the other, with random weights, biases and shifts; all tensors have one scale and one zero point."""

    def __init__(self, shape: Shape, *, zero_point: int, seed: int) -> None:
        self.zero_point = zero_point
        self._rng = np.random.default_rng(seed)
        self._shapes: dict[str, Shape] = {"input": shape}
        self._steps: list[Step] = []

    def shape(self, *inputs: str) -> Shape:
        """Of tensors that are concatenated."""
        shapes = [self._shapes[name] for name in inputs]
        return (sum(channels for channels, _, _ in shapes), *shapes[0][1:])

    def add(self, step: Step) -> str:
        """A step; its output's name."""
        self._shapes[step.output] = step.output_shape(self.shape(*step.inputs))
        self._steps.append(step)
        return step.output

    def weights(self, *shape: int, density: float = 0.5) -> NDArray[np.int8]:
        """Random, with the largest and the smallest among them."""
        weights = self._rng.integers(-128, 128, shape).astype(np.int8)
        weights[self._rng.random(shape) >= density] = 0
        weights.reshape(-1)[:2] = -128, 127
        return weights

    def weighted(
        self,
        output: str,
        inputs: tuple[str, ...],
        weights: NDArray[np.int8],
        *,
        groups: int = 1,
        stride: tuple[int, int] = (1, 1),
        dilation: tuple[int, int] = (1, 1),
        padding: Padding = (0, 0, 0, 0),
        low: int = -128,
        high: int = 127,
        activation: Activation | None = None,
    ) -> str:
        """A layer of these weights. Shifts bring its sums to about the size of an int8, some rows beyond and some below."""
        rows = len(weights)
        size = np.abs(weights.astype(np.int64)).reshape(rows, -1).sum(axis=1) * 16 + 1
        shift = np.maximum(np.log2(size).astype(np.int64) - 6 + self._rng.integers(-1, 2, rows), 0)
        bias = self._rng.integers(-64, 64, rows) << shift
        name, zero = output, self.zero_point
        layer = IntegerLayer(
            name,
            weights,
            bias,
            shift,
            zero,
            zero,
            activation or Clip(low, high),
            self.shape(*inputs),
            stride,
            padding,
            dilation,
            groups,
        )
        return self.add(LayerStep(inputs, output, layer))

    def layer(self, output: str, inputs: tuple[str, ...], rows: int, kernel: tuple[int, int], **options: object) -> str:
        """A layer of random weights."""
        groups, density = options.get("groups", 1), options.pop("density", 0.5)
        assert isinstance(groups, int) and isinstance(density, float)
        weights = self.weights(rows, self.shape(*inputs)[0] // groups, *kernel, density=density)
        return self.weighted(output, inputs, weights, **options)  # type: ignore[arg-type]

    def average(self, output: str, source: str, activation: Activation | None = None) -> str:
        """Of each channel over the whole map."""
        channels, height, width = self.shape(source)
        weights = np.broadcast_to(self._rng.integers(1, 9, (channels, 1, 1, 1)), (channels, 1, height, width))
        return self.weighted(output, (source,), weights.astype(np.int8), groups=channels, activation=activation)

    def table(self) -> Table:
        """Of random values."""
        return Table(tuple(self._rng.integers(-128, 128, 256).tolist()))

    def network(self, *outputs: str) -> IntegerNetwork:
        """All of it; the outputs are the last step's unless named."""
        tensors = tuple(Tensor(name, shape, 1.0, self.zero_point) for name, shape in self._shapes.items())
        return IntegerNetwork(tensors, tuple(self._steps), outputs or (self._steps[-1].output,))


def photograph() -> IntegerNetwork:
    """A classifier of a map that does not divide into blocks: strides, groups, depthwise, a residual, concatenation, pooling."""
    net = Builder((3, 11, 7), zero_point=-9, seed=1)
    net.layer("stem", ("input",), 6, (3, 3), padding=(1, 1, 1, 1), low=-9)
    net.add(MaxPool(("stem",), "pooled", (3, 2), (2, 2), (1, 0, 1, 1)))
    net.layer("depthwise", ("pooled",), 6, (3, 3), padding=(1, 1, 1, 1), groups=6, density=0.9)
    net.layer("grouped", ("depthwise",), 8, (2, 2), padding=(1, 0, 0, 1), groups=2, high=90)
    weights = net.weights(6, 8 + 6, 3, 3, density=0.6)
    weights[3] = 0
    weights[:, 8:] = 0
    weights[np.arange(6), 8 + np.arange(6), 1, 1] = 100
    net.weighted("joined", ("grouped", "pooled"), weights, padding=(1, 1, 1, 1), low=-100)
    net.add(MaxPool(("joined", "depthwise"), "largest", (2, 2), (1, 1)))
    net.average("average", "largest")
    net.layer("hidden", ("average",), 11, (1, 1), low=-9)
    net.layer("scores", ("hidden", "average"), 7, (1, 1))
    return net.network()


def long_rows() -> IntegerNetwork:
    """Rows longer than the row buffer, a map twice in a step, more taps than a table holds, a kernel as large as its map."""
    net = Builder((9, 6, 5), zero_point=4, seed=2)
    net.layer("long", ("input",), 7, (3, 3), padding=(1, 1, 1, 1), density=0.95)
    net.layer("twice", ("long", "long"), 8, (3, 3), padding=(1, 1, 1, 1), density=0.3)
    net.layer("wide", ("twice",), 4, (3, 3), padding=(2, 2, 2, 2), dilation=(2, 2), density=0.5)
    net.layer("flat", ("wide",), 10, (6, 5), density=0.3)
    net.layer("scores", ("flat",), 6, (1, 1), density=0.9)
    return net.network()


def few_pixels() -> IntegerNetwork:
    """Maps of at most a pixel per block: kernels that reach two blocks far, a gathered map, a pooled vector that
    becomes a map, and channels that become pixels."""
    net = Builder((4, 8, 6), zero_point=0, seed=3)
    net.layer("halved", ("input",), 6, (3, 3), padding=(1, 1, 1, 1), stride=(2, 2))
    net.layer("far", ("halved",), 5, (5, 5), padding=(2, 2, 2, 2), density=0.4)
    net.layer("gathered", ("far",), 7, (3, 3), padding=(1, 1, 1, 1), stride=(2, 2))
    net.layer("small", ("gathered",), 6, (3, 3), padding=(1, 1, 1, 1))
    net.average("average", "small")
    net.add(Upsample(("average",), "spread", (4, 4)))
    net.layer("again", ("spread",), 6, (3, 3), padding=(1, 0, 1, 0))
    net.add(PixelShuffle(("again",), "shuffled", (2, 3), (7, 5)))
    net.layer("unequal", ("shuffled",), 3, (3, 3), padding=(1, 2, 1, 2), stride=(2, 1), dilation=(1, 2))
    return net.network()


def picture_of_a_vector() -> IntegerNetwork:
    """A vector becomes a map, that is enlarged, and all of it becomes a vector again."""
    net = Builder((10, 1, 1), zero_point=-3, seed=4)
    net.layer("spread", ("input",), 2 * 3 * 5, (1, 1))
    net.add(Reshape(("spread",), "map", (2, 3, 5)))
    net.layer("mixed", ("map",), 3, (3, 3), padding=(1, 1, 1, 1))
    net.add(Upsample(("mixed",), "enlarged", (2, 2)))
    net.layer("smooth", ("enlarged",), 2, (3, 3), padding=(1, 1, 1, 1), low=-3)
    net.add(Reshape(("smooth",), "other", (4, 3, 10)))
    net.add(MaxPool(("other",), "largest", (2, 2), (1, 1)))
    net.add(Reshape(("largest",), "unrolled", (4 * 2 * 9, 1, 1)))
    net.layer("scores", ("unrolled",), 5, (1, 1), density=0.4)
    return net.network()


def through_tables() -> IntegerNetwork:
    """Outputs of maps, pooled sums and vectors go through activation tables: one that stays, others that follow, and none between.

    The maps have pixels outside, which keep their fill value.
    """
    net = Builder((3, 7, 5), zero_point=-6, seed=5)
    first, second = net.table(), net.table()
    net.layer("stem", ("input",), 5, (3, 3), padding=(1, 1, 1, 1), activation=first)
    net.layer("depthwise", ("stem",), 5, (3, 3), padding=(1, 1, 1, 1), groups=5, density=0.9, activation=first)
    net.add(MaxPool(("depthwise",), "largest", (2, 2), (2, 2)))
    net.layer("plain", ("largest",), 6, (3, 3), padding=(1, 1, 1, 1), stride=(2, 2), low=-6)
    net.layer("again", ("plain",), 6, (1, 1), activation=second)
    net.average("average", "again", activation=first)
    net.layer("hidden", ("average",), 9, (1, 1), activation=second)
    net.layer("scores", ("hidden",), 4, (1, 1))
    return net.network()
