"""A layer for one array: its blocks, its rows on streams, its passes; and what goes in and comes out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.balance import balance
from openwork.compiler.layout import BlockLayout, CompileError, place
from openwork.compiler.predict import pass_cycles
from openwork.compiler.taps import tap_table
from openwork.layer import IntegerLayer
from openwork_hw.arch import encodings
from openwork_hw.arch.arithmetic import fold_offset
from openwork_hw.arch.commands import LoadCommand, RunCommand, StoreCommand, TapEntry, check_command
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, RowRecord, SparseRows


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """How a layer will run, before anything is encoded.

    Attributes:
        config, encoding, layout: array, weight streams, blocks.
        streams: each stream's rows as the array will see them, padding and fillers included.
        dummies: for each stream, whether its only row is a dummy, since it got none.
        holds: local pixels of each pass.
        cycles: predicted cycles of each pass.
    """

    config: ArrayConfig
    encoding: Encoding
    layout: BlockLayout
    streams: tuple[SparseRows, ...]
    dummies: tuple[bool, ...]
    holds: tuple[int, ...]
    cycles: tuple[int, ...]

    @property
    def predicted_cycles(self) -> int:
        """Cycles of all passes, from RUN to done."""
        return sum(self.cycles)

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates / what the array could do in the time."""
        return self.layout.layer.macs / (self.predicted_cycles * self.config.macs)


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass of a layer: some local pixels, all rows.

    Attributes:
        run: the command.
        taps: its tap table, run.tap_entries entries.
        words: for each stream, uint32 words of its weights.
        records: for each stream, one record a row.
        predicted_cycles: from RUN to done, if nothing outside stalls.
    """

    run: RunCommand
    taps: tuple[TapEntry, ...]
    words: tuple[NDArray[np.uint32], ...]
    records: tuple[tuple[RowRecord, ...], ...]
    predicted_cycles: int


@dataclass(frozen=True, eq=False)
class LayerProgram:
    """Everything that one layer sends to the array, and how its inputs and outputs are laid out there.

    Attributes:
        plan: blocks, streams and prediction.
        passes: in the order in which they run.
        stores: they bring the outputs back: one for each PE that has any.
    """

    plan: LayerPlan
    passes: tuple[Pass, ...]
    stores: tuple[StoreCommand, ...]

    _stored_rows: tuple[NDArray[np.int64], ...] = field(repr=False)

    @property
    def layer(self) -> IntegerLayer:
        """The layer."""
        return self.plan.layout.layer

    @property
    def config(self) -> ArrayConfig:
        """The array it is compiled for."""
        return self.plan.config

    @property
    def encoding(self) -> Encoding:
        """Of the weight streams."""
        return self.plan.encoding

    @property
    def layout(self) -> BlockLayout:
        """Blocks and addresses."""
        return self.plan.layout

    @property
    def predicted_cycles(self) -> int:
        """Cycles of all passes, from RUN to done."""
        return self.plan.predicted_cycles

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates / what the array could do in the time."""
        return self.plan.utilization

    @property
    def weight_bits(self) -> int:
        """Bits of the weight streams of one pass, all metadata counted, row records not."""
        return 32 * sum(len(words) for words in self.passes[0].words)

    def loads(self, inputs: NDArray[np.int8]) -> list[tuple[LoadCommand, NDArray[np.int8]]]:
        """Commands that bring an input into the array, each with its int8 [words, lanes].

        Args:
            inputs: int8 [channels, height, width].
        """
        layer, layout = self.layer, self.layout
        if inputs.dtype != np.int8 or inputs.shape != layer.input_shape:
            raise ValueError(
                f"layer {layer.name!r} takes int8 {list(layer.input_shape)}, not {inputs.dtype} {list(inputs.shape)}"
            )
        height, width = layout.input_block_height, layout.input_block_width
        canvas = np.full(
            (layer.channels, layout.row_groups * height, layout.lanes * width), layer.input_zero_point, dtype=np.int8
        )
        canvas[:, : inputs.shape[1], : inputs.shape[2]] = inputs
        blocks = canvas.reshape(layer.channels, layout.row_groups, height, layout.lanes, width)
        words = blocks.transpose(1, 2, 4, 0, 3).reshape(layout.row_groups, layout.input_words, layout.lanes)
        return [
            (LoadCommand(layout.row_groups, group, 0, layout.input_words), np.ascontiguousarray(words[group]))
            for group in range(layout.row_groups)
        ]

    def outputs(self, stored: Sequence[NDArray[np.int8]]) -> NDArray[np.int8]:
        """The output map, int8 [rows, height, width].

        Args:
            stored: for each store, the int8 [words, lanes] that it brought back.
        """
        layout, (rows, height, width) = self.layout, self.layer.output_shape
        blocks = np.zeros(
            (rows, layout.row_groups, layout.block_height, layout.lanes, layout.block_width), dtype=np.int8
        )
        for store, numbers, words in zip(self.stores, self._stored_rows, stored, strict=True):
            pixels = words.reshape(layout.block_height, layout.block_width, rows, layout.lanes)
            blocks[numbers, store.pe % layout.row_groups] = pixels[:, :, numbers].transpose(2, 0, 3, 1)
        shape = (rows, layout.row_groups * layout.block_height, layout.lanes * layout.block_width)
        return np.ascontiguousarray(blocks.reshape(shape)[:, :height, :width])

    def __str__(self) -> str:
        streams = len(self.plan.streams)
        lines = {
            "layer": self.layer.name,
            "array": str(self.config),
            "blocks": str(self.layout),
            "streams": f"{streams}, {self.encoding.name.lower()}, {self.weight_bits // 8} bytes",
            "passes": f"{len(self.passes)} of {self.passes[0].run.hold} local pixels",
            "cycles": f"{self.predicted_cycles:,} predicted, utilization {self.utilization:.3f}",
        }
        return "\n".join(f"{name:10} {value}" for name, value in lines.items())


def plan_layer(
    layer: IntegerLayer,
    config: ArrayConfig,
    encoding: Encoding,
    row_groups: int | None = None,
) -> LayerPlan:
    """Choose blocks, streams and passes; where `row_groups` is None, the one that promises the fewest cycles.

    Raises:
        CompileError: the layer does not fit the array; of several reasons, that of the layout nearest to fitting.
    """
    matrix, _ = layer.matrix()
    if row_groups is not None:
        return _plan(layer, matrix, config, encoding, row_groups)
    best: LayerPlan | None = None
    reason: CompileError | None = None
    for groups in reversed(config.row_groups):
        try:
            plan = _plan(layer, matrix, config, encoding, groups)
        except CompileError as error:
            reason = reason or error
            continue
        if best is None or plan.predicted_cycles < best.predicted_cycles:
            best = plan
    if best is None:
        assert reason is not None
        raise reason
    return best


def compile_layer(
    layer: IntegerLayer, config: ArrayConfig, encoding: Encoding, row_groups: int | None = None
) -> LayerProgram:
    """Everything that the array needs to run a layer.

    Raises:
        CompileError: the layer does not fit the array, or a sum could leave its accumulator.
    """
    plan = plan_layer(layer, config, encoding, row_groups)
    layout, columns = plan.layout, layer.layout
    offsets = _checked_offsets(layer, config)
    words = _encode(layer.name, encoding, plan.streams, columns)
    records = tuple(
        _records(rows.rows, offsets, layer.shift, write=not dummy)
        for rows, dummy in zip(plan.streams, plan.dummies, strict=True)
    )
    passes = []
    first_pixel = 0
    for hold, cycles in zip(plan.holds, plan.cycles, strict=True):
        run = RunCommand(
            row_groups=layout.row_groups,
            layout=columns,
            hold=hold,
            output_base=layout.output_base + first_pixel * layer.rows,
            output_stride=layer.rows,
            pad=layer.input_zero_point,
            low=layer.low,
            high=layer.high,
        )
        check_command(run, config)
        passes.append(Pass(run, tap_table(layout, first_pixel, hold), words, records, cycles))
        first_pixel += hold
    stored = [
        (StoreCommand(stream * layout.row_groups + group, layout.output_base, layout.output_words), rows.rows)
        for stream, rows in enumerate(plan.streams)
        if not plan.dummies[stream]
        for group in range(layout.used_groups())
    ]
    return LayerProgram(plan, tuple(passes), tuple(store for store, _ in stored), tuple(rows for _, rows in stored))


def _plan(
    layer: IntegerLayer,
    matrix: NDArray[np.int8],
    config: ArrayConfig,
    encoding: Encoding,
    row_groups: int,
) -> LayerPlan:
    layout = place(layer, config, row_groups)
    columns = layer.layout
    lengths = np.maximum(np.count_nonzero(matrix, axis=1), 1).astype(np.int64)
    parts = balance(lengths, config.lanes, config.pes // row_groups)
    try:
        streams = tuple(encodings.prepare(encoding, _sparse_rows(matrix, part), columns) for part in parts)
    except ValueError as error:
        raise CompileError(f"layer {layer.name!r}: {error}") from None
    longest = max(int(rows.lengths.max()) for rows in streams)
    tap_bits = bits_for(columns.taps)
    hold = min(layout.pixels, config.tap_entries >> tap_bits)
    if hold == 0:
        raise CompileError(
            f"layer {layer.name!r}: {columns.taps} taps need {1 << tap_bits} tap entries, and the table holds "
            f"{config.tap_entries}: use a smaller kernel or an array with more tap entries"
        )
    if longest > config.row_buffer_nonzeros:
        hold = 1
    holds = _even(layout.pixels, hold)
    stored = [rows.lengths for rows in streams]
    cycles = {hold: pass_cycles(config, encoding, hold, hold << tap_bits, stored) for hold in set(holds)}
    return LayerPlan(
        config,
        encoding,
        layout,
        streams,
        tuple(not len(part) for part in parts),
        holds,
        tuple(cycles[hold] for hold in holds),
    )


def _even(pixels: int, limit: int) -> tuple[int, ...]:
    """`pixels` in as few passes of at most `limit` as can be, as even as can be."""
    passes = -(-pixels // limit)
    return tuple((pixels * (index + 1)) // passes - (pixels * index) // passes for index in range(passes))


def _sparse_rows(matrix: NDArray[np.int8], part: NDArray[np.int64]) -> SparseRows:
    """Some rows of a matrix; an empty row holds a padding nonzero in column 0, and no row at all becomes a dummy."""
    if not len(part):
        one = np.ones(1, dtype=np.int64)
        return SparseRows(0 * one, one, 0 * one, np.zeros(1, dtype=np.int8))
    selected = matrix[part]
    stored = selected != 0
    stored[~stored.any(axis=1), 0] = True
    rows, columns = np.nonzero(stored)
    return SparseRows(part, np.bincount(rows).astype(np.int64), columns.astype(np.int64), selected[rows, columns])


def _encode(
    name: str, encoding: Encoding, streams: Sequence[SparseRows], columns: ColumnLayout
) -> tuple[NDArray[np.uint32], ...]:
    try:
        return tuple(encodings.encode(encoding, rows, columns) for rows in streams)
    except ValueError as error:
        raise CompileError(f"layer {name!r}: {error}") from None


def _checked_offsets(layer: IntegerLayer, config: ArrayConfig) -> NDArray[np.int64]:
    """Each row's folded offset, proved to fit the accumulators together with any sum that the row can have."""
    if layer.shift.max() > config.max_shift:
        row = int(layer.shift.argmax())
        raise CompileError(
            f"layer {layer.name!r}, row {row}: the shift is {layer.shift[row]}, and {config.sum_bits}-bit accumulators "
            f"allow {config.max_shift}: use larger weight scales or wider accumulators"
        )
    offsets = np.array(
        [
            fold_offset(int(bias), int(shift), layer.output_zero_point)
            for bias, shift in zip(layer.bias, layer.shift, strict=True)
        ],
        dtype=np.int64,
    )
    reach = np.abs(layer.weights.reshape(layer.rows, -1).astype(np.int64)).sum(axis=1) * 128 + np.abs(offsets)
    limit = 1 << (config.sum_bits - 1)
    if reach.max() >= limit:
        row = int(reach.argmax())
        raise CompileError(
            f"layer {layer.name!r}, row {row}: sums can reach {reach[row]}, and {config.sum_bits}-bit accumulators "
            f"hold less than {limit}: use smaller weights, a larger bias scale or wider accumulators"
        )
    return offsets


def _records(
    rows: NDArray[np.int64], offsets: NDArray[np.int64], shifts: NDArray[np.int64], write: bool
) -> tuple[RowRecord, ...]:
    return tuple(
        RowRecord(
            row=int(row), offset=int(offsets[row]), shift=int(shifts[row]), write=write, last=index == len(rows) - 1
        )
        for index, row in enumerate(rows)
    )
