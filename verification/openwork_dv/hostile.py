"""Images that say something wrong under a check sum that is right: for the tests of what reads and runs them."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from zlib import crc32

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from openwork.image import Image
from openwork_hw.arch.commands import RunCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import COMMAND_FIELDS, COMMAND_WORDS, FEEDER_WORDS, HEADER_WORDS, PIECE_WORDS, RECORD_WORDS


class Part(StrEnum):
    """What a word of an image belongs to."""

    HEADER = "header"
    STREAM = "stream"
    RECORD = "record"
    COMMAND = "command"
    FEEDER = "feeder"
    TAP = "tap"
    PIECE = "piece"


MEANT_HEADER_WORDS = range(4, HEADER_WORDS)
"""Of the header, what the gateware's check does not compare with what it knows."""


@dataclass(frozen=True)
class Anatomy:
    """Where the words of an image are, by what they belong to."""

    places: dict[Part, tuple[int, ...]]

    @classmethod
    def of(cls, image: Image) -> "Anatomy":
        """The places of an image that is right."""
        places: dict[Part, list[int]] = {part: [] for part in Part}
        places[Part.HEADER] += MEANT_HEADER_WORDS
        records: set[int] = set()
        at = int(image.words[4])
        for instruction in image.instructions:
            places[Part.COMMAND] += range(at, at + COMMAND_WORDS)
            at += COMMAND_WORDS
            if pieces := getattr(instruction.command, "pieces", ()):
                places[Part.PIECE] += range(at, at + 1 + PIECE_WORDS * len(pieces))
                at += 1 + PIECE_WORDS * len(pieces)
            if isinstance(instruction.command, RunCommand):
                size = FEEDER_WORDS * len(image.config.feeders)
                places[Part.FEEDER] += range(at, at + size)
                for _, _, address, count in image.words[at : at + size].reshape(-1, FEEDER_WORDS).tolist():
                    records |= {*range(address, address + RECORD_WORDS * count)}
                at += size
                places[Part.TAP] += range(at, at + len(instruction.taps))
                at += len(instruction.taps)
        places[Part.COMMAND] += range(at, at + COMMAND_WORDS)
        places[Part.RECORD] += sorted(records)
        places[Part.STREAM] += sorted({*range(HEADER_WORDS, int(image.words[4]))} - records)
        return cls({part: tuple(found) for part, found in places.items() if found})


def sealed(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The same words under the check sum that fits them."""
    result = words.copy()
    result[-1] = crc32(result[:-1].astype("<u4").tobytes())
    return result


def hostile_words(rng: Generator, words: NDArray[np.uint32], anatomy: Anatomy) -> tuple[Part, NDArray[np.uint32]]:
    """The words of an image with one to three changes in one of its parts, and the part.

    A change is a flipped bit, a field of a command, a small difference, another word of the same part, or any word.
    """
    parts = list(anatomy.places)
    part = parts[int(rng.integers(len(parts)))]
    places = anatomy.places[part]
    changed = words.copy()
    for _ in range(int(rng.integers(1, 4))):
        place = places[int(rng.integers(len(places)))]
        match rng.integers(5):
            case 0 | 1:
                changed[place] ^= np.uint32(1 << int(rng.integers(32)))
            case 2:
                difference = int(rng.choice([-1, 1, -2, 2, 7]))
                changed[place] = (int(changed[place]) + difference) % (1 << 32)
            case 3:
                changed[place] = changed[places[int(rng.integers(len(places)))]]
            case 4:
                changed[place] = rng.choice([0, 1, 0xFFFFFFFF, int(rng.integers(1 << 32))])
    if part is Part.COMMAND and rng.integers(2):
        changed = with_field(rng, words, places)
    return part, sealed(changed)


def with_field(rng: Generator, words: NDArray[np.uint32], places: tuple[int, ...]) -> NDArray[np.uint32]:
    """The words of an image with another value in one field of one command."""
    start = places[COMMAND_WORDS * int(rng.integers(len(places) // COMMAND_WORDS))]
    bits = int.from_bytes(words[start : start + COMMAND_WORDS].astype("<u4").tobytes(), "little")
    offset, width = list(_field_bits())[int(rng.integers(len(COMMAND_FIELDS)))]
    value = bits >> offset & (1 << width) - 1
    other = int(
        rng.choice([value ^ 1, value + 1, max(value - 1, 0), 0, (1 << width) - 1, int(rng.integers(1 << width))])
    )
    bits ^= (value ^ other & (1 << width) - 1) << offset
    changed = words.copy()
    changed[start : start + COMMAND_WORDS] = np.frombuffer(bits.to_bytes(4 * COMMAND_WORDS, "little"), "<u4")
    return changed


def _field_bits() -> Iterator[tuple[int, int]]:
    offset = 0
    for _, width in COMMAND_FIELDS:
        yield offset, width
        offset += width


def watchdog_bits(config: ArrayConfig) -> int:
    """The shortest watchdog, as a power of two of cycles, that lets every legal command end: for simulations."""
    replays = config.tap_entries * max(config.row_buffer_nonzeros, config.row_spacing)
    moves = config.feature_words * (1 + config.lanes * config.lanes)
    return (replays + moves).bit_length()
