"""Moves between PEs: a map that becomes a vector, a vector that all PEs need."""

from openwork.compiler.places import Place
from openwork_hw.arch.commands import MoveCommand


def map_moves(place: Place, target: int, *, by_channel: bool) -> list[MoveCommand]:
    """A map, pixel by pixel, into a vector at word `target` in all PEs.

    Args:
        by_channel: the vector counts channel, row, column; else row, column, channel.
    """
    channels, height, width = place.shape
    block_h, block_w = place.block
    pixel_step, channel_step = (1, height * width) if by_channel else (channels, 1)
    moves = []
    for y in range(height):
        group, local_y = divmod(y, block_h)
        for x in range(min(block_w, width)):
            base = place.base + (local_y * block_w + x) * channels
            lanes = -(-(width - x) // block_w)
            first = target + (y * width + x) * pixel_step
            moves.append(MoveCommand(group, base, channels, 0, lanes, first, channel_step, block_w * pixel_step))
    return moves


def spread_move(place: Place, home: int) -> MoveCommand:
    """A vector, from the last lane of the last PE of the first group of `home` PEs, into all PEs."""
    return MoveCommand(home - 1, place.base, place.words, place.lanes - 1, 1, place.base, 1, 0)
