"""The weight decoder's Verilog alone under cocotb, against the Python decoders."""

import numpy as np
import pytest
from tests.slow import slow_but

from openwork_dv.jobs import DecoderJob, DecoderResult
from openwork_dv.packing import unpack
from openwork_dv.runner import build
from openwork_dv.stimulus import CORRUPTIONS
from openwork_dv.transactions import word_payloads
from openwork_dv.weight_stimulus import random_rows
from openwork_hw.arch import encodings
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows, StreamError, StreamErrorKind
from openwork_hw.decoder.payloads import WeightNonzero
from openwork_hw.decoder.weight_decoder import WeightDecoder

CHANNEL_WIDTH = 7
ALL = tuple(Encoding)


def simulate(jobs: list[DecoderJob], *, serial: bool = False) -> list[DecoderResult]:
    simulation = build(
        f"decoder {serial}",
        lambda: WeightDecoder(channel_width=CHANNEL_WIDTH, encodings=(Encoding.CSR,) if serial else ALL, serial=serial),
    )
    results: list[DecoderResult] = simulation.run("decoder", jobs)
    return results


def job(words: np.ndarray, layout: ColumnLayout, stall: float, seed: int) -> DecoderJob:
    settings = {"channels": layout.channels, "channel_bits": layout.channel_bits, "columns": layout.columns}
    return DecoderJob(settings, word_payloads(words), stall, seed, 100 * len(words) + 500)


def nonzeros(result: DecoderResult, layout: ColumnLayout) -> list[tuple[int, int, bool]]:
    """Column, value and `last` of each nonzero that came out."""
    fields = [unpack(WeightNonzero(CHANNEL_WIDTH), bits) for bits in result.nonzeros]
    return [(layout.column(f["tap"], f["channel"]), f["value"], bool(f["last"])) for f in fields]


def expected(rows: SparseRows) -> list[tuple[int, int, bool]]:
    ends = set((np.cumsum(rows.lengths) - 1).tolist())
    return [
        (column, value, index in ends)
        for index, (column, value) in enumerate(zip(rows.columns.tolist(), rows.values.tolist(), strict=True))
    ]


KINDS = [*((encoding, False) for encoding in Encoding), (Encoding.CSR, True)]
"""Encodings, and whether the decoder is the serial one of CSR."""
QUICK_KINDS = [(Encoding.PACKED, False), (Encoding.CSR, True)]


@pytest.mark.parametrize(("encoding", "serial"), slow_but(KINDS, *QUICK_KINDS))
def test_streams_decode_to_their_rows_at_every_stall_rate(encoding: Encoding, serial: bool, seed: int) -> None:
    rng = np.random.default_rng([seed, encoding])
    jobs, rows, layouts = [], [], []
    for number in range(12):
        layout = ColumnLayout(taps=int(rng.integers(1, 10)), channels=int(rng.integers(1, 100)))
        stream = random_rows(rng, layout, rows=int(rng.integers(1, 8)), density=float(rng.choice([0.02, 0.2, 1.0])))
        stall = (0.0, 0.3, 0.9)[number % 3]
        jobs.append(job(encodings.encode(encoding, stream, layout), layout, stall, number))
        rows.append(encodings.prepare(encoding, stream, layout))
        layouts.append(layout)
    for stream, layout, result in zip(rows, layouts, simulate(jobs, serial=serial), strict=True):
        assert result.done and result.left == 0 and result.problems == ()
        assert result.error == StreamErrorKind.NONE and result.position == len(stream.rows)
        assert nonzeros(result, layout) == expected(stream)


@pytest.mark.parametrize(("encoding", "serial"), slow_but(KINDS, *QUICK_KINDS))
def test_corrupted_streams_end_as_the_python_decoder_says(encoding: Encoding, serial: bool, seed: int) -> None:
    rng = np.random.default_rng([seed, 50, encoding])
    jobs: list[DecoderJob] = []
    streams, layouts = [], []
    while len(jobs) < 40:
        layout = ColumnLayout(taps=int(rng.integers(1, 5)), channels=int(rng.integers(1, 9)))
        rows = random_rows(rng, layout, rows=int(rng.integers(1, 5)), density=0.3)
        words = encodings.encode(encoding, rows, layout)
        words = CORRUPTIONS[int(rng.integers(len(CORRUPTIONS)))](rng, words)
        if int(words[0]) >> 28 != encoding:
            continue  # another stream's: the core's test has those
        jobs.append(job(words, layout, (0.0, 0.5)[len(jobs) % 2], len(jobs)))
        streams.append((words, rows.rows.tolist()))
        layouts.append(layout)
    for (words, numbers), layout, result in zip(streams, layouts, simulate(jobs, serial=serial), strict=True):
        assert result.done and result.left == 0 and result.problems == ()
        # Row numbers are checked behind the decoder: as many as the header promises, and those that came.
        promised = int(words[0]) & 0xFFFF
        found = [unpack(WeightNonzero(CHANNEL_WIDTH), bits) for bits in result.nonzeros]
        if encoding is Encoding.TRIPLET:
            numbers = [fields["row"] for fields in found if fields["last"]]
        numbers = (numbers + [-1] * promised)[:promised]
        try:
            decoded = encodings.decode(encoding, words, layout, numbers)
        except StreamError as error:
            if error.kind is StreamErrorKind.ROW:
                assert result.error != StreamErrorKind.NONE
                continue
            assert (StreamErrorKind(result.error), result.position) == (error.kind, error.position)
        else:
            assert result.error == StreamErrorKind.NONE
            assert nonzeros(result, layout) == expected(decoded)
