"""Programs: passes, records, the choice of row groups, the proof of the accumulators, and refusals."""

import numpy as np
import pytest
from numpy.typing import NDArray

from openwork.activation import Clip
from openwork.compiler.errors import CompileError
from openwork.compiler.program import compile_layer, plan_layer
from openwork.layer import IntegerLayer
from openwork_hw.arch.arithmetic import fold_offset
from openwork_hw.arch.config import ArrayConfig
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


def test_one_pass_holds_all_pixels_if_rows_and_table_fit() -> None:
    layer = pointwise(ones(5, 6), bias=8, shift=3, zero_point=-2)
    program = compile_layer(layer, ArrayConfig(4, 2), Encoding.PACKED, 2)
    (step,) = program.passes
    assert (step.run.hold, step.run.row_groups, step.run.output_stride) == (4, 2, 5)
    assert step.run.output_base == program.layout.input_words == 24
    assert (step.run.pad, step.run.low, step.run.high) == (3, -100, 100)
    assert [[record.row for record in records] for records in step.records] == [[0, 2, 4], [1, 3]]
    assert [record.last for record in step.records[0]] == [False, False, True]
    assert {record.offset for record in step.records[0]} == {fold_offset(8, 3, -2)}
    assert [store.pe for store in program.stores] == [0, 1, 2, 3]
    assert "2 x 2 blocks of 2 x 2 pixels" in str(program)


def test_a_small_tap_table_takes_several_even_passes() -> None:
    program = compile_layer(pointwise(ones(2, 1), size=(7, 5)), ArrayConfig(1, 1, tap_entries=16), Encoding.CSR)
    assert [step.run.hold for step in program.passes] == [11, 12, 12]
    assert [step.run.output_base for step in program.passes] == [35, 35 + 22, 35 + 46]


def test_a_row_longer_than_the_row_buffer_takes_one_pixel_a_pass() -> None:
    config = ArrayConfig(1, 2, row_buffer_nonzeros=16)
    assert [step.run.hold for step in compile_layer(pointwise(ones(2, 16)), config, Encoding.CSR).passes] == [8]
    assert [step.run.hold for step in compile_layer(pointwise(ones(2, 17)), config, Encoding.CSR).passes] == [1] * 8


def test_a_stream_without_rows_gets_a_dummy() -> None:
    program = compile_layer(pointwise(ones(1, 3), size=(1, 1)), ArrayConfig(3, 1), Encoding.TRIPLET, 1)
    (step,) = program.passes
    assert [[record.write for record in records] for records in step.records] == [[True], [False], [False]]
    assert [store.pe for store in program.stores] == [0]


def test_row_groups_are_those_with_the_fewest_cycles() -> None:
    config = ArrayConfig(6, 2)
    for layer in (pointwise(ones(12, 8), size=(1, 1)), pointwise(ones(1, 8), size=(12, 4))):
        best = plan_layer(layer, config, Encoding.PACKED)
        cycles = [plan_layer(layer, config, Encoding.PACKED, groups).predicted_cycles for groups in (1, 2, 3, 6)]
        assert best.predicted_cycles == min(cycles)
    assert plan_layer(pointwise(ones(12, 8), size=(1, 1)), config, Encoding.PACKED).layout.row_groups == 1
    assert plan_layer(pointwise(ones(1, 8), size=(12, 4)), config, Encoding.PACKED).layout.row_groups == 6


def test_compiling_twice_gives_the_same() -> None:
    weights = np.random.default_rng(5).integers(-3, 3, (20, 30)).astype(np.int8)
    first, second = (compile_layer(pointwise(weights), ArrayConfig(4, 2), Encoding.PACKED) for _ in range(2))
    assert first.passes[0].records == second.passes[0].records
    assert all((a == b).all() for a, b in zip(first.passes[0].words, second.passes[0].words, strict=True))


def test_utilization_counts_useful_products_only() -> None:
    weights = ones(4, 8)
    weights[:, ::2] = 0
    program = compile_layer(pointwise(weights), ArrayConfig(1, 2), Encoding.CSR)
    assert program.utilization == 4 * 4 * 16 / (program.predicted_cycles * 2)


def test_accumulators_are_proved_row_by_row() -> None:
    weights = np.zeros((3, 64), dtype=np.int8)
    weights[1] = -127
    config = ArrayConfig(1, 1, sum_bits=21)
    with pytest.raises(CompileError, match=r"'pointwise', row 1: sums can reach 1048577, .* less than 1048576"):
        compile_layer(pointwise(weights, bias=(1 << 20) - 64 * 127 * 128 + 1), config, Encoding.CSR)
    compile_layer(pointwise(weights, bias=(1 << 20) - 64 * 127 * 128 - 1), config, Encoding.CSR)


def test_shift_is_limited_by_the_accumulator() -> None:
    with pytest.raises(CompileError, match=r"row 0: the shift is 11, and 20-bit accumulators allow 10"):
        compile_layer(pointwise(ones(1, 1), shift=11), ArrayConfig(1, 1, sum_bits=20), Encoding.CSR)


def test_too_small_a_tap_table_is_refused() -> None:
    layer = IntegerLayer(
        "wide", np.ones((1, 1, 5, 5), dtype=np.int8), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64),
        0, 0, Clip(), (1, 5, 5),
    )  # fmt: skip
    with pytest.raises(CompileError, match="'wide': 25 taps need 32 tap entries, and the table holds 16"):
        compile_layer(layer, ArrayConfig(1, 1, tap_entries=16), Encoding.CSR)


def test_wrong_inputs_are_refused() -> None:
    program = compile_layer(pointwise(ones(1, 2)), ArrayConfig(1, 1), Encoding.CSR)
    with pytest.raises(ValueError, match=r"'pointwise' takes int8 \[2, 4, 4\], not int8 \[2, 4, 5\]"):
        program.loads(np.zeros((2, 4, 5), dtype=np.int8))
