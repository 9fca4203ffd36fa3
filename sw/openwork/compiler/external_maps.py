"""Maps in an external memory, and where their bytes lie there."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from openwork.compiler.buffers import Buffer
from openwork.compiler.channel_parts import even_parts
from openwork.compiler.errors import CompileError
from openwork_hw.arch.commands import Piece
from openwork_hw.arch.config import ArrayConfig

MAP_WORD = 4
"""Bytes to which everything that is stored in an external memory is rounded up."""


class Part(NamedTuple):
    """Some channels of some local pixels of a map.

    Attributes:
        pixels: local pixels, in the order in which they are stored.
        first, channels: the first channel, and how many.
    """

    pixels: tuple[int, ...]
    first: int
    channels: int


@dataclass(frozen=True, eq=False)
class ExternalMap:
    """A map in an external memory: its parts one behind the other, and in each part one row group behind the other.

    Attributes:
        whole: how the map is divided among PEs and lanes.
        parts: in the order in which they are stored.
        base: address of the first byte.
    """

    whole: Buffer
    parts: tuple[Part, ...]
    base: int = 0

    @property
    def bytes(self) -> int:
        """Of the whole map."""
        return sum(self.whole.row_groups * self._chunk(part) for part in self.parts)

    def pieces(self, group: int, wanted: Buffer) -> tuple[Piece, ...]:
        """Where the local pixels of a buffer lie, of one row group, in their order; neighbours in one piece.

        Args:
            wanted: a window of the map; some of its channels, if the buffer has fewer.
        """
        found: list[Piece] = []
        places, lanes = self._places, self.whole.lanes
        first, last = wanted.first_channel, wanted.first_channel + wanted.shape[0]
        for pixel in wanted.pixels:
            for start, part, number in places[pixel]:
                begin, end = max(part.first, first), min(part.first + part.channels, last)
                if begin >= end:
                    continue
                within = (number * part.channels + begin - part.first) * lanes
                address, count = self.base + start + group * self._chunk(part) + within, (end - begin) * lanes
                if found and found[-1].address + found[-1].bytes == address:
                    found[-1] = Piece(found[-1].address, found[-1].bytes + count)
                else:
                    found.append(Piece(address, count))
        return tuple(found)

    def _chunk(self, part: Part) -> int:
        """Bytes of one row group of a part."""
        return -(-len(part.pixels) * part.channels * self.whole.lanes // MAP_WORD) * MAP_WORD

    @cached_property
    def _places(self) -> dict[int, list[tuple[int, Part, int]]]:
        """For each local pixel the parts that hold it, by channel: where a part begins, and the pixel's number in the part."""
        places: dict[int, list[tuple[int, Part, int]]] = {}
        start = 0
        for part in self.parts:
            for number, pixel in enumerate(part.pixels):
                places.setdefault(pixel, []).append((start, part, number))
            start += self.whole.row_groups * self._chunk(part)
        for held in places.values():
            held.sort(key=lambda one: one[1].first)
        return places


def input_parts(whole: Buffer, config: ArrayConfig) -> tuple[Part, ...]:
    """Parts of the network's input. One of them comes while the one before it leaves the other half of the feature memory.

    They are half as large as a half: what leaves behind the last part has nothing to go beside.

    Raises:
        CompileError: not even one pixel fits.
    """
    half, channels = config.feature_words // 2, whole.shape[0]
    if channels > half:
        raise CompileError(
            f"a pixel of {whole.tensor!r} has {channels} channels, and half of a PE's feature memory has {half} words",
            need=2 * channels,
        )
    at_once = max(half // 2 // channels, 1)
    return tuple(Part(pixels, 0, whole.shape[0]) for pixels in even_parts(len(whole.pixels), at_once))
