"""The prediction's short cuts against its long way, and the long way's parts against plain walks."""

import numpy as np
import pytest

from openwork.compiler.predict import followed_end, steady_cycles, stream_end
from openwork.compiler.supply import PackedStream
from openwork_hw.arch import encodings
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows
from openwork_hw.arch.timing import row_spacing, write_cycles


def walk(lengths: list[int], hold: int, config: ArrayConfig) -> int:
    """One nonzero a cycle unless the drain of the sum before, or a write, is in the way."""
    spacing = row_spacing(config.lanes)
    writes: set[int] = set()
    cycle = 0
    last = -spacing
    for length in lengths:
        for _ in range(hold):
            for index in range(length):
                while cycle in writes or (index == length - 1 and cycle < last + spacing):
                    cycle += 1
                if index == length - 1:
                    last = cycle
                    if config.single_port:
                        writes.add(cycle + write_cycles(config.lanes))
                cycle += 1
    return cycle


def random_rows(rng: np.random.Generator, encoding: Encoding, longest: int) -> tuple[SparseRows, ColumnLayout]:
    """Rows of 1 to `longest` nonzeros before fillers, many or few, short or long."""
    layout = ColumnLayout(taps=int(rng.integers(1, 4)), channels=int(rng.choice([16, 60, 300])))
    legal = np.flatnonzero((np.arange(layout.columns) & ((1 << layout.channel_bits) - 1)) < layout.channels)
    lengths = rng.integers(1, min(longest, int(rng.choice([1, 3, 10, 40]))) + 1, rng.integers(1, 40))
    columns = np.concatenate([np.sort(rng.choice(legal, min(length, 16), replace=False)) for length in lengths])
    rows = SparseRows(
        rows=np.arange(len(lengths)),
        lengths=np.minimum(lengths, 16),
        columns=columns,
        values=rng.integers(-128, 128, len(columns)).astype(np.int8),
    )
    return encodings.prepare(encoding, rows, layout), layout


@pytest.mark.parametrize("seed", range(200))
def test_steady_cycles_equal_a_walk(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 12, rng.integers(1, 20))
    config = ArrayConfig(1, int(rng.integers(1, 9)), single_port=bool(seed % 2))
    hold = int(rng.integers(1, 6))
    assert steady_cycles(config, hold, lengths) == walk(lengths.tolist(), hold, config)


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("seed", range(100))
def test_short_cuts_equal_following_every_nonzero(seed: int, encoding: Encoding) -> None:
    rng = np.random.default_rng(seed)
    rows, layout = random_rows(rng, encoding, longest=16)
    buffer = 64 if rows.lengths.max() > 16 else 16
    config = ArrayConfig(1, int(rng.integers(1, 9)), row_buffer_nonzeros=buffer, single_port=bool(seed % 2))
    hold = int(rng.choice([1, 1, 2, 5]))
    assert stream_end(config, encoding, layout, hold, rows) == followed_end(config, encoding, layout, hold, rows)


@pytest.mark.parametrize("seed", range(50))
def test_packed_words_are_those_of_the_encoder(seed: int) -> None:
    rows, layout = random_rows(np.random.default_rng(seed), Encoding.PACKED, longest=40)
    words = encodings.encode(Encoding.PACKED, rows, layout)
    strings = PackedStream(rows, layout)
    assert len(strings.order) == len(words) - 1
    assert strings.stop_words + strings.field_words == len(strings.order)
