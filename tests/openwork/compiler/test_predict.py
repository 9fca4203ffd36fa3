"""The prediction's short cuts against following every nonzero, and the replay's parts against plain walks."""

import numpy as np
import pytest
from numpy.typing import NDArray

from openwork.compiler.predict import steady_cycles, stream_end
from openwork.compiler.supply import Decoder, followed_end
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.timing import DECODER_CYCLES, HEADER_CYCLES, WORD_CYCLES, write_cycles


def walk(lengths: list[int], hold: int, config: ArrayConfig, pooled: bool) -> int:
    """One nonzero a cycle unless the drain of the sum before, or a write, is in the way."""
    spacing = config.row_spacing
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
                        writes.add(cycle + write_cycles(config, pooled=pooled))
                cycle += 1
    return cycle


@pytest.mark.parametrize("seed", range(200))
def test_steady_cycles_equal_a_walk(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 12, rng.integers(1, 20))
    config = ArrayConfig(1, int(rng.integers(1, 9)), single_port=bool(seed % 2))
    hold = int(rng.integers(1, 6))
    for pooled in (False, True):
        assert steady_cycles(config, hold, lengths, pooled=pooled) == walk(lengths.tolist(), hold, config, pooled)


def steady_decoder(first: int, nonzeros: int) -> Decoder:
    """A nonzero each cycle, from cycle `first` on."""
    cycle = first
    for _ in range(nonzeros):
        left = yield cycle
        cycle = left + 1


def random_stream(seed: int) -> tuple[ArrayConfig, int, NDArray[np.int64]]:
    """An array, a hold and lengths of rows.

    Many rows or few, short or as long as the row buffer; where nothing is replayed, longer than it.
    """
    rng = np.random.default_rng(seed)
    hold = int(rng.choice([1, 1, 2, 5]))
    longest = int(rng.choice([1, 3, 10, 16] if hold > 1 else [1, 3, 16, 40]))
    lengths = rng.integers(1, longest + 1, rng.integers(1, 40))
    return ArrayConfig(1, int(rng.integers(1, 9)), row_buffer_nonzeros=16, single_port=bool(seed % 2)), hold, lengths


@pytest.mark.parametrize("encoding", [Encoding.CSR, Encoding.PACKED])
@pytest.mark.parametrize("seed", range(150))
def test_short_cut_equals_following_every_nonzero(seed: int, encoding: Encoding) -> None:
    config, hold, lengths = random_stream(seed)
    decoder = steady_decoder(1 + WORD_CYCLES + HEADER_CYCLES + DECODER_CYCLES[encoding] - 2, int(lengths.sum()))
    assert stream_end(config, encoding, hold, lengths) == followed_end(config, decoder, hold, lengths)
