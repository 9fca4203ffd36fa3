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
    """

    of: "Buffer | None" = None

    @property
    def root(self) -> "Buffer":
        """The buffer itself, of which this may be a view."""
        return self.of or self

    def view(self, **changes: Any) -> "Buffer":
        """The same words, read or written in another shape or division."""
        return replace(self, **changes, of=self.root)

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
