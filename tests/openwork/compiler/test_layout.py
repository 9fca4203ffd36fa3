"""Blocks: they cover both maps, no tap goes past a neighbour, and what does not fit is refused."""

import numpy as np
import pytest

from openwork.activation import Clip
from openwork.compiler.errors import CompileError
from openwork.compiler.layout import BlockLayout, place
from openwork.compiler.taps import tap_table
from openwork.layer import IntegerLayer
from openwork_hw.arch.config import ArrayConfig


def convolution(
    size: tuple[int, int], kernel: int = 1, stride: int = 1, dilation: int = 1, padding: int = 0, channels: int = 2
) -> IntegerLayer:
    return IntegerLayer(
        name="conv",
        weights=np.ones((3, channels, kernel, kernel), dtype=np.int8),
        bias=np.zeros(3, dtype=np.int64),
        shift=np.zeros(3, dtype=np.int64),
        input_zero_point=0,
        output_zero_point=0,
        activation=Clip(),
        input_shape=(channels, *size),
        stride=stride,
        dilation=dilation,
        padding=(padding,) * 4,
    )


def test_blocks_cover_both_maps() -> None:
    layout = place(convolution((9, 13), kernel=3, stride=2, padding=1), ArrayConfig(pes=3, lanes=4), row_groups=3)
    assert layout.layer.output_shape[1:] == (5, 7)
    assert (layout.block_height, layout.block_width) == (2, 2)
    assert (layout.input_block_height, layout.input_block_width) == (4, 4)
    assert (layout.input_words, layout.output_base, layout.output_words) == (32, 32, 12)
    assert layout.used_groups() == 3


def test_one_pixel_blocks_under_a_wide_kernel_grow() -> None:
    config = ArrayConfig(pes=8, lanes=8)
    assert place(convolution((8, 8), kernel=3, padding=1), config, 8).block_width == 1
    layout = place(convolution((8, 8), kernel=5, padding=2), config, 8)
    assert (layout.block_height, layout.block_width) == (2, 2)
    assert layout.used_groups() == 4


def test_one_block_does_not_grow_since_what_lies_outside_is_padding() -> None:
    layout = place(convolution((1, 1), kernel=7, padding=3), ArrayConfig(pes=1, lanes=1), 1)
    assert (layout.block_height, layout.block_width) == (1, 1)
    shifts = {(entry.pe_shift, entry.lane_shift) for entry in tap_table(layout, 0, 1)[:49]}
    assert shifts == {(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)}


def test_a_wrong_layout_is_refused_by_the_tap_table() -> None:
    layout = BlockLayout(convolution((8, 8), kernel=5, padding=2), 8, 8, 1, 1)
    with pytest.raises(CompileError, match=r"tap \(0, 0\) of local pixel \(0, 0\) reaches -2 PEs"):
        tap_table(layout, 0, 1)


def test_tap_table_by_hand() -> None:
    """A 1 x 3 map of 2 channels on 2 lanes, kernel 3, padding 1: blocks of 1 x 2 pixels, so addresses 0 and 2."""
    layer = convolution((1, 3), kernel=3, padding=1)
    layout = place(layer, ArrayConfig(pes=1, lanes=2), 1)
    entries = tap_table(layout, 0, 2)
    assert len(entries) == 32
    middle = [(entry.address, entry.lane_shift, entry.pe_shift) for entry in entries[3:6]]
    assert middle == [(2, -1, 0), (0, 0, 0), (2, 0, 0)]
    right = [(entry.address, entry.lane_shift, entry.pe_shift) for entry in entries[16 + 3 : 16 + 6]]
    assert right == [(0, 0, 0), (2, 0, 0), (0, 1, 0)]
    assert {entry.pe_shift for entry in entries[0:3]} == {-1}
    assert {entry.pe_shift for entry in entries[6:9]} == {1}
    assert entries[9:16] == entries[25:32] == (entries[9],) * 7
    assert tap_table(layout, 1, 1) == entries[16:]


def test_too_little_memory_is_refused_with_need_and_limit() -> None:
    layer = convolution((40, 40), channels=4)
    config = ArrayConfig(pes=2, lanes=2, feature_words=1024)
    with pytest.raises(CompileError, match=r"layer 'conv': 2 x 2 blocks need 2800 feature words .* there are 1024"):
        place(layer, config, 2)


def test_row_groups_must_be_legal() -> None:
    with pytest.raises(CompileError, match=r"row_groups must be one of \(1, 2, 3, 6\), not 4"):
        place(convolution((4, 4)), ArrayConfig(pes=6, lanes=1), 4)
