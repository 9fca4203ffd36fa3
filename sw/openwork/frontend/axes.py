"""Each axis of a map as a matrix, and the matrix as windows: averages of unequal windows, resizing, padding, choices of pixels.

What such an operator does to the pixels of an axis is a matrix [pixels after, pixels before]. Its rows mostly repeat: the same
weights again, so many pixels further on. At the borders they do not. `as_windows` finds what repeats, and corrects it with
windows over the first pixels of the axis alone. A layer adds all these windows up (`frontend.resampling`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

import torch

from openwork.operations.arguments import Unsupported

FEW_PHASES = (1, 2, 3, 4)
"""Rows after which a matrix may repeat, besides those that its size suggests."""

MOST_PARTS = 8
"""Most copies of a map that see its first pixels only: all of them are in the memory at once."""

COPY_COST = 2
"""What the first pixels of an axis cost, beside a nonzero of a row: they are cut off, and zeros are put in the others' place."""

MOST_ENTRIES = 1 << 24
"""Entries of an axis' matrix: pixels before times pixels after. A photograph's axes have thousands of pixels."""

NEGLIGIBLE = 1e-9
"""A weight below this is 0: resizing computes some of them as differences."""


@dataclass(frozen=True, eq=False)
class Windows:
    """A matrix as windows that follow each other.

    Row ``group * phases + phase`` is the sum, over `parts`, of that part's weights of the phase from pixel
    ``start + group * advance`` on. Pixels outside the axis are 0.

    Attributes:
        rows: of the matrix; the last group may have fewer rows than `phases`.
        phases: rows of a group.
        advance: pixels from one group's window to the next one's.
        start: the first pixel of the first group's window; below 0 if the window begins outside.
        parts: weights float64 [phases, window] by the number of first pixels that they see. They see the others as 0.
    """

    rows: int
    phases: int
    advance: int
    start: int
    parts: Mapping[int, torch.Tensor]

    @property
    def groups(self) -> int:
        """Windows of each part."""
        return -(-self.rows // self.phases)

    @property
    def window(self) -> int:
        """Pixels of a window."""
        return next(iter(self.parts.values())).shape[1]

    @property
    def cost(self) -> int:
        """About the cycles of an array with a PE for every group."""
        nonzeros = sum(int(weights.count_nonzero()) for weights in self.parts.values())
        return (nonzeros + COPY_COST * (len(self.parts) - 1)) * (1 if self.groups > 1 else 2)


def as_windows(matrix: torch.Tensor) -> Windows:
    """The cheapest windows of an axis.

    Args:
        matrix: float64 [pixels after, pixels before].
    """
    rows = len(matrix)
    matrix = torch.where(matrix.abs() < NEGLIGIBLE, 0.0, matrix)
    repeats = rows // gcd(rows, matrix.shape[1])
    tried = [*(phases for phases in sorted({*FEW_PHASES, repeats}) if 2 * phases <= rows), rows]
    found = [_with_phases(matrix, phases) for phases in tried]
    return min(found, key=lambda one: (len(one.parts) > MOST_PARTS, one.cost))


def zeros(after: int, before: int) -> torch.Tensor:
    """A matrix of an axis, of zeros, float64 [pixels after, pixels before].

    Raises:
        Unsupported: the axis has too many pixels.
    """
    if after * before > MOST_ENTRIES:
        raise Unsupported(
            f"along an axis of {before:,} pixels that become {after:,}; at most {MOST_ENTRIES:,} are possible, multiplied"
        )
    return torch.zeros(after, before, dtype=torch.float64)


def choice(pixels: list[int], before: int) -> torch.Tensor:
    """The matrix of an axis that only chooses pixels out of `before`; a pixel below 0 stands for a zero."""
    matrix = zeros(len(pixels), before)
    for row, pixel in zip(matrix, pixels, strict=True):
        if pixel >= 0:
            row[pixel] = 1.0
    return matrix


def adaptive_windows(before: int, after: int) -> list[tuple[int, int]]:
    """The windows of PyTorch's adaptive pooling along an axis: the first pixel of each, and the pixel after its last one."""
    return [(row * before // after, -(-(row + 1) * before // after)) for row in range(after)]


def _with_phases(matrix: torch.Tensor, phases: int) -> Windows:
    """The windows with this number of phases."""
    rows, before = matrix.shape
    groups = -(-rows // phases)
    advance = _advance(matrix, phases) if groups > 1 else before
    # In this frame all groups have the same columns. What lies outside the axis may have any weight, for it is 0.
    origin = advance * (groups - 1)
    frame = torch.zeros(groups, phases, before + origin, dtype=torch.float64)
    known = torch.zeros_like(frame, dtype=torch.bool)
    for group in range(groups):
        some = matrix[group * phases : (group + 1) * phases]
        shift = origin - advance * group
        frame[group, : len(some), shift : shift + before] = some
        known[group, : len(some), shift : shift + before] = True
    common, certain = _common(frame, known)
    off = torch.where(known, frame - common, 0.0)
    off = torch.where(off.abs() < NEGLIGIBLE, 0.0, off)
    # A pixel that some groups see with other weights is the first pixels including it, less those before it.
    parts = {before: torch.where(certain, common, 0.0)}
    at = [origin - advance * group for group in range(groups)]  # where each group sees pixel 0
    by_pixel = torch.stack([off[group, :, first : first + before] for group, first in enumerate(at)])
    for pixel in by_pixel.any(dim=0).any(dim=0).nonzero().flatten().tolist():
        change = torch.zeros_like(common)
        for group, first in enumerate(at):
            change[:, first + pixel] = by_pixel[group, :, pixel]
        for seen, sign in ((pixel + 1, 1), (pixel, -1)):
            if seen:
                parts[seen] = parts.get(seen, torch.zeros_like(common)) + sign * change
    parts = {
        seen: weights for seen, weights in parts.items() if seen == before or bool((weights.abs() > NEGLIGIBLE).any())
    }
    used = torch.stack(list(parts.values())).any(dim=0).any(dim=0).nonzero().flatten().tolist() or [origin]
    window = slice(used[0], used[-1] + 1)
    return Windows(
        rows, phases, advance, used[0] - origin, {seen: weights[:, window] for seen, weights in parts.items()}
    )


def _common(frame: torch.Tensor, known: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights of the groups in the middle, which agree in what they see; and which of the weights any of them sees."""
    middle = len(frame) // 2
    common, certain = frame[middle], known[middle]
    for others in (range(middle + 1, len(frame)), range(middle - 1, -1, -1)):
        for group in others:
            both = certain & known[group]
            if bool(((common - frame[group]).abs() > NEGLIGIBLE)[both].any()):
                break
            common, certain = torch.where(certain, common, frame[group]), certain | known[group]
    return common, certain


def _advance(matrix: torch.Tensor, phases: int) -> int:
    """The pixels by which rows most often lie further than the rows before them by so many."""
    ends = [[int(places[end]) for row in matrix if len(places := row.nonzero().flatten())] for end in (0, -1)]
    moved = [one[row + phases] - one[row] for one in ends for row in range(len(one) - phases)]
    return max(1, max(set(moved), key=lambda number: (moved.count(number), number))) if moved else 1
