"""Where the tensors of a network lie: blocks of pixels over lanes and row groups, and word addresses in every PE."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.errors import CompileError
from openwork.compiler.forms import Form, Tap
from openwork.limits import MAX_BLOCK, check_limit
from openwork_hw.arch.commands import TapEntry
from openwork_hw.arch.config import bits_for


@dataclass(frozen=True)
class Place:
    """Where one tensor lies.

    A map: lane l of a PE in row group g owns pixels (g * block[0] + y, l * block[1] + x); the words of a local pixel are its
    channels; pixels of blocks outside the map hold `fill`. A vector: its words are its channels; they are right in the last lane of
    the last PE of each group, at least.

    Attributes:
        tensor: its name.
        shape: channels, height, width.
        row_groups, lanes: blocks down and across.
        block: pixels of a block, down and across.
        base: word address.
        fill: int8 for what is outside the map.
        vector: it is one.
        step: that alone makes and reads it; empty for a tensor of the network.
    """

    tensor: str
    shape: tuple[int, int, int]
    row_groups: int
    lanes: int
    block: tuple[int, int]
    base: int
    fill: int
    vector: bool
    step: str = ""

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


@dataclass(frozen=True)
class Shifted:
    """A map several times, each time shifted by whole blocks, side by side as channels of one map.

    Attributes:
        shifts: blocks down and across from where a copy is to what it holds: -1, 0 or 1.
        place: where they lie.
    """

    shifts: tuple[tuple[int, int], ...]
    place: Place

    def address(self, shift: tuple[int, int]) -> int:
        """Of the first channel of local pixel 0 in the copy of that shift."""
        return self.place.base + self.shifts.index(shift) * (self.place.shape[0] // len(self.shifts))


def block_sizes(
    shapes: Mapping[str, tuple[int, int, int]],
    scales: Mapping[str, Fraction],
    forms: Sequence[tuple[Form, str]],
    row_groups: int,
    lanes: int,
    reach: int,
) -> dict[str, tuple[int, int]]:
    """For each map, the pixels of a block: the smallest in which every tap of every step reaches so many neighbours at most.

    Args:
        shapes: of the maps.
        scales: how many pixels of the network's input, across as down, a pixel of each map stands for.
        forms: each step on maps, with the name of one of its inputs.
        reach: neighbours.
    """
    unit = lcm(*(scale.numerator for scale in scales.values()))
    sizes = []
    for axis, blocks in ((0, row_groups), (1, lanes)):
        size = unit * max(
            -(-shape[axis + 1] * scales[name].numerator // (blocks * unit * scales[name].denominator))
            for name, shape in shapes.items()
        )
        while not all(
            (size / scales[name]).denominator == 1
            and size / scales[name] * blocks >= shape[axis + 1]
            and size / scales[name] >= 1
            for name, shape in shapes.items()
        ) or not all(_reaches(form, int(size / scales[source]), axis, blocks, reach) for form, source in forms):
            size += unit
            check_limit(CompileError, "a map", size, MAX_BLOCK, f"pixels {'across' if axis else 'down'} in a block")
        sizes.append(size)
    found = {name: (int(sizes[0] / scale), int(sizes[1] / scale)) for name, scale in scales.items()}
    for name, (channels, _, _) in shapes.items():
        words = channels * found[name][0] * found[name][1]
        if words > MAX_BLOCK:
            raise CompileError(
                f"tensor {name!r} needs {words:,} feature words in each PE, and no array has more than {MAX_BLOCK:,}: "
                "use smaller maps, or an array with more lanes or PEs",
                need=words,
            )
    return found


def _reaches(form: Form, input_block: int, axis: int, blocks: int, reach: int) -> bool:
    pixels = input_block * form.enlarge // form.stride
    if pixels * form.stride != input_block * form.enlarge:
        return False
    # The neighbour grows with the pixel and with the tap, so the first and the last of both reach furthest.
    taps = [tap[1 + axis] for tap in form.taps]
    ends = ((0, min(taps)), (pixels - 1, max(taps)))
    return all(abs(offset(form, input_block, axis, pixel, tap, blocks)[0]) <= reach for pixel, tap in ends)


def offset(form: Form, input_block: int, axis: int, pixel: int, tap: int, blocks: int) -> tuple[int, int]:
    """Along one axis, where local output pixel `pixel` finds a tap: (blocks from here, pixel inside that one).

    Where there is one block only, any other is outside the map, so it counts as the next one.
    """
    neighbour, local = divmod((form.stride * pixel + tap) // form.enlarge, input_block)
    if blocks == 1:
        neighbour = min(max(neighbour, -1), 1)
    return neighbour, local


def far_shifts(form: Form, inputs: Sequence[Place], output: Place) -> dict[str, tuple[tuple[int, int], ...]]:
    """The shifted copies of each input that taps need which reach two neighbours."""
    found: dict[str, set[tuple[int, int]]] = {}
    for pixel in range(output.block[0] * output.block[1]):
        y, x = divmod(pixel, output.block[1])
        for tap in form.taps if output.holds(y, x) else ():
            shift, _, _ = _find(form, tap, inputs[tap.input], (y, x))
            if any(shift):
                found.setdefault(inputs[tap.input].tensor, set()).add(shift)
    return {name: tuple(sorted(shifts)) for name, shifts in found.items()}


def tap_entries(
    form: Form,
    taps: Sequence[Tap],
    inputs: Sequence[Place],
    shifted: Mapping[str, Shifted],
    output: Place,
    first_pixel: int,
    hold: int,
) -> tuple[TapEntry, ...]:
    """The tap table of a pass over local pixels `first_pixel` .. of the output, each pixel's taps filled up to a power of two.

    Args:
        shifted: what taps read that reach two neighbours, by input.
    """
    entries: list[TapEntry] = []
    _, height, width = output.shape
    block_h, block_w = output.block
    for pixel in range(first_pixel, first_pixel + hold):
        y, x = divmod(pixel, block_w)
        # In the block that the map's edge runs through; vectors have no edge.
        right, below = (x >= width % block_w, y >= height % block_h) if not output.vector else (False, False)
        used = taps if output.holds(y, x) else ()
        for tap in used:
            source = inputs[tap.input]
            shift, (down, across), local = _find(form, tap, source, (y, x))
            first, channels = source.base, source.shape[0]
            if any(shift):
                copies = shifted[source.tensor]
                first, channels = copies.address(shift), copies.place.shape[0]
            entries.append(TapEntry(first + local * channels + tap.channel, across, down, right, below))
        unused = TapEntry(0, 0, 0, right, below)
        entries.extend([unused] * ((1 << bits_for(len(taps))) - len(used)))
    return tuple(entries)


def _find(form: Form, tap: Tap, source: Place, pixel: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Where a local output pixel finds a tap: shift of the copy, none if (0, 0); neighbour, down and across; local pixel."""
    down, y = offset(form, source.block[0], 0, pixel[0], tap.down, source.row_groups)
    across, x = offset(form, source.block[1], 1, pixel[1], tap.right, source.lanes)
    if max(abs(down), abs(across)) > 2:
        raise CompileError(f"step {form.name!r}: a tap reaches {down} PEs and {across} lanes, and the limit is 2")
    # The copy is shifted towards what the tap reads, so where the copy lies outside the array, that does, too.
    shift = int(down / 2), int(across / 2)
    return shift, (down - shift[0], across - shift[1]), y * source.block[1] + x
