"""Each decoder keeps its rate: cycles are counted exactly."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from tests.slow import slow_but

from openwork_dv.weight_stimulus import random_rows
from openwork_hw.arch import encodings, packed
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows
from openwork_hw.arch.timing import BEAT_CYCLES, HEADER_CYCLES, VISIBLE_CYCLES, write_cycles
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


def hard_stream(rng: np.random.Generator, quotients: str) -> tuple[SparseRows, ColumnLayout, int]:
    """Gaps that take as many bits of stops and fields, or as few, as the code allows, and the `rice` that does."""
    layout = ColumnLayout(taps=1, channels=60000)
    count, rice = int(rng.integers(1, 200)), int(rng.integers(packed.MAX_RICE + 1))
    choices = {"longest": [packed.MAX_QUOTIENT], "shortest": [0], "both": [0, packed.MAX_QUOTIENT], "all": range(8)}
    quotient = rng.choice(list(choices[quotients]), count)
    position = np.cumsum((quotient << rice | rng.integers(0, 1 << rice, count)) + 1) - 1
    row, column = np.divmod(position, layout.columns)
    rows = SparseRows(np.arange(row[-1] + 1), np.bincount(row), column, rng.integers(-128, 128, count).astype(np.int8))
    return rows, layout, rice


@pytest.mark.parametrize(
    ("quotients", "stall"),
    slow_but(product(["longest", "shortest", "both", "all"], [0.0, 0.4]), ("all", 0.4)),
)
def test_packed_never_starves(
    simulate: Simulate, monkeypatch: pytest.MonkeyPatch, quotients: str, stall: float
) -> None:
    """Once the first nonzero is there, so is the next whenever it is asked for, to the last."""
    for seed in range(12):
        rows, layout, rice = hard_stream(np.random.default_rng([seed, len(quotients)]), quotients)
        monkeypatch.setattr(packed, "choose_rice", lambda rows, layout, rice=rice: rice)
        words = encodings.encode(Encoding.PACKED, rows, layout)
        settings = [{"rice": rice, "columns": layout.columns}]
        rates = [(1.0, 1.0 - stall)]
        (result,) = simulate(
            PackedDecoder(), [words[1:].tolist()], settings=settings, begin="restart", end="exhausted", rates=rates
        )
        assert [beat["column"] for beat in result.beats] == rows.columns.tolist()
        assert result.offered[0] - result.words_taken[0] == PackedDecoder.latency_cycles
        accepted = [cycle + 1 for cycle in result.accepted]
        assert result.offered[1:] == accepted[:-1]
        assert result.ended - result.accepted[-1] < packed_done_limit()


def packed_done_limit() -> int:
    """Cycles after the last nonzero within which `exhausted` must come, so that no pass waits for it.

    From there on the nonzero has to be taken, replayed, and its outputs written, on the smallest array.
    """
    return HEADER_CYCLES - 2 + VISIBLE_CYCLES + BEAT_CYCLES + write_cycles(ArrayConfig(1, 1))
