"""The self-test of a board's external memory: data lines, address lines, and cells.

Everything goes over the link by WRITE and PEEK, so a serial line decides how long the test takes. Words far apart tell whether
each line of the memory works, and that takes no time. Therefore all lines are always tested, but all cells only on demand.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from openwork.host.board import Board, Progress
from openwork.host.checks import Check
from openwork_hw.arch.link import Identity

BLOCK_WORDS = 1024
"""Words of a block. Where a row has 256 words, a block is a row of each of four banks."""

BATCH_BLOCKS = 64
"""Blocks that are written between two reports of progress."""

SAMPLE_SECONDS = 10
"""About how long the test of sampled cells may take."""

LEAST_BLOCKS = 8
"""Blocks that are tested even if the line is slow."""

PASSES = 2
"""How often each cell is written and read: with a pattern, and with its complement."""

LINE_BITS = 10
"""Bits of a byte on a serial line: a start bit, eight bits of data, a stop bit."""

OVERHEAD = 1.05
"""Bytes on the line per byte of words: headers, check sums and stuffing."""

MIXER = 0x9E3779B1
"""An odd factor. Addresses times this factor differ in all words of a memory, and look random."""

ALL_ONES = 0xFFFFFFFF

MOST_BITS = 6
"""Most wrong bits that are named one by one."""


def word_seconds(baud: int) -> float:
    """Seconds that it takes to test the cells of a word."""
    return PASSES * 2 * 4 * LINE_BITS * OVERHEAD / baud


def sampled_words(identity: Identity, baud: int, *, everything: bool) -> int:
    """How many words the test of cells writes and reads."""
    if everything:
        return identity.memory_words
    blocks = max(LEAST_BLOCKS, int(SAMPLE_SECONDS / word_seconds(baud)) // BLOCK_WORDS)
    return min(blocks * BLOCK_WORDS, identity.memory_words)


def memory_plan(identity: Identity, baud: int, *, everything: bool) -> str:
    """What is tested and for how long, as a sentence for somebody who is about to wait."""
    words = sampled_words(identity, baud, everything=everything)
    size = f"{identity.memory_words / (1 << 18):,.3g} MiB of external memory"
    seconds = _duration(words * word_seconds(baud))
    if words == identity.memory_words:
        return f"Testing every word of the {size} over the line of {baud:,} baud takes about {seconds}."
    whole = _duration(identity.memory_words * word_seconds(baud))
    return (
        f"Testing all lines and {words:,} of {identity.memory_words:,} words of the {size} over the line of {baud:,} baud takes "
        f"about {seconds}; --all tests every word and takes about {whole}."
    )


def memory_checks(
    board: Board, rng: np.random.Generator, *, everything: bool, progress: Progress | None = None
) -> Iterator[Check]:
    """Test data lines, address lines and cells, up to the first part that fails. The former content of the memory is lost.

    Args:
        rng: chooses the pattern and the sample.
        everything: whether to test the cells of all words instead of a sample.
    """
    yield (data := _data_lines(board))
    if not data.passed:
        return
    yield (addresses := _address_lines(board, rng))
    if addresses.passed:
        yield _cells(board, rng, everything, progress or _nobody)


def _data_lines(board: Board) -> Check:
    """Walking ones and walking zeros."""
    ones = np.array([0, *(1 << bit for bit in range(32))], np.uint32)
    written = np.concatenate([ones, ~ones])
    read = np.zeros_like(written)
    for place in range(len(written)):  # always in word 0, so that no address line matters
        board.write([(0, written[place : place + 1])])
        read[place] = board.peek(0, 1)[0]
    wrong = int(np.bitwise_or.reduce(read ^ written))
    if not wrong:
        return Check("data lines", True, "each of 32 bits as 0 and 1")
    always = {
        0: wrong & ~int(np.bitwise_or.reduce(read)),
        1: wrong & int(np.bitwise_and.reduce(read)),
    }
    found = [
        f"{_bits(bits)} always {'read' if bits & (bits - 1) else 'reads'} {value}"
        for value, bits in always.items()
        if bits
    ]
    other = wrong & ~always[0] & ~always[1]
    if other:
        found.append(f"{_bits(other)} {'depend' if other & (other - 1) else 'depends'} on other bits")
    return Check("data lines", False, ", ".join(found))


def _address_lines(board: Board, rng: np.random.Generator) -> Check:
    """Words whose addresses differ in one bit from the first word's or from the last word's."""
    words = board.identity.memory_words
    bits = range((words - 1).bit_length())
    last = words - 1
    wanted = dict.fromkeys([0, *(1 << bit for bit in bits), last, *(last ^ 1 << bit for bit in bits)])
    addresses = [address for address in wanted if address < words]
    key = _key(rng)
    written = _pattern(np.array(addresses), key)
    board.write([(address, written[place : place + 1]) for place, address in enumerate(addresses)])
    read = np.concatenate([board.peek(address, 1) for address in addresses])
    owner = {int(value): address for address, value in zip(addresses, written.tolist(), strict=True)}
    for address, value, found in zip(addresses, written.tolist(), read.tolist(), strict=True):
        if found == value:
            continue
        other = owner.get(found)
        if other is None:
            return Check("address lines", False, f"{_at(address)} {_difference(value, found)}")
        return Check(
            "address lines",
            False,
            f"words {address:#x} and {other:#x} are one cell: {_bits(address ^ other, 'address bit')} of the word address "
            f"{'have' if (address ^ other) & ((address ^ other) - 1) else 'has'} no effect",
        )
    return Check("address lines", True, f"each of {len(bits)} bits of the word address")


def _cells(board: Board, rng: np.random.Generator, everything: bool, progress: Progress) -> Check:
    """Each word is written with a pattern of its own address, and then with the complement. All are written before any is read."""
    words = board.identity.memory_words
    count = sampled_words(board.identity, board.baud, everything=everything)
    starts = _block_starts(words, count, rng)
    key = _key(rng)
    total, done = 2 * PASSES * len(starts), 0
    wrong, bits, first = 0, 0, ""
    for complement in (0, ALL_ONES):
        for place in range(0, len(starts), BATCH_BLOCKS):
            batch = starts[place : place + BATCH_BLOCKS]
            progress(done, total, "writing the memory")
            board.write([(start, _pattern(_block(start, words), key ^ complement)) for start in batch])
            done += len(batch)
        for start in starts:
            progress(done, total, "reading the memory")
            addresses = _block(start, words)
            expected = _pattern(addresses, key ^ complement)
            read = board.peek(start, len(addresses))
            done += 1
            places = np.flatnonzero(read != expected)
            if len(places) and not wrong:
                place = int(places[0])
                first = f"{_at(start + place)} {_difference(int(expected[place]), int(read[place]))}"
            wrong += len(places)
            bits |= int(np.bitwise_or.reduce(read ^ expected))
    tested = sum(len(_block(start, words)) for start in starts)
    if not wrong:
        return Check("cells", True, f"{tested:,} of {words:,} words, each bit as 0 and 1")
    return Check(
        "cells",
        False,
        f"{wrong:,} of {PASSES * tested:,} words are wrong, in {_bits(bits)}; the first: {first}",
    )


def _block_starts(words: int, count: int, rng: np.random.Generator) -> list[int]:
    """First words of the blocks to test: the first block, the last one, and others at random, in order of their addresses."""
    blocks = -(-words // BLOCK_WORDS)
    wanted = min(-(-count // BLOCK_WORDS), blocks)
    chosen = {0, blocks - 1}
    if wanted > len(chosen):
        chosen |= set((1 + rng.choice(blocks - 2, wanted - len(chosen), replace=False)).tolist())
    return [BLOCK_WORDS * block for block in sorted(chosen)]


def _block(start: int, words: int) -> NDArray[np.int64]:
    """The word addresses of a block."""
    return np.arange(start, min(start + BLOCK_WORDS, words))


def _key(rng: np.random.Generator) -> int:
    return int(rng.integers(1 << 32))


def _pattern(addresses: NDArray[np.int64], key: int) -> NDArray[np.uint32]:
    """A word for each address. No two are equal."""
    return ((addresses.astype(np.uint64) * MIXER & ALL_ONES) ^ key).astype(np.uint32)


def _at(address: int) -> str:
    return f"word {address:#x}"


def _difference(written: int, read: int) -> str:
    """What is wrong with a word: which bits."""
    return f"reads {read:#010x} instead of {written:#010x}, which differs in {_bits(written ^ read)}"


def _bits(mask: int, name: str = "bit") -> str:
    """The numbers of the bits of a mask.

    >>> _bits(0b100), _bits(0b101), _bits(0xFFFF)
    ('bit 2', 'bits 0 and 2', '16 bits')
    """
    numbers = [str(bit) for bit in range(mask.bit_length()) if mask >> bit & 1]
    if len(numbers) > MOST_BITS:
        return f"{len(numbers)} {name}s"
    if len(numbers) == 1:
        return f"{name} {numbers[0]}"
    return f"{name}s {', '.join(numbers[:-1])} and {numbers[-1]}"


def _duration(seconds: float) -> str:
    """A time as people say it.

    >>> _duration(9.6), _duration(470)
    ('10 seconds', '8 minutes')
    """
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def _nobody(_done: int, _total: int, _what: str) -> None:
    pass
