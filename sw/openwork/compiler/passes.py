"""Stage 5 of the compiler: runs become passes. Rows are cut into blocks, shared among streams, and prepared for encoding."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from openwork.compiler.balance import balance
from openwork.compiler.blocks import RowBlock, cut_again, ways_to_cut
from openwork.compiler.buffers import Buffer
from openwork.compiler.errors import CompileError
from openwork.compiler.moves import map_moves, spread_move
from openwork.compiler.plan import BlockPlan, NetworkPlan, RunPlan, StepPlan
from openwork.compiler.predict import move_cycles, pass_cycles
from openwork.compiler.rows import check_sums, even_passes, prepare_streams
from openwork.compiler.schedule import Run, Schedule, StepSchedule
from openwork_hw.arch.commands import Operation
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.image import COMMAND_WORDS, TABLE_WORDS
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import pass_overhead

TABLE_SHARE = 4
"""If a pass uses too many words, its tap table takes at most one word in so many of those that it may use."""


def plan_passes(
    schedule: Schedule, addresses: dict[Buffer, int], encoding: Encoding, most_words: int | None = None
) -> NetworkPlan:
    """All passes of a network, with their cycles.

    Args:
        most_words: words of the image that one pass may use; None means any number.

    Raises:
        CompileError: a sum may not fit its accumulator, the encoding cannot write the rows, there are too many taps, columns
            or channels, or a pass over a single row uses too many words.
    """
    planner = _Planner(schedule, encoding, most_words)
    return NetworkPlan(schedule, addresses, encoding, tuple(planner.step(step) for step in schedule.steps))


def fewest_cycles(schedule: Schedule) -> int:
    """A lower bound on the cycles of every plan of a schedule. The bound takes far less time to compute than a plan.

    A row takes one cycle per nonzero, and at least as many cycles as its lanes take to drain. In the best case, all streams get
    an equal share of these cycles.
    """
    config = schedule.config
    total = 0
    for step in schedule.steps:
        for run in step.runs:
            spaced = int(np.maximum(run.form.nonzeros.lengths, config.row_spacing).sum())
            streams = config.pes // (config.row_groups[0] if step.free else run.output.row_groups)
            share = spaced if run.alone else -(-spaced // streams)
            total += pass_overhead(config) + run.pixels * share - config.row_spacing
    return total


class _Planner:
    """Plans the steps in order. The plan of a step decides which PEs hold its output, if the output is a vector."""

    def __init__(self, schedule: Schedule, encoding: Encoding, most_words: int | None) -> None:
        self._config, self._encoding, self._most_words = schedule.config, encoding, most_words
        self._read = {name for step in schedule.forms.network.steps for name in step.inputs}
        # The home of each vector: the row_groups whose groups hold it in their last PE, or 0 if all PEs hold it.
        start = schedule.tensors[schedule.forms.network.input.name]
        self._home: dict[Buffer, int] = {start: 0} if start.vector else {}

    def step(self, step: StepSchedule) -> StepPlan:
        if step.free:
            return self._free(step)
        spread = self._spread(step.vectors)
        self._home.update((vector, 0) for vector, _ in spread)
        groups = step.runs[-1].output.row_groups if step.runs else step.output.row_groups
        if step.output.vector:
            self._home[step.output] = groups if step.runs else 0
        runs = tuple(self._run(run) for run in step.runs)
        return StepPlan(step, groups, spread, runs, self._moves(step, spread))

    def _free(self, step: StepSchedule) -> StepPlan:
        """The plan of a step that makes a vector from vectors, with the row groups that take the fewest cycles."""
        config = self._config
        best: StepPlan | None = None
        (run,) = step.runs
        for groups in config.row_groups:
            streams = config.pes // groups
            shares = streams <= config.replicas
            if not shares and step.output.tensor in self._read:
                continue
            spread = self._spread(step.vectors, groups)
            inputs = tuple(one.view(row_groups=groups) for one in run.inputs)
            divided = self._run(replace(run, inputs=inputs, output=run.output.view(row_groups=groups)))
            orders = tuple(
                np.concatenate([block.rows_of(stream) for block in divided.blocks]) for stream in range(streams)
            )
            plan = StepPlan(step, groups, spread, (divided,), self._moves(step, spread), () if shares else orders)
            # To store an output in parts takes a little longer than to store it whole. This counts for nothing here.
            if best is None or plan.predicted_cycles < best.predicted_cycles:
                best = plan
        if best is None:
            raise CompileError(
                f"layer {step.output.tensor!r}: no legal row_groups has as few streams as the array's {config.replicas} replicas"
            )
        spread_ones = {vector for vector, _ in best.spread}
        everywhere = all(vector in spread_ones or self._home[vector] == 0 for vector in step.vectors)
        self._home[step.output] = 0 if everywhere else best.row_groups
        self._home.update((vector, 0) for vector in spread_ones)
        return best

    def _spread(self, vectors: Sequence[Buffer], groups: int = 0) -> tuple[tuple[Buffer, int], ...]:
        """The vectors that a move must first write into all PEs, because the groups of this size do not hold them."""
        return tuple((vector, self._home[vector]) for vector in vectors if self._home[vector] not in (0, groups))

    def _moves(self, step: StepSchedule, spread: Sequence[tuple[Buffer, int]]) -> int:
        """Predicted cycles of all moves of a step."""
        moves = [move for one in step.unrolled for move in map_moves(one, 0, 0)]
        moves += [spread_move(vector, 0, home) for vector, home in spread]
        return sum(move_cycles(self._config, move) for move in moves)

    def _run(self, run: Run) -> RunPlan:
        return RunPlan(run, plan_blocks(run, self._config, self._encoding, self._most_words))


def plan_blocks(
    run: Run, config: ArrayConfig, encoding: Encoding, most_words: int | None = None
) -> tuple[BlockPlan, ...]:
    """The passes of a run. The rows are cut so that cycles plus words are fewest: the memory takes one cycle per word.

    Args:
        most_words: words of the image that one pass may use; None means any number.

    Raises:
        CompileError: for the same reasons as `plan_passes`.
    """
    form = run.form
    magnitudes = form.nonzeros.row_sums(np.abs(form.nonzeros.values.astype(np.int64)))
    if form.operation is Operation.POOL:
        magnitudes = magnitudes * run.output.row_groups * config.lanes
    check_sums(form.name, config, magnitudes, form.offsets, form.shifts)
    best: tuple[int, tuple[BlockPlan, ...]] | None = None
    reason: CompileError | None = None
    for blocks in ways_to_cut(form):
        if best and len(blocks) * pass_overhead(config) >= best[0]:
            continue
        try:
            plans = tuple(plan for block in blocks for plan in _fitting(run, block, config, encoding, most_words))
        except CompileError as error:
            reason = reason or error
            continue
        words = sum(rows.words for plan in plans for rows in plan.streams)
        cost = sum(sum(plan.cycles) for plan in plans) + words
        if best is None or cost < best[0]:
            best = cost, plans
    if best is None:
        assert reason is not None
        raise reason
    return best[1]


def _fitting(
    run: Run, block: RowBlock, config: ArrayConfig, encoding: Encoding, most_words: int | None
) -> list[BlockPlan]:
    """The passes of a block of rows. Its rows are cut again, into as few blocks as possible, if a pass uses too many words.

    Raises:
        CompileError: as `plan_passes`.
    """
    plan = _plan_block(run, block, config, encoding)
    if most_words is not None and run.form.activation.table is not None:
        most_words -= COMMAND_WORDS + TABLE_WORDS  # which may come just before the pass
    if most_words is None or plan.words(config) <= most_words:
        return [plan]
    parts = 1
    while True:
        cut = [block] if parts == 1 else cut_again(run.form, block, parts)
        plans = [_plan_block(run, one, config, encoding, most_words // TABLE_SHARE) for one in cut]
        needs = [plan.words(config) for plan in plans]
        if max(needs) <= most_words:
            return plans
        worst = cut[needs.index(max(needs))]
        if len(worst.rows) == 1:
            raise CompileError(
                f"layer {run.form.name!r}, row {worst.rows[0]}: a pass over this row alone uses {max(needs):,} words of the image, "
                f"and may use {most_words:,}, so that the next pass is fetched meanwhile: prune the layer further, or use a board "
                "with more image memory"
            )
        parts = min(max(parts + 1, parts * 9 // 8, -(-sum(needs) // most_words)), len(block.rows))


def _plan_block(
    run: Run, block: RowBlock, config: ArrayConfig, encoding: Encoding, most_entries: int | None = None
) -> BlockPlan:
    """The passes of a block of rows.

    Args:
        most_entries: entries of a tap table, unless a single pixel needs more.
    """
    form, layout = run.form, block.layout
    tap_bits = bits_for(layout.taps)
    hold = min(max(run.output.stretches), config.tap_entries >> tap_bits)
    if most_entries is not None:
        hold = min(hold, max(most_entries >> tap_bits, 1))
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
    streams = config.pes // run.output.row_groups
    parts = balance(block.nonzeros.lengths, config.row_spacing, 1 if run.alone else streams)
    parts += [np.zeros(0, np.int64)] * (streams - len(parts))
    prepared = prepare_streams(form.name, encoding, [block.stream(part) for part in parts], layout)
    stored = [one.rows.lengths for one in prepared]
    if max(int(lengths.max()) for lengths in stored) > config.row_buffer_nonzeros:
        hold = 1
    holds = tuple(pixels for stretch in run.output.stretches for pixels in even_passes(stretch, hold))
    pooled = form.operation is Operation.POOL
    cycles = {hold: pass_cycles(config, encoding, hold, hold << tap_bits, stored, pooled=pooled) for hold in set(holds)}
    return BlockPlan(
        block, prepared, tuple(not len(part) for part in parts), holds, tuple(cycles[hold] for hold in holds)
    )
