"""The weight decoders, for every sequence of words, legal or not."""

from pathlib import Path
from types import ModuleType

import pytest

from openwork_dv.formal.decoding import decoder_properties, exact_properties
from openwork_dv.formal.mutants import around, mutant
from openwork_dv.formal.prover import Prover
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding
from openwork_hw.decoder import byte_gearbox, csr, packed, triplet, weight_decoder

LAYOUT = ColumnLayout(taps=9, channels=6)
CHANNEL_WIDTH = 4

PATIENCE = {Encoding.CSR: 4, Encoding.TRIPLET: 5, Encoding.PACKED: 17}
"""Cycles in which nothing moves although words are offered and nonzeros taken."""

COUNTING = ["position", "no_more_rows_than_promised", "final_ends_the_last_row", "done_is_complete_or_failed"]
"""Claims about 16-bit counters, whose states are too many for an invariant: proved for short runs only."""

OPEN = {
    Encoding.CSR: COUNTING,
    Encoding.TRIPLET: COUNTING,
    Encoding.PACKED: [*COUNTING, "position_stays", "done_has_read_all", "no_hang"],
}
"""What is not proved for runs of any length."""

CYCLES = {Encoding.CSR: 20, Encoding.TRIPLET: 22, Encoding.PACKED: 36}
"""Short runs."""

WORDS = {Encoding.CSR: 6, Encoding.TRIPLET: 7}
"""Words of a short stream: enough to fill the byte gearbox, and for every number of bytes to be left at the end."""
SHORT_CYCLES = 15
"""Enough to take, decode and accept most of them without a stall, or fewer with stalls."""


def range_prover(encoding: Encoding, folder: Path, module: ModuleType = weight_decoder) -> Prover:
    decoder = module.WeightDecoder(channel_width=CHANNEL_WIDTH, encodings=(encoding,))
    return Prover(decoder_properties(decoder, LAYOUT, patience=PATIENCE[encoding], row_bits=2), folder)


def exact_prover(encoding: Encoding, folder: Path, module: ModuleType = weight_decoder) -> Prover:
    decoder = module.WeightDecoder(channel_width=CHANNEL_WIDTH, encodings=(encoding,))
    return Prover(exact_properties(decoder, encoding, LAYOUT, words=WORDS[encoding]), folder)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", Encoding)
def test_nothing_outside_the_layer_leaves_and_nothing_hangs(encoding: Encoding, tmp_path: Path) -> None:
    prover = range_prover(encoding, tmp_path)
    assert prover.counterexample(cycles=CYCLES[encoding]) is None
    assert prover.unproved(but=OPEN[encoding]) == []
    assert prover.unreached(cycles=CYCLES[encoding]) == []


@pytest.mark.slow
@pytest.mark.parametrize("encoding", [Encoding.CSR, Encoding.TRIPLET])
def test_short_streams_give_their_nonzeros_or_their_first_error(encoding: Encoding, tmp_path: Path) -> None:
    prover = exact_prover(encoding, tmp_path)
    assert prover.counterexample(cycles=SHORT_CYCLES) is None
    assert prover.unreached(cycles=SHORT_CYCLES) == []


def serial_decoder() -> weight_decoder.WeightDecoder:
    """With the decoder of CSR that takes a byte a cycle."""
    return weight_decoder.WeightDecoder(channel_width=CHANNEL_WIDTH, encodings=(Encoding.CSR,), serial=True)


@pytest.mark.slow
def test_the_same_of_the_decoder_that_takes_a_byte_a_cycle(tmp_path: Path) -> None:
    prover = Prover(decoder_properties(serial_decoder(), LAYOUT, patience=8, row_bits=2), tmp_path)
    assert prover.counterexample(cycles=CYCLES[Encoding.CSR]) is None
    assert prover.unproved(but=COUNTING) == []
    assert prover.unreached(cycles=28) == []


@pytest.mark.slow
def test_short_streams_through_the_decoder_that_takes_a_byte_a_cycle(tmp_path: Path) -> None:
    """Four words: a header, and twelve bytes."""
    prover = Prover(exact_properties(serial_decoder(), Encoding.CSR, LAYOUT, words=4), tmp_path)
    assert prover.counterexample(cycles=27) is None
    assert prover.unreached(cycles=27) == []


def with_decoder(encoding: Encoding, **decoder: type) -> ModuleType:
    """The weight decoder's module with another decoder of `encoding`, given under its class's name."""
    return around(weight_decoder, DECODERS={encoding: next(iter(decoder.values()))}, **decoder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("encoding", "healthy", "broken", "claim"),
    [
        (Encoding.CSR, "channel >= self.channels", "channel > self.channels", "channel_in_range"),
        (Encoding.CSR, "decoded.column >= self.columns", "decoded.column[1:] >= self.columns", "column_in_range"),
        (Encoding.CSR, "| (flushing & ~words_ended)", "", "no_hang"),
        (Encoding.CSR, "split_valid & in_decode & ~faulty", "split_valid & ~faulty", "nothing_leaves_after_an_error"),
        (Encoding.CSR, "entered.eq(number)", "entered.eq(number + 1)", "position"),
    ],
)
def test_a_broken_weight_decoder_is_found(
    encoding: Encoding, healthy: str, broken: str, claim: str, tmp_path: Path
) -> None:
    twin = mutant(weight_decoder, healthy, broken)
    found = range_prover(encoding, tmp_path, twin).counterexample(cycles=CYCLES[encoding])
    assert found is not None and found.claim == claim


@pytest.mark.slow
def test_a_packed_decoder_that_leaves_its_row_is_found(tmp_path: Path) -> None:
    twin = mutant(packed, "skipped_row | (~self.columns[low_bits:].any() & ~beyond[-1])", "skipped_row")
    module = with_decoder(Encoding.PACKED, PackedDecoder=twin.PackedDecoder)
    found = range_prover(Encoding.PACKED, tmp_path, module).counterexample(cycles=CYCLES[Encoding.PACKED])
    assert found is not None and found.claim == "column_in_range"


@pytest.mark.slow
def test_a_csr_decoder_that_miscounts_is_found(tmp_path: Path) -> None:
    twin = mutant(csr, "at_row.eq(Mux(at_row, length == 1, left == 1))", "at_row.eq(left == 1)")
    module = with_decoder(Encoding.CSR, CsrDecoder=twin.CsrDecoder)
    assert exact_prover(Encoding.CSR, tmp_path, module).counterexample(cycles=SHORT_CYCLES) is not None


@pytest.mark.slow
def test_a_triplet_decoder_that_forgets_a_byte_is_found(tmp_path: Path) -> None:
    twin = mutant(triplet, "(gearbox.level == 4) | (gearbox.o[:24] != 0)", "gearbox.o[:24] != 0")
    module = with_decoder(Encoding.TRIPLET, TripletDecoder=twin.TripletDecoder)
    assert exact_prover(Encoding.TRIPLET, tmp_path, module).counterexample(cycles=SHORT_CYCLES) is not None


@pytest.mark.slow
def test_a_gearbox_that_takes_too_much_is_found(tmp_path: Path) -> None:
    twin = mutant(byte_gearbox, "(kept_level <= BUFFER_BYTES - 4)", "(kept_level <= BUFFER_BYTES - 3)")
    module = with_decoder(Encoding.CSR, CsrDecoder=around(csr, ByteGearbox=twin.ByteGearbox).CsrDecoder)
    assert exact_prover(Encoding.CSR, tmp_path, module).counterexample(cycles=SHORT_CYCLES) is not None
