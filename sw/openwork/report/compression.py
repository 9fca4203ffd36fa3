"""How many bytes a network's weights take, dense and in every encoding, beside the bound of what is possible."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from openwork.layer import IntegerLayer
from openwork.network import IntegerNetwork
from openwork.report.layers import own_weights
from openwork_hw.arch import encodings
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows


@dataclass(frozen=True)
class Sizes:
    """Bytes of weights.

    Attributes:
        weights, nonzeros: counts; nonzeros with those that sums and averages became, which are stored, too.
        dense_float32, dense_int8: of the model's own weights, if none were left out.
        csr, triplet, packed: of the weight streams, one for each layer, headers and padding included.
        bound: for random int8 values at random positions of each layer's matrix.
        value_bound: the same with values as they are distributed in each layer, not random: what a perfect code could reach.
        codebook16, codebook32: of `packed`, if a nonzero held the number of one of 16 or 32 values, and each layer a table of them.
    """

    weights: int = 0
    nonzeros: int = 0
    dense_float32: float = 0
    dense_int8: float = 0
    csr: float = 0
    triplet: float = 0
    packed: float = 0
    bound: float = 0
    value_bound: float = 0
    codebook16: float = 0
    codebook32: float = 0

    def __add__(self, other: "Sizes") -> "Sizes":
        return Sizes(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(Sizes)))

    def __str__(self) -> str:
        lines = [f"{'':14} {'bytes':>12} {'smaller':>9} {'bits per nonzero':>16}"]
        for one in fields(Sizes)[2:]:
            size = getattr(self, one.name)
            smaller = f"{self.dense_float32 / size:8.2f}x" if size else ""
            lines.append(f"{one.name:14} {size:12,.0f} {smaller:>9} {8 * size / max(1, self.nonzeros):16.2f}")
        return "\n".join(lines)


def network_sizes(network: IntegerNetwork) -> Sizes:
    """Of all layers that have weights of the model's own; averages and copies are left out."""
    total = Sizes()
    for step in network.steps:
        own = own_weights(network, step).size
        total = sum((layer_sizes(layer, own) for layer in step.layers if own), total)
    return total


def layer_sizes(layer: IntegerLayer, own: int) -> Sizes:
    """Of one layer.

    Args:
        own: how many of its weights are the model's own.
    """
    rows, layout = one_stream(layer)
    streams = {
        encoding: encodings.encode(encoding, encodings.prepare(encoding, rows, layout), layout).nbytes
        for encoding in Encoding
    }
    values = layer.weights[layer.weights != 0]
    bound = encodings.entropy_bound_bits(layer.density) if 0 < layer.density < 1 else 8.0
    count = len(values)

    def codebook(bits: int) -> float:
        return streams[Encoding.PACKED] - count * (8 - bits) / 8 + (1 << bits)

    return Sizes(
        weights=layer.weights.size,
        nonzeros=count,
        dense_float32=4 * own,
        dense_int8=own,
        csr=streams[Encoding.CSR],
        triplet=streams[Encoding.TRIPLET],
        packed=streams[Encoding.PACKED],
        bound=count * bound / 8,
        value_bound=count * (bound - 8 + value_entropy(values)) / 8,
        codebook16=codebook(4),
        codebook32=codebook(5),
    )


def one_stream(layer: IntegerLayer) -> tuple[SparseRows, ColumnLayout]:
    """All rows of a layer as one weight stream, and its columns; a row without weights holds a nonzero of value 0.

    A layer that sums over its whole map reads a vector, so that its columns have one tap.
    """
    taps = 1 if layer.covers_map else layer.taps
    group_rows, group_channels = layer.rows // layer.groups, layer.channels // layer.groups
    weights = layer.weights.reshape(layer.rows, group_channels, layer.taps).transpose(0, 2, 1)
    stored = weights != 0
    stored[~stored.any(axis=(1, 2)), 0, 0] = True
    row, tap, channel = np.nonzero(stored)
    channel += row // group_rows * group_channels
    layout = ColumnLayout(taps, layer.channels * layer.taps // taps)
    columns = tap << layout.channel_bits | channel if taps == layer.taps else tap * layer.channels + channel
    return SparseRows(np.arange(layer.rows), np.bincount(row), columns, weights[stored]), layout


def value_entropy(values: NDArray[np.int8]) -> float:
    """Bits per value that a perfect code needs for these.

    >>> value_entropy(np.array([1, 1, 2, 2, 3, 3, -3, -3], np.int8)), value_entropy(np.array([5, 5], np.int8))
    (2.0, 0.0)
    """
    if not len(values):
        return 0.0
    counts = np.unique(values, return_counts=True)[1]
    shares = counts / len(values)
    return float(-(shares * np.log2(shares)).sum()) + 0.0
