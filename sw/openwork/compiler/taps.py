"""The tap table of one pass: where each tap of each local pixel finds its operand, the same for every lane and PE."""

from openwork.compiler.errors import CompileError
from openwork.compiler.layout import BlockLayout, block_offsets
from openwork_hw.arch.commands import TapEntry
from openwork_hw.arch.config import bits_for

UNUSED = TapEntry(address=0, lane_shift=0, pe_shift=0)


def tap_table(layout: BlockLayout, first_pixel: int, hold: int) -> tuple[TapEntry, ...]:
    """Entries of local pixels `first_pixel` to `first_pixel + hold - 1`, each pixel's taps filled up to a power of two.

    Tap (ky, kx) of output pixel (y, x) reads input pixel stride * (y, x) + dilation * (ky, kx) - padding, counted from
    the block's own corner; where that lies in the next block, it is the same address in the next lane or PE.

    Raises:
        CompileError: a tap reaches past the next block (`layout.place` makes no such layout).
    """
    layer = layout.layer
    entries: list[TapEntry] = []
    for pixel in range(first_pixel, first_pixel + hold):
        y, x = divmod(pixel, layout.block_width)
        for ky in range(layer.kernel[0]):
            pe_shift, local_y = block_offsets(layer, layout.block_height, 0, y, ky, layout.row_groups)
            for kx in range(layer.kernel[1]):
                lane_shift, local_x = block_offsets(layer, layout.block_width, 1, x, kx, layout.lanes)
                if max(abs(pe_shift), abs(lane_shift)) > 1:
                    raise CompileError(
                        f"layer {layer.name!r}: tap ({ky}, {kx}) of local pixel ({y}, {x}) reaches {pe_shift} PEs and "
                        f"{lane_shift} lanes away, and the limit is 1: use larger blocks"
                    )
                address = (local_y * layout.input_block_width + local_x) * layer.channels
                entries.append(TapEntry(address, lane_shift, pe_shift))
        entries.extend([UNUSED] * ((1 << bits_for(layer.taps)) - layer.taps))
    return tuple(entries)
