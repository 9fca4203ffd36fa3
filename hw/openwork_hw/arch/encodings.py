"""The three encodings of weight streams behind one interface, and what each of them costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch import csr, packed, triplet
from openwork_hw.arch.config import ArrayConfig, ConfigError
from openwork_hw.arch.nonzeros import ColumnLayout, Encoding, SparseRows

_CODECS = {Encoding.CSR: csr, Encoding.TRIPLET: triplet, Encoding.PACKED: packed}

ALL_ENCODINGS = tuple(Encoding)


def encodings_of(config: ArrayConfig) -> tuple[Encoding, ...]:
    """The encodings that an array of this configuration can decode: a compact array decodes CSR alone.

    >>> [encoding.name for encoding in encodings_of(ArrayConfig(pes=1, lanes=4, compact=True))]
    ['CSR']
    """
    return (Encoding.CSR,) if config.compact else ALL_ENCODINGS


def chosen_encodings(config: ArrayConfig, encodings: Sequence[Encoding] | None) -> tuple[Encoding, ...]:
    """The encodings that an array is built for: the given encodings, or, for None, all that the array can decode.

    Raises:
        ConfigError: the array cannot decode one of the given encodings.
    """
    for encoding in encodings or ():
        check_encoding(config, encoding)
    return encodings_of(config) if encodings is None else tuple(encodings)


def check_encoding(config: ArrayConfig, encoding: int) -> None:
    """Refuse weight streams that an array cannot decode.

    Args:
        encoding: an `Encoding`, or the number in a stream's header.

    Raises:
        ConfigError: the array is compact, and the encoding is not CSR.
    """
    if encoding not in encodings_of(config):
        name = Encoding(encoding).name.lower() if encoding in ALL_ENCODINGS else f"number {encoding}"
        known = ", ".join(known.name.lower() for known in encodings_of(config))
        raise ConfigError(
            f"a compact array decodes {known} weight streams, not {name}: compile with --encoding {known}"
        )


@dataclass(frozen=True, eq=False)
class PreparedRows:
    """Rows whose encoding is decided, so that only their words have to be written.

    The compiler predicts cycles and sizes from prepared rows, and encodes only the rows of the plan that it chooses.

    Attributes:
        encoding: encoding of the stream.
        rows: the rows as the array sees them, with the fillers that `packed` needs for long gaps.
        layout: how their column numbers hold taps and channels.
        words: number of words that `encode` writes, with the header. For `packed`, it may be a few words too low.
        rice: the Rice parameter of `packed`; 0 for other encodings.
    """

    encoding: Encoding
    rows: SparseRows
    layout: ColumnLayout
    words: int
    rice: int = 0

    def encode(self) -> NDArray[np.uint32]:
        """The rows as words, the header first.

        Raises:
            ValueError: the encoding cannot write these rows.
        """
        if self.encoding is Encoding.PACKED:
            return packed.encode(self.rows, self.layout, self.rice)
        return _CODECS[self.encoding].encode(self.rows, self.layout)

    def encoded_words(self) -> int:
        """The number of words that `encode` writes, exactly.

        Raises:
            ValueError: the encoding cannot write these rows.
        """
        if self.encoding is Encoding.PACKED:
            return packed.encoded_words(self.rows, self.layout, self.rice)
        return self.words


def prepared(encoding: Encoding, rows: SparseRows, layout: ColumnLayout) -> PreparedRows:
    """Prepare rows for an encoding.

    Raises:
        ValueError: the encoding cannot write these rows.
    """
    if encoding is Encoding.PACKED:
        words, rice = packed.cheapest(rows, layout)
        return PreparedRows(encoding, packed.pad_gaps(rows, layout, rice), layout, words, rice)
    return PreparedRows(encoding, rows, layout, len(encode(encoding, rows, layout)))


def prepare(encoding: Encoding, rows: SparseRows, layout: ColumnLayout) -> SparseRows:
    """The rows of `prepared`: as the array sees them.

    Raises:
        ValueError: the encoding cannot write these rows.
    """
    return prepared(encoding, rows, layout).rows


def encode(encoding: Encoding, rows: SparseRows, layout: ColumnLayout) -> NDArray[np.uint32]:
    """Write rows as words, the header first.

    Raises:
        ValueError: the encoding cannot write these rows.
    """
    return _CODECS[encoding].encode(rows, layout)


def decode(
    encoding: Encoding, words: NDArray[np.uint32], layout: ColumnLayout, row_numbers: Sequence[int]
) -> SparseRows:
    """Read words that must be a stream of this encoding.

    Raises:
        StreamError: the words are not a legal stream of these rows.
    """
    return _CODECS[encoding].decode(words, layout, row_numbers)


def bits_per_nonzero(words: NDArray[np.uint32], nonzeros: int) -> float:
    """Bits per nonzero of a whole stream. Header and padding count as bits, fillers do not count as nonzeros.

    >>> bits_per_nonzero(np.zeros(5, np.uint32), nonzeros=10)
    16.0
    """
    return 32 * len(words) / nonzeros


def entropy_bound_bits(density: float) -> float:
    """Fewest bits per nonzero for random int8 values at random positions: 8 for the value, plus H(density) / density.

    >>> [round(entropy_bound_bits(density), 2) for density in (0.2, 0.1, 0.05)]
    [11.61, 12.69, 13.73]
    """
    entropy = -density * log2(density) - (1 - density) * log2(1 - density)
    return 8 + entropy / density
