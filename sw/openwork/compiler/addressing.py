"""Where the taps of a step find their operands: in which neighbour, at which local pixel; and the tap table of a pass."""

from collections.abc import Mapping, Sequence

from openwork.compiler.buffers import Buffer, Shifted
from openwork.compiler.errors import CompileError
from openwork.operations.form import Form, Tap
from openwork_hw.arch.commands import TapEntry
from openwork_hw.arch.config import bits_for


def offset(form: Form, input_block: int, axis: int, pixel: int, tap: int, blocks: int) -> tuple[int, int]:
    """Where a local output pixel finds the operand of a tap, along one axis.

    If there is a single block, every other block is outside the map, and counts as the next block.

    Returns:
        How many blocks further the operand lies, and its pixel within that block.
    """
    neighbour, local = divmod((form.stride[axis] * pixel + tap) // form.enlarge[axis], input_block)
    if blocks == 1:
        neighbour = min(max(neighbour, -1), 1)
    return neighbour, local


def reaches(form: Form, input_block: int, axis: int, blocks: int, reach: int) -> bool:
    """Whether every tap finds its operand at most `reach` blocks away along one axis."""
    pixels = input_block * form.enlarge[axis] // form.stride[axis]
    if pixels * form.stride[axis] != input_block * form.enlarge[axis]:
        return False
    # The number of blocks grows with the pixel and with the tap, so the first and the last of both reach furthest.
    taps = [tap[1 + axis] for tap in form.taps]
    ends = ((0, min(taps)), (pixels - 1, max(taps)))
    return all(abs(offset(form, input_block, axis, pixel, tap, blocks)[0]) <= reach for pixel, tap in ends)


def far_shifts(form: Form, inputs: Sequence[Buffer], output: Buffer) -> dict[Buffer, tuple[tuple[int, int], ...]]:
    """The shifted copies that each input needs: one for each direction in which a tap reaches two neighbours."""
    found: dict[Buffer, set[tuple[int, int]]] = {}
    for pixel in range(output.block[0] * output.block[1]):
        y, x = divmod(pixel, output.block[1])
        for tap in form.taps if output.holds(y, x) else ():
            shift, _, _ = _find(form, tap, inputs[tap.input], (y, x))
            if any(shift):
                found.setdefault(inputs[tap.input], set()).add(shift)
    return {buffer: tuple(sorted(shifts)) for buffer, shifts in found.items()}


def tap_entries(
    form: Form,
    taps: Sequence[Tap],
    inputs: Sequence[Buffer],
    shifted: Mapping[Buffer, Shifted],
    output: Buffer,
    addresses: Mapping[Buffer, int],
    first_pixel: int,
    hold: int,
) -> tuple[TapEntry, ...]:
    """The tap table of a pass over `hold` local pixels of the output, from `first_pixel` of those that it holds on.

    Every pixel has as many entries as the number of taps rounded up to a power of two.

    Args:
        shifted: by input, the shifted copies that taps read which reach two neighbours.
        addresses: word addresses of all buffers.
    """
    entries: list[TapEntry] = []
    _, height, width = output.shape
    block_h, block_w = output.block
    for pixel in output.pixels[first_pixel : first_pixel + hold]:
        y, x = divmod(pixel, block_w)
        # Whether the pixel is outside the map in the block that the map's edge runs through. A vector has no edge.
        right, below = (x >= width % block_w, y >= height % block_h) if not output.vector else (False, False)
        used = taps if output.holds(y, x) else ()
        phase = y % form.enlarge[0] * form.enlarge[1] + x % form.enlarge[1]
        for tap in used:
            source = inputs[tap.input]
            shift, (down, across), local = _find(form, tap, source, (y, x))
            words, first = source, source.first_channel
            if any(shift):
                words, first = shifted[source].buffer, shifted[source].first_channel(shift)
            within = first + tap.channel + phase * form.phase_channels
            base = 0 if words.starts else addresses[words.root]
            address = base + words.word(local) + within
            entries.append(TapEntry(address, across, down, right, below))
        unused = TapEntry(0, 0, 0, right, below)
        entries.extend([unused] * ((1 << bits_for(len(taps))) - len(used)))
    return tuple(entries)


def read_pixels(form: Form, sources: Sequence[int], source: Buffer, output: Buffer) -> tuple[frozenset[int], ...]:
    """For each local pixel of the output, the local pixels of an input that a step reads for it.

    Args:
        sources: the numbers that the input has in the step.
        source: the whole input.
        output: the whole output.

    Raises:
        CompileError: a tap reaches further than a neighbour.
    """
    taps = {(tap.down, tap.right): tap for tap in form.taps if tap.input in sources}.values()
    found = []
    for pixel in output.pixels:
        y, x = divmod(pixel, output.block[1])
        places = [_find(form, tap, source, (y, x)) for tap in taps if output.holds(y, x)]
        if any(any(shift) for shift, _, _ in places):
            raise CompileError(
                f"step {form.name!r}: a tap reaches two neighbours, and its map is in the external memory"
            )
        found.append(frozenset(local for _, _, local in places))
    return tuple(found)


def _find(form: Form, tap: Tap, source: Buffer, pixel: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int], int]:
    """Where a local output pixel finds the operand of a tap.

    Returns:
        The shift of the copy that holds the operand, (0, 0) for the input itself; the neighbour, in PEs down and lanes across;
        the number of the local pixel.
    """
    down, y = offset(form, source.block[0], 0, pixel[0], tap.down, source.row_groups)
    across, x = offset(form, source.block[1], 1, pixel[1], tap.right, source.lanes)
    if max(abs(down), abs(across)) > 2:
        raise CompileError(f"step {form.name!r}: a tap reaches {down} PEs and {across} lanes, and the limit is 2")
    # The copy is shifted towards the operand. If the copy's block is outside the array, so is the operand's block.
    shift = int(down / 2), int(across / 2)
    return shift, (down - shift[0], across - shift[1]), y * source.block[1] + x
