"""How tensors are divided among the PEs and lanes of an array, and where they lie in every feature memory."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openwork.network import IntegerNetwork, NetworkError


@dataclass(frozen=True, eq=False)
class Blocks:
    """How a tensor is divided among the PEs and lanes of an array.

    A map: lane l of a PE in row group g owns pixels (g * block[0] + y, l * block[1] + x); the words of a local pixel are its
    channels; pixels of blocks outside the map hold `fill`. A vector: its words are its channels; they are right in the last lane of
    the last PE of each group, at least.

    Attributes:
        tensor: its name; of what a step makes for itself, what it holds.
        shape: channels, height, width.
        row_groups, lanes: blocks down and across.
        block: pixels of a block, down and across.
        fill: int8 for what is outside the map.
        vector: whether it is a vector.
        step: the step that alone makes and reads it; empty for a tensor of the network.
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
        """Its name for people."""
        return f"{self.tensor} of {self.step}" if self.step else self.tensor

    @property
    def words(self) -> int:
        """Feature words in every PE."""
        return self.shape[0] * self.block[0] * self.block[1]

    @property
    def used_groups(self) -> int:
        """Row groups that own a pixel of the map."""
        return -(-self.shape[1] // self.block[0])

    @property
    def outside_pixels(self) -> int:
        """Pixels of all blocks of a stream that are not part of the map."""
        _, height, width = self.shape
        return self.row_groups * self.block[0] * self.lanes * self.block[1] - height * width

    def holds(self, y: int, x: int) -> bool:
        """Whether that local pixel is part of the map in any block; blocks may be larger than the map."""
        return y < self.shape[1] and x < self.shape[2]


@dataclass(frozen=True)
class Place(Blocks):
    """Where a tensor lies in the feature memory of every PE.

    Attributes:
        base: address of its first word.
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
        """The tensor that words int8 [used groups, words, lanes] hold; of a vector int8 [1, words, lanes]."""
        channels, height, width = self.shape
        if self.vector:
            return np.ascontiguousarray(words[0, :, -1]).reshape(self.shape)
        block_h, block_w = self.block
        blocks = words.reshape(-1, block_h, block_w, channels, self.lanes).transpose(3, 0, 1, 4, 2)
        return np.ascontiguousarray(blocks.reshape(channels, -1, self.lanes * block_w)[:, :height, :width])


def fill_of(network: IntegerNetwork, name: str) -> int:
    """What padding reads beside a map: what all steps that pad the map say.

    Raises:
        NetworkError: two steps say different values.
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
