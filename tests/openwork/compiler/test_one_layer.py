"""Images of one layer: passes, taps, records, the proof of the accumulators, and refusals."""

import numpy as np
import pytest
from numpy.typing import NDArray

from openwork.activation import Clip
from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network
from openwork.image import Image
from openwork.layer import IntegerLayer
from openwork.network import one_layer_network
from openwork_hw.arch import encodings
from openwork_hw.arch.arithmetic import fold_offset
from openwork_hw.arch.commands import RunCommand, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import Instruction
from openwork_hw.arch.nonzeros import Encoding


def pointwise(
    weights: NDArray[np.int8], size: tuple[int, int] = (4, 4), bias: int = 0, shift: int = 0, zero_point: int = 0
) -> IntegerLayer:
    """A 1 x 1 convolution with `weights` int8 [rows, channels]."""
    rows, channels = weights.shape
    return IntegerLayer(
        name="pointwise",
        weights=weights[:, :, None, None],
        bias=np.full(rows, bias, dtype=np.int64),
        shift=np.full(rows, shift, dtype=np.int64),
        input_zero_point=3,
        output_zero_point=zero_point,
        activation=Clip(-100, 100),
        input_shape=(channels, *size),
    )


def ones(rows: int, channels: int) -> NDArray[np.int8]:
    return np.ones((rows, channels), dtype=np.int8)


def compiled(
    layer: IntegerLayer, config: ArrayConfig, encoding: Encoding = Encoding.CSR, row_groups: int | None = None
) -> Image:
    return compile_network(one_layer_network(layer), config, encoding, row_groups=row_groups)


def runs(image: Image) -> list[tuple[RunCommand, Instruction]]:
    return [(one.command, one) for one in image.instructions if isinstance(one.command, RunCommand)]


def test_one_pass_holds_all_pixels_if_rows_and_table_fit() -> None:
    layer = pointwise(ones(5, 6), bias=8, shift=3, zero_point=-2)
    image = compiled(layer, ArrayConfig(4, 2, replicas=2), Encoding.PACKED, 2)
    ((run, instruction),) = runs(image)
    assert (run.hold, run.row_groups, run.output_stride) == (4, 2, 5)
    assert (image.place("input").words, image.place("pointwise").words) == (4 * 6, 4 * 5)
    assert run.output_base == image.place("pointwise").base
    assert (run.low, run.high) == (-100, 100)
    records = [feeder.records for feeder in instruction.feeders]
    assert [[record.row for record in stream] for stream in records] == [[0, 2, 4], [1, 3]]
    assert [record.last for record in records[0]] == [False, False, True]
    assert {record.offset for record in records[0]} == {fold_offset(8, 3, -2)}
    # Each stream's PEs copy their outputs to the other's, so the first group alone holds all rows of the map.
    assert [one.command.pe for one in image.instructions if isinstance(one.command, StoreCommand)] == [0, 1]


def test_a_small_tap_table_takes_several_even_passes() -> None:
    image = compiled(pointwise(ones(2, 1), size=(7, 5)), ArrayConfig(1, 1, tap_entries=16))
    base = image.place("pointwise").base
    assert [run.hold for run, _ in runs(image)] == [11, 12, 12]
    assert [run.output_base for run, _ in runs(image)] == [base, base + 22, base + 46]


def test_a_row_longer_than_the_row_buffer_takes_one_pixel_a_pass() -> None:
    config = ArrayConfig(1, 2, row_buffer_nonzeros=16)
    assert [run.hold for run, _ in runs(compiled(pointwise(ones(2, 16)), config))] == [8]
    assert [run.hold for run, _ in runs(compiled(pointwise(ones(2, 17)), config))] == [1] * 8


def test_a_stream_without_rows_gets_a_dummy() -> None:
    image = compiled(pointwise(ones(1, 3), size=(1, 1)), ArrayConfig(3, 1, group_sizes=(1,), replicas=3))
    ((_, instruction),) = runs(image)
    assert [[record.write for record in feeder.records] for feeder in instruction.feeders] == [[True], [False], [False]]


def test_a_matrix_of_zeros_holds_a_nonzero_of_value_0_per_row() -> None:
    image = compiled(pointwise(0 * ones(3, 4), bias=5), ArrayConfig(1, 2))
    ((run, instruction),) = runs(image)
    (feeder,) = instruction.feeders
    rows = encodings.decode(Encoding.CSR, feeder.words, run.layout, [record.row for record in feeder.records])
    assert rows.lengths.tolist() == [1, 1, 1] and not rows.values.any()


def test_utilization_counts_useful_products_only() -> None:
    weights = ones(4, 8)
    weights[:, ::2] = 0
    image = compiled(pointwise(weights), ArrayConfig(1, 2))
    assert image.utilization == 4 * 4 * 16 / (image.compute_cycles * 2)


def test_taps_by_hand() -> None:
    """A 1 x 3 map of 2 channels on 2 lanes, kernel 3, padding 1: blocks of 1 x 2 pixels, so words 0 and 2 of the map."""
    weights = np.ones((3, 2, 3, 3), np.int8)
    zeros = np.zeros(3, np.int64)
    layer = IntegerLayer("conv", weights, zeros, zeros, 0, 0, Clip(), (2, 1, 3), padding=(1,) * 4)
    image = compiled(layer, ArrayConfig(1, 2))
    ((run, instruction),) = runs(image)
    base = image.place("input").base
    assert (run.hold, len(instruction.taps), run.pad) == (2, 32, 0)
    entries = [(entry.address - base, entry.lane_shift, entry.pe_shift) for entry in instruction.taps]
    assert entries[3:6] == [(2, -1, 0), (0, 0, 0), (2, 0, 0)]
    assert entries[16 + 3 : 16 + 6] == [(0, 0, 0), (2, 0, 0), (0, 1, 0)]
    assert {pe_shift for _, _, pe_shift in entries[0:3]} == {-1}
    assert {pe_shift for _, _, pe_shift in entries[6:9]} == {1}


def test_accumulators_are_proved_row_by_row() -> None:
    weights = np.zeros((3, 64), dtype=np.int8)
    weights[1] = -127
    config = ArrayConfig(1, 1, sum_bits=21)
    with pytest.raises(CompileError, match=r"'pointwise', row 1: sums can reach 1048577, .* less than 1048576"):
        compiled(pointwise(weights, bias=(1 << 20) - 64 * 127 * 128 + 1), config)
    compiled(pointwise(weights, bias=(1 << 20) - 64 * 127 * 128 - 1), config)


def test_shift_is_limited_by_the_accumulator() -> None:
    with pytest.raises(CompileError, match=r"row 0: the shift is 11, and 20-bit accumulators allow 10"):
        compiled(pointwise(ones(1, 1), shift=11), ArrayConfig(1, 1, sum_bits=20))


def test_too_small_a_tap_table_is_refused() -> None:
    zeros = np.zeros(1, np.int64)
    layer = IntegerLayer("wide", np.ones((1, 1, 5, 5), np.int8), zeros, zeros, 0, 0, Clip(), (1, 6, 6))
    with pytest.raises(CompileError, match="'wide': 25 taps need 32 tap entries, and there is room for 16"):
        compiled(layer, ArrayConfig(1, 1, tap_entries=16))


def test_more_columns_than_a_stream_can_name_are_refused() -> None:
    """60,000 weights of a row fit a column of 16 bits, where their channels are cut into ranges; 80,000 do not."""

    def long(height: int, width: int) -> Image:
        weights, zeros = np.ones((1, 20_000, height, width), np.int8), np.zeros(1, np.int64)
        layer = IntegerLayer("long", weights, zeros, zeros, 0, 0, Clip(), (20_000, 3, 5))
        return compiled(layer, ArrayConfig(3, 8, group_sizes=(3,), feature_words=65536, sum_bits=32))

    assert all(run.layout.taps > 3 for run, _ in runs(long(1, 3)))
    with pytest.raises(
        CompileError, match=r"'long': 4 taps x 20000 channels need columns up to 118304, .* end at 65536"
    ):
        long(2, 2)


def test_row_groups_must_be_legal() -> None:
    with pytest.raises(CompileError, match=r"row_groups must be one of \(1, 2, 3, 6\), not 4"):
        compiled(pointwise(ones(1, 1)), ArrayConfig(6, 1), row_groups=4)


def test_wrong_inputs_are_refused() -> None:
    image = compiled(pointwise(ones(1, 2)), ArrayConfig(1, 1))
    with pytest.raises(ValueError, match=r"takes int8 \[?\(?2, 4, 4\)?\]?, not int8 \[2, 4, 5\]"):
        image.load_bytes(np.zeros((2, 4, 5), dtype=np.int8))
