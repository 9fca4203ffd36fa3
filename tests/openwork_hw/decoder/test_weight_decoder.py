"""WeightDecoder says what the Python codecs say: the same nonzeros, or the same error at the same row."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.slow import slow_but

from openwork_dv.weight_stimulus import corrupt, random_rows
from openwork_hw.arch import encodings
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows, StreamError, StreamErrorKind
from openwork_hw.decoder.weight_decoder import WeightDecoder

Simulate = Callable[..., list[Any]]

CHANNEL_WIDTH = 8
RATES = [(1.0, 1.0), (0.5, 0.5), (1.0, 0.15), (0.15, 1.0)]

each_encoding = pytest.mark.parametrize("encoding", list(Encoding), ids=lambda encoding: encoding.name.lower())


def settings_of(layout: ColumnLayout) -> dict[str, int]:
    return {"channels": layout.channels, "channel_bits": layout.channel_bits, "columns": layout.columns}


def run(
    simulate: Simulate,
    streams: list[NDArray[np.uint32]],
    layouts: list[ColumnLayout],
    built: tuple[Encoding, ...],
    seed: int,
    rates: list[tuple[float, float]] = RATES,
) -> list[Any]:
    return simulate(
        WeightDecoder(channel_width=CHANNEL_WIDTH, encodings=built),
        [words.tolist() for words in streams],
        settings=[settings_of(layout) for layout in layouts],
        begin="clear",
        end="done",
        ports=("error", "position"),
        rates=rates,
        seed=seed,
    )


def assert_emitted(beats: list[dict[str, int]], rows: SparseRows, layout: ColumnLayout, named_rows: bool) -> None:
    ends = np.cumsum(rows.lengths) - 1
    assert [beat["tap"] << layout.channel_bits | beat["channel"] for beat in beats] == rows.columns.tolist()
    assert [beat["value"] for beat in beats] == rows.values.tolist()
    assert [index for index, beat in enumerate(beats) if beat["last"]] == ends.tolist()
    assert [index for index, beat in enumerate(beats) if beat["final"]] == [rows.nonzeros - 1]
    if named_rows:
        assert [beat["row"] for beat in beats] == np.repeat(rows.rows, rows.lengths).tolist()


def random_case(generator: np.random.Generator) -> tuple[SparseRows, ColumnLayout]:
    layout = ColumnLayout(taps=int(generator.choice([1, 2, 9, 25])), channels=int(generator.integers(1, 30)))
    density = float(generator.choice([0.0, 0.05, 0.3, 1.0]))
    return random_rows(generator, layout, int(generator.integers(1, 6)), density, first_row=3), layout


@each_encoding
@pytest.mark.parametrize(("alone", "count"), slow_but([(True, 4), (True, 12), (False, 12)], (True, 4)))
def test_legal_streams_one_after_the_other_with_stalls(
    simulate: Simulate, encoding: Encoding, alone: bool, count: int
) -> None:
    generator = np.random.default_rng(1)
    cases = [random_case(generator) for _ in range(count)]
    streams = [encodings.encode(encoding, rows, layout) for rows, layout in cases]
    built = (encoding,) if alone else tuple(Encoding)
    results = run(simulate, streams, [layout for _, layout in cases], built, seed=1)
    for result, words, (rows, layout) in zip(results, streams, cases, strict=True):
        assert result.ports == {"error": StreamErrorKind.NONE, "position": len(rows.rows)}
        assert len(result.words_taken) == len(words)
        assert_emitted(
            result.beats, encodings.prepare(encoding, rows, layout), layout, named_rows=encoding is Encoding.TRIPLET
        )


def compare_corrupted(simulate: Simulate, encoding: Encoding, count: int, seed: int) -> set[StreamErrorKind]:
    """Run corrupted streams, and compare each with what Python says; returns the kinds of error seen."""
    generator = np.random.default_rng(seed)
    cases = [random_case(generator) for _ in range(count)]
    streams = []
    for rows, layout in cases:
        words = encodings.encode(encoding, rows, layout)
        for _ in range(int(generator.integers(1, 3))):
            words = corrupt(generator, words)
        streams.append(words)
    results = run(simulate, streams, [layout for _, layout in cases], (encoding,), seed=seed)
    seen = set()
    for index, (result, words, (rows, layout)) in enumerate(zip(results, streams, cases, strict=True)):
        where = f"stream {index} of seed {seed}"
        got = (result.ports["error"], result.ports["position"])
        assert len(result.words_taken) == len(words), where
        try:
            decoded = encodings.decode(encoding, words, layout, rows.rows.tolist())
        except StreamError as error:
            seen.add(error.kind)
            if error.kind not in (StreamErrorKind.ROW, StreamErrorKind.RECORDS):  # the row buffer finds these
                assert got == (error.kind, error.position), where
        else:
            assert got == (StreamErrorKind.NONE, len(decoded.rows)), where
            assert_emitted(result.beats, decoded, layout, named_rows=encoding is Encoding.TRIPLET)
    return seen


@each_encoding
@pytest.mark.parametrize("count", slow_but([25, 60], 25))
def test_corrupted_streams(simulate: Simulate, encoding: Encoding, count: int) -> None:
    seen = compare_corrupted(simulate, encoding, count, seed=2)
    assert {StreamErrorKind.COLUMN, StreamErrorKind.LENGTH, StreamErrorKind.TRUNCATED} <= seen


@pytest.mark.slow
@each_encoding
@pytest.mark.parametrize("seed", range(3, 7))
def test_many_corrupted_streams(simulate: Simulate, encoding: Encoding, seed: int) -> None:
    seen = compare_corrupted(simulate, encoding, count=300, seed=seed)
    assert StreamErrorKind.HEADER in seen
    assert (StreamErrorKind.CODE in seen) == (encoding is Encoding.PACKED)


def test_an_encoding_that_is_not_built_in_is_a_header_error(simulate: Simulate) -> None:
    layout = ColumnLayout(taps=1, channels=4)
    rows = random_rows(np.random.default_rng(0), layout, 2, 0.5)
    streams = [encodings.encode(encoding, rows, layout) for encoding in (Encoding.CSR, Encoding.PACKED)]
    wrong, right = run(simulate, streams, [layout] * 2, (Encoding.PACKED,), seed=0)
    assert (wrong.ports["error"], wrong.ports["position"], wrong.beats) == (StreamErrorKind.HEADER, 0, [])
    assert right.ports["error"] == StreamErrorKind.NONE


@each_encoding
def test_latency(simulate: Simulate, encoding: Encoding) -> None:
    layout = ColumnLayout(taps=9, channels=20)
    rows = random_rows(np.random.default_rng(3), layout, 5, 0.3)
    words = encodings.encode(encoding, rows, layout)
    (result,) = run(simulate, [words], [layout], (encoding,), seed=0, rates=[(1.0, 1.0)])
    assert result.offered[0] - result.words_taken[0] == WeightDecoder.latency_cycles[encoding]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="channel_width must be from 1 to 16, not 17"):
        WeightDecoder(channel_width=17, encodings=(Encoding.CSR,))
    with pytest.raises(ValueError, match="encodings"):
        WeightDecoder(channel_width=8, encodings=())
