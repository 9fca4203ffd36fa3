"""A layer for one array: its blocks, its rows on streams, its passes; and what goes in and comes out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from openwork.compiler.balance import balance
from openwork.compiler.errors import CompileError
from openwork.compiler.layout import BlockLayout, place
from openwork.compiler.predict import pass_cycles
from openwork.compiler.rows import check_sums, encode_streams, even_passes, prepare_streams, row_records, sparse_rows
from openwork.compiler.taps import tap_table
from openwork.layer import IntegerLayer, LayerError
from openwork_hw.arch.arithmetic import fold_offset
from openwork_hw.arch.commands import LoadCommand, RunCommand, StoreCommand, TapEntry, check_command
from openwork_hw.arch.config import ArrayConfig, bits_for
from openwork_hw.arch.image import FeederInput, Instruction
from openwork_hw.arch.nonzeros import Encoding, RowRecord, SparseRows


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

    @property
    def instruction(self) -> Instruction:
        """The pass as an image holds it."""
        return Instruction(self.run, self.taps, tuple(map(FeederInput, self.words, self.records)))


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

        Raises:
            LayerError: they have another dtype or shape.
        """
        layer, layout = self.layer, self.layout
        if inputs.dtype != np.int8 or inputs.shape != layer.input_shape:
            raise LayerError(
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
    offsets = fold_offset(layer.bias, layer.shift, layer.output_zero_point)
    magnitudes = np.abs(layer.weights.reshape(layer.rows, -1).astype(np.int64)).sum(axis=1)
    check_sums(layer.name, config, magnitudes, offsets, layer.shift)
    words = encode_streams(layer.name, encoding, plan.streams, columns)
    records = tuple(
        row_records(rows.rows, offsets, layer.shift, write=not dummy)
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
            low=layer.activation.limits[0],
            high=layer.activation.limits[1],
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
    streams = prepare_streams(layer.name, encoding, [sparse_rows(matrix, part) for part in parts], columns)
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
    holds = even_passes(layout.pixels, hold)
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
