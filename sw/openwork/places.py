"""How a tensor is divided among the PEs and lanes of an array, and where it lies in the feature memories."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openwork.network import IntegerNetwork, NetworkError


@dataclass(frozen=True, eq=False)
class Blocks:
    """How a tensor, either a map or a vector, is divided among the PEs and lanes of an array.

    A map is cut into blocks of pixels. Lane l of each PE in row group g owns the pixels (g * block[0] + y, l * block[1] + x).
    Every local pixel has one word per channel. Where a block reaches beyond the map, its pixels hold `fill`.

    A vector has one word per channel. The last lane of the last PE of each group always holds the right value; other lanes
    and PEs may not.

    Attributes:
        tensor: name of the tensor. For a tensor that a step makes only for itself, what the tensor holds.
        shape: channels, height, width.
        row_groups: number of blocks down.
        lanes: number of blocks across.
        block: pixels per block, down and across.
        fill: int8 that pixels outside the map hold.
        vector: whether the tensor is a vector.
        step: the step that makes the tensor only for itself; empty for a tensor of the network.
    """

    tensor: str
    shape: tuple[int, int, int]
    row_groups: int
    lanes: int
    block: tuple[int, int]
    fill: int
    vector: bool
    step: str = ""

    @property
    def label(self) -> str:
        """The name of the tensor in tables and messages."""
        return f"{self.tensor} of {self.step}" if self.step else self.tensor

    @property
    def words(self) -> int:
        """Feature words per PE."""
        return self.shape[0] * self.block[0] * self.block[1]

    @property
    def used_groups(self) -> int:
        """How many row groups own a pixel of the map."""
        return -(-self.shape[1] // self.block[0])

    @property
    def outside_pixels(self) -> int:
        """How many pixels of all blocks are outside the map."""
        _, height, width = self.shape
        return self.row_groups * self.block[0] * self.lanes * self.block[1] - height * width

    def holds(self, y: int, x: int) -> bool:
        """Whether local pixel (y, x) is inside the map in at least one block. Blocks may be larger than the map."""
        return y < self.shape[1] and x < self.shape[2]


@dataclass(frozen=True)
class Place(Blocks):
    """A tensor with its word address, which is the same in the feature memory of every PE.

    Attributes:
        base: word address of the first word.
    """

    base: int = field(kw_only=True)

    def pack(self, tensor: NDArray[np.int8]) -> NDArray[np.int8]:
        """The words that hold a tensor: int8 [row groups, words, lanes]."""
        channels, height, width = self.shape
        block_h, block_w = self.block
        if self.vector:
            return np.broadcast_to(tensor.reshape(1, channels, 1), (self.row_groups, channels, self.lanes))
        canvas = np.full((channels, self.row_groups * block_h, self.lanes * block_w), self.fill, dtype=np.int8)
        canvas[:, :height, :width] = tensor
        blocks = canvas.reshape(channels, self.row_groups, block_h, self.lanes, block_w)
        return blocks.transpose(1, 2, 4, 0, 3).reshape(self.row_groups, self.words, self.lanes)

    def unpack(self, words: NDArray[np.int8]) -> NDArray[np.int8]:
        """The tensor that words hold: int8 [used groups, words, lanes] for a map, int8 [1, words, lanes] for a vector."""
        channels, height, width = self.shape
        if self.vector:
            return np.ascontiguousarray(words[0, :, -1]).reshape(self.shape)
        block_h, block_w = self.block
        blocks = words.reshape(-1, block_h, block_w, channels, self.lanes).transpose(3, 0, 1, 4, 2)
        return np.ascontiguousarray(blocks.reshape(channels, -1, self.lanes * block_w)[:, :height, :width])


def fill_of(network: IntegerNetwork, name: str) -> int:
    """The value that padding reads beside a map: the pad value of every step that pads the map, else its zero point.

    Raises:
        NetworkError: two steps pad the map with different values.
    """
    pads = {}
    for step in network.steps:
        if name in step.inputs:
            if step.pad is not None:
                pads[step.pad] = step.output
    if len(pads) > 1:
        raise NetworkError(
            f"tensor {name!r} is padded with {' and '.join(f'{pad} by {step!r}' for pad, step in pads.items())}: "
            "the array writes one of them beside the map"
        )
    return next(iter(pads), network.tensor(name).zero_point)
