"""Buffers: room for tensors in the feature memories, with a size and a division, but no address yet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from openwork.places import Blocks, Place


@dataclass(frozen=True, eq=False)
class Buffer(Blocks):
    """Room for a tensor of the network, or for a tensor that a step makes only for itself. Two buffers are never equal.

    A buffer can be a view of another buffer: the same words with another shape or other row groups. It can be a window of a map
    whose other pixels are in an external memory.

    Attributes:
        of: the buffer that this buffer is a view of; None if it has words of its own.
        first_channel: the channel of `of` with which the view begins.
        window: the local pixels that the buffer holds, in the order in which they lie there; empty for all.
        starts: word address of each pixel of a window whose pixels lie at places of their own; empty if they lie one behind the
            other from the buffer's address on.
    """

    of: "Buffer | None" = None
    first_channel: int = 0
    window: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()

    @property
    def words(self) -> int:
        """Feature words per PE."""
        return self.shape[0] * len(self.window) if self.window else super().words

    @property
    def pixels(self) -> range | tuple[int, ...]:
        """The local pixels that the buffer holds, in their order."""
        return self.window or range(self.block[0] * self.block[1])

    def word(self, pixel: int) -> int:
        """The word of a local pixel's channel 0, from the buffer's address on; the word address if the buffer has `starts`."""
        slot = self._slots[pixel] if self.window else pixel
        return self.starts[slot] if self.starts else slot * self.pixel_words

    @cached_property
    def _slots(self) -> dict[int, int]:
        """For each local pixel of a window which of them it is."""
        return {pixel: slot for slot, pixel in enumerate(self.window)}

    @property
    def stretches(self) -> tuple[int, ...]:
        """How many pixels lie one behind the other, then how many after them, and so on."""
        ends = [
            slot + 1
            for slot, (one, following) in enumerate(pairwise(self.starts))
            if following - one != self.pixel_words
        ]
        return tuple(last - first for first, last in pairwise((0, *ends, len(self.pixels))))

    @property
    def root(self) -> "Buffer":
        """The buffer that has the words: `of` for a view, otherwise the buffer itself."""
        return self.of or self

    def view(self, **changes: Any) -> "Buffer":
        """A view: the same words in another shape or division."""
        return replace(self, **changes, of=self.root)

    def channels(self, first: int, count: int) -> "Buffer":
        """A view of `count` channels, from channel `first` on."""
        return self.view(shape=(count, *self.shape[1:]), first_channel=self.first_channel + first)

    @property
    def pixel_words(self) -> int:
        """Words from one local pixel to the next."""
        whole = self.of is not None and self.of.shape[1:] == self.shape[1:]
        return self.root.shape[0] if whole else self.shape[0]

    def window_at(self, pixels: Sequence[int], address: int) -> "Buffer":
        """Some local pixels of the buffer, one behind the other from a word address on."""
        starts = range(address, address + len(pixels) * self.shape[0], self.shape[0])
        return replace(self, window=tuple(pixels), starts=tuple(starts))

    def hidden(
        self,
        step: str,
        what: str,
        shape: Sequence[int],
        block: tuple[int, int],
        *,
        fill: int | None = None,
        vector: bool = False,
    ) -> "Buffer":
        """A new buffer that a step makes only for itself, divided among the same PEs as this buffer."""
        channels, height, width = shape
        return replace(
            self,
            tensor=what,
            shape=(channels, height, width),
            block=block,
            fill=self.fill if fill is None else fill,
            vector=vector,
            step=step,
            of=None,
            first_channel=0,
        )

    def at(self, base: int) -> Place:
        """This buffer with a word address."""
        return Place(
            self.tensor,
            self.shape,
            self.row_groups,
            self.lanes,
            self.block,
            self.fill,
            self.vector,
            self.step,
            base=base,
        )


@dataclass(frozen=True, eq=False)
class Shifted:
    """Copies of a map, each shifted by whole blocks. The copies lie side by side as channels of one map.

    A tap that reaches two neighbours reads the neighbour's copy instead.

    Attributes:
        shifts: the shift of each copy: how many blocks down and across the pixels come from, -1, 0 or 1 each.
        buffer: the map that holds all copies.
    """

    shifts: tuple[tuple[int, int], ...]
    buffer: Buffer

    def first_channel(self, shift: tuple[int, int]) -> int:
        """The channel at which the copy with that shift begins."""
        return self.shifts.index(shift) * (self.buffer.shape[0] // len(self.shifts))
