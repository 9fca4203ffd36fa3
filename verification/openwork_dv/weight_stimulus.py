"""Random weight streams: rows of any density, and what can happen to words on their way."""

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.nonzeros import ColumnLayout, SparseRows


def random_rows(
    generator: np.random.Generator, layout: ColumnLayout, rows: int, density: float, *, first_row: int = 0
) -> SparseRows:
    """Rows with random legal columns; a row without any gets a padding nonzero of value 0 in column 0."""
    legal = (np.arange(layout.columns) & ((1 << layout.channel_bits) - 1)) < layout.channels
    mask: NDArray[np.bool_] = np.logical_and(generator.random((rows, layout.columns)) < density, legal)
    empty = np.logical_not(np.any(mask, axis=1))
    mask[empty, 0] = True
    row_of, columns = np.nonzero(mask)
    values = generator.integers(-128, 128, len(columns)).astype(np.int8)
    values[empty[row_of]] = 0
    return SparseRows(
        rows=first_row + generator.permutation(rows), lengths=mask.sum(axis=1), columns=columns, values=values
    )


def corrupt(generator: np.random.Generator, words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Flip bits, cut, drop, repeat or replace words; at least one word is left."""
    words = words.copy()
    at = int(generator.integers(len(words)))
    match int(generator.integers(6)):
        case 0:
            words[at] ^= np.uint32(1 << int(generator.integers(32)))
        case 1:
            return words[: at + 1]
        case 2:
            return np.delete(words, at) if len(words) > 1 else words
        case 3:
            return np.insert(words, at, words[at])
        case 4:
            return np.append(words, np.uint32(generator.integers(1 << 32) if generator.random() < 0.5 else 0))
        case _:
            words[at] = generator.choice(np.array([0, 0xFFFFFFFF, generator.integers(1 << 32)], dtype=np.uint32))
    return words


def assert_equal_rows(left: SparseRows, right: SparseRows) -> None:
    """Two sets of rows hold the same nonzeros in the same order."""
    for name in ("rows", "lengths", "columns", "values"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
