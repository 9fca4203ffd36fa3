"""Buffers: parts of the feature memories that have a size and a division, and no address yet."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from openwork.places import Blocks, Place


@dataclass(frozen=True, eq=False)
class Buffer(Blocks):
    """Room for a tensor, or for what a step makes for itself. Two buffers are never equal.

    Attributes:
        of: the buffer whose words these are, if this is another view of them: in another shape, or of other PEs.
        first_channel: of that buffer, with which this view begins.
    """

    of: "Buffer | None" = None
    first_channel: int = 0

    @property
    def root(self) -> "Buffer":
        """The buffer itself, of which this may be a view."""
        return self.of or self

    def view(self, **changes: Any) -> "Buffer":
        """The same words, read or written in another shape or division."""
        return replace(self, **changes, of=self.root)

    def channels(self, first: int, count: int) -> "Buffer":
        """Some of its channels."""
        return self.view(shape=(count, *self.shape[1:]), first_channel=self.first_channel + first)

    @property
    def pixel_words(self) -> int:
        """Words from a local pixel to the next one."""
        whole = self.of is not None and self.of.shape[1:] == self.shape[1:]
        return self.root.shape[0] if whole else self.shape[0]

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
        """A new buffer that a step makes for itself, divided among the same PEs."""
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
        """The buffer at a word address."""
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
    """A map several times, each time shifted by whole blocks, side by side as channels of one map.

    Attributes:
        shifts: blocks down and across from where a copy is to what it holds: -1, 0 or 1.
        buffer: where they lie.
    """

    shifts: tuple[tuple[int, int], ...]
    buffer: Buffer

    def first_channel(self, shift: tuple[int, int]) -> int:
        """The channel with which the copy of that shift begins."""
        return self.shifts.index(shift) * (self.buffer.shape[0] // len(self.shifts))
