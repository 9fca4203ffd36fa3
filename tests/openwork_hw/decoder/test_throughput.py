"""Each decoder keeps its rate: cycles are counted exactly."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from openwork_dv.weight_stimulus import random_rows
from openwork_hw.arch import encodings, packed
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows
from openwork_hw.decoder.csr import CsrDecoder
from openwork_hw.decoder.packed import PackedDecoder
from openwork_hw.decoder.triplet import TripletDecoder

Simulate = Callable[..., list[Any]]

LAYOUT = ColumnLayout(taps=9, channels=50)


def run(simulate: Simulate, decoder: Any, encoding: Encoding, rows: SparseRows) -> Any:
    words = encodings.encode(encoding, rows, LAYOUT)
    settings = {"rice": int(words[0]) >> 16 & 7, "columns": LAYOUT.columns} if encoding is Encoding.PACKED else {}
    (result,) = simulate(decoder, [words[1:].tolist()], settings=[settings], begin="restart", end="exhausted")
    assert result.offered[0] - result.words_taken[0] == decoder.latency_cycles
    assert [beat["column"] for beat in result.beats] == encodings.prepare(encoding, rows, LAYOUT).columns.tolist()
    return result


def test_csr_takes_a_cycle_a_nonzero_also_at_row_ends(simulate: Simulate) -> None:
    rows = random_rows(np.random.default_rng(1), LAYOUT, 20, 0.03)
    result = run(simulate, CsrDecoder(), Encoding.CSR, rows)
    assert result.offered == list(range(result.offered[0], result.offered[0] + rows.nonzeros))


def test_triplet_takes_five_cycles_for_four_nonzeros(simulate: Simulate) -> None:
    rows = random_rows(np.random.default_rng(1), LAYOUT, 20, 0.03)
    result = run(simulate, TripletDecoder(), Encoding.TRIPLET, rows)
    last = rows.nonzeros - 1
    assert result.offered[last] - result.offered[0] == pytest.approx(last * 5 / 4, abs=1.5)


@pytest.mark.parametrize("density", [0.02, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0])
def test_packed_takes_a_cycle_a_nonzero_also_at_row_ends(simulate: Simulate, density: float) -> None:
    rows = random_rows(np.random.default_rng(1), LAYOUT, 8, density)
    result = run(simulate, PackedDecoder(), Encoding.PACKED, rows)
    nonzeros = len(result.beats)
    assert result.offered[:-1] == list(range(result.offered[0], result.offered[0] + nonzeros - 1))
    prepared = encodings.prepare(Encoding.PACKED, rows, LAYOUT)
    assert result.offered[-1] - result.offered[-2] == 1 + packed.late_cycles(prepared, LAYOUT)
