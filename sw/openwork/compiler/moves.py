"""Moves between PEs: a map that becomes a vector, a vector that all PEs need."""

from openwork.compiler.buffers import Buffer
from openwork.compiler.schedule import Unrolled
from openwork_hw.arch.commands import MoveCommand


def map_moves(one: Unrolled, source: int, target: int) -> list[MoveCommand]:
    """A map, pixel by pixel, into a vector in all PEs.

    Args:
        source, target: word addresses of the map's buffer and of the vector's.
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
    """A vector, from the last lane of the last PE of the first group of `home` PEs, into all PEs."""
    return MoveCommand(home - 1, address, vector.words, vector.lanes - 1, 1, address, 1, 0)
