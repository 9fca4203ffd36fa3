"""The rows of a form on the streams of an array: cut, shared out, in passes."""

import numpy as np

from openwork.compiler.balance import balance
from openwork.compiler.blocks import RowBlock, ways_to_cut
from openwork.compiler.errors import CompileError
from openwork.compiler.forms import Form
from openwork.compiler.plan import BlockPlan
from openwork.compiler.predict import pass_cycles
from openwork.compiler.rows import check_sums, even_passes, prepare_streams
from openwork_hw.arch import encodings
from openwork_hw.arch.commands import Operation
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import pass_overhead


def plan_blocks(form: Form, config: ArrayConfig, encoding: Encoding, groups: int, pixels: int) -> tuple[BlockPlan, ...]:
    """The rows of a form on streams, cut so that cycles and words together are fewest: a word takes its memory a cycle.

    Args:
        groups: PEs that share a stream.
        pixels: of a block.

    Raises:
        CompileError: a sum could leave its accumulator, or there are too many taps, columns or channels.
    """
    magnitudes = form.nonzeros.row_sums(np.abs(form.nonzeros.values.astype(np.int64)))
    if form.operation is Operation.POOL:
        magnitudes = magnitudes * groups * config.lanes
    check_sums(form.name, config, magnitudes, form.offsets, form.shifts)
    best: tuple[int, tuple[BlockPlan, ...]] | None = None
    reason: CompileError | None = None
    for blocks in ways_to_cut(form):
        if best and len(blocks) * pass_overhead(config) >= best[0]:
            continue
        try:
            plans = tuple(_plan_block(form, block, config, encoding, groups, pixels) for block in blocks)
        except CompileError as error:
            reason = reason or error
            continue
        words = sum(encodings.word_count(encoding, rows, plan.block.layout) for plan in plans for rows in plan.streams)
        cost = sum(sum(plan.cycles) for plan in plans) + words
        if best is None or cost < best[0]:
            best = cost, plans
    if best is None:
        assert reason is not None
        raise reason
    return best[1]


def _plan_block(
    form: Form, block: RowBlock, config: ArrayConfig, encoding: Encoding, groups: int, pixels: int
) -> BlockPlan:
    layout = block.layout
    tap_bits = bits_for(layout.taps)
    hold = min(pixels, config.tap_entries >> tap_bits)
    if hold == 0:
        raise CompileError(
            f"layer {form.name!r}: {layout.taps} taps need {1 << tap_bits} tap entries, and there is room for "
            f"{config.tap_entries}: use a smaller kernel or an array with more tap entries"
        )
    if layout.channels > config.feature_words:
        raise CompileError(
            f"layer {form.name!r} reads {layout.channels} channels, and a PE has {config.feature_words} feature "
            "words: use an array with more of them"
        )
    parts = balance(block.nonzeros.lengths, config.row_spacing, config.pes // groups)
    streams = prepare_streams(form.name, encoding, [block.stream(part) for part in parts], layout)
    if max(int(rows.lengths.max()) for rows in streams) > config.row_buffer_nonzeros:
        hold = 1
    holds = even_passes(pixels, hold)
    stored = [rows.lengths for rows in streams]
    pooled = form.operation is Operation.POOL
    cycles = {hold: pass_cycles(config, encoding, hold, hold << tap_bits, stored, pooled=pooled) for hold in set(holds)}
    return BlockPlan(
        block, streams, tuple(not len(part) for part in parts), holds, tuple(cycles[hold] for hold in holds)
    )
