"""Where a layer's maps lie: blocks of pixels over lanes and row groups, and the words of a PE's feature memory."""

from dataclasses import dataclass
from itertools import count

from openwork.compiler.errors import CompileError
from openwork.layer import IntegerLayer
from openwork_hw.arch.config import ArrayConfig


@dataclass(frozen=True)
class BlockLayout:
    """A layer's maps on the blocks of an array, the same for every lane and PE.

    Lane l of a PE in row group g owns output pixels (g * block_height + y, l * block_width + x), and input pixels in
    blocks that are `stride` times as large. The input lies at word 0 of the feature memory, the output behind it; in
    both, the words of a local pixel are its channels.

    Attributes:
        layer: whose maps they are.
        row_groups, lanes: blocks down and across.
        block_height, block_width: output pixels of a block.
    """

    layer: IntegerLayer
    row_groups: int
    lanes: int
    block_height: int
    block_width: int

    @property
    def input_block_height(self) -> int:
        """Input pixels of a block, down."""
        return self.layer.stride * self.block_height

    @property
    def input_block_width(self) -> int:
        """Input pixels of a block, across."""
        return self.layer.stride * self.block_width

    @property
    def pixels(self) -> int:
        """Local pixels of an output block: how often every row is replayed."""
        return self.block_height * self.block_width

    @property
    def input_words(self) -> int:
        """Feature words of the input."""
        return self.input_block_height * self.input_block_width * self.layer.channels

    @property
    def output_base(self) -> int:
        """Word address of the output."""
        return self.input_words

    @property
    def output_words(self) -> int:
        """Feature words of the output."""
        return self.pixels * self.layer.rows

    @property
    def feature_words(self) -> int:
        """Feature words that a PE needs for the layer."""
        return self.input_words + self.output_words

    def used_groups(self) -> int:
        """Row groups that own at least one pixel of the output map."""
        return -(-self.layer.output_shape[1] // self.block_height)

    def __str__(self) -> str:
        return (
            f"{self.row_groups} x {self.lanes} blocks of {self.block_height} x {self.block_width} pixels, "
            f"{self.feature_words} feature words"
        )


def place(layer: IntegerLayer, config: ArrayConfig, row_groups: int) -> BlockLayout:
    """The smallest blocks that cover both maps and in which every tap reaches one neighbour at most.

    Raises:
        CompileError: `row_groups` does not divide the PEs, or the maps need more feature words than a PE has.
    """
    if row_groups not in config.row_groups:
        raise CompileError(f"layer {layer.name!r}: row_groups must be one of {config.row_groups}, not {row_groups}")
    height = _block(layer, row_groups, axis=0)
    width = _block(layer, config.lanes, axis=1)
    layout = BlockLayout(layer, row_groups, config.lanes, height, width)
    if layout.feature_words > config.feature_words:
        raise CompileError(
            f"layer {layer.name!r}: {row_groups} x {config.lanes} blocks need {layout.feature_words} feature words "
            f"a PE ({layout.input_words} for the input, {layout.output_words} for the output), and there are "
            f"{config.feature_words}: use more row groups, a smaller map or an array with more feature words"
        )
    return layout


def block_offsets(layer: IntegerLayer, block: int, axis: int, pixel: int, tap: int, blocks: int) -> tuple[int, int]:
    """Along one axis, where output pixel `pixel` finds kernel tap `tap`: (blocks from here, pixel inside that one).

    Where there is one block only, any other is outside the map, so it counts as the next one.
    """
    size = layer.stride * block
    position = layer.stride * pixel + layer.dilation * tap - layer.padding[axis]
    neighbour, local = divmod(position, size)
    if blocks == 1:
        neighbour = min(max(neighbour, -1), 1)
    return neighbour, local


def _block(layer: IntegerLayer, blocks: int, axis: int) -> int:
    smallest = max(
        -(-layer.output_shape[axis + 1] // blocks),
        -(-layer.input_shape[axis + 1] // (blocks * layer.stride)),
        1,
    )
    for block in count(smallest):
        reach = [
            block_offsets(layer, block, axis, pixel, tap, blocks)[0]
            for pixel in range(block)
            for tap in range(layer.kernel[axis])
        ]
        if min(reach) >= -1 and max(reach) <= 1:
            return block
    raise AssertionError("a block as large as the kernel's reach always exists")
