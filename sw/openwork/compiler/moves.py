"""MOVE commands: they turn a map into a vector, and copy a vector into all PEs."""

from openwork.compiler.buffers import Buffer
from openwork.compiler.schedule import Unrolled
from openwork_hw.arch.commands import MoveCommand


def map_moves(one: Unrolled, source: int, target: int) -> list[MoveCommand]:
    """The moves that turn a map, pixel by pixel, into a vector in all PEs.

    Args:
        source: word address of the map.
        target: word address of the vector.
    """
    channels, height, width = one.map.shape
    block_h, block_w = one.map.block
    pixel_step, channel_step = (1, height * width) if one.by_channel else (channels, 1)
    moves = []
    for y in range(height):
        group, local_y = divmod(y, block_h)
        for x in range(min(block_w, width)):
            base = source + (local_y * block_w + x) * channels
            lanes = -(-(width - x) // block_w)
            first = target + one.first + (y * width + x) * pixel_step
            moves.append(MoveCommand(group, base, channels, 0, lanes, first, channel_step, block_w * pixel_step))
    return moves


def spread_move(vector: Buffer, address: int, home: int) -> MoveCommand:
    """The move that copies a vector from the last lane of the last PE of the first group of `home` PEs into all PEs."""
    return MoveCommand(home - 1, address, vector.words, vector.lanes - 1, 1, address, 1, 0)
