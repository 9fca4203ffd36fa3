"""The linear image: an image in the order in which the array reads it, for boards that read it from flash.

An image names its weight streams and row records by address. It holds each of them once, and several readers fetch them side
by side. This needs a memory with random access, and gateware for each reader. A linear image is for a memory that gives one
word after the other: it has no addresses and needs only one reader. It holds a stream once per pass that uses the stream.

    word                    holds
    0                       MAGIC
    1                       VERSION
    2                       fingerprint of the array's configuration
    3                       words of the whole linear image
    4                       check sum of the image that it was made of: its last word
    5                       commands of the program
    6, 7                    bytes that LOAD commands take, bytes that STORE commands give
    8 ..                    the program
    last                    check sum of all words before it

The program is a sequence of instructions. An instruction begins with the words of its command, as in an image. A TABLE is
followed by the words of its activation table, as in an image, too. After a RUN follow

    the entries of the tap table, one word per entry
    the number of row records, then two words per record
    the number of words of the weight stream, at least one, then these words

A flash memory gives the highest bit of a word first. The check sum is therefore the CRC-32 in that order (CRC-32/BZIP2 in the
catalogues), over the bytes of each word from the highest on. A file holds the words in the same order: big endian.
"""

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.commands import TableCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.disassembly import disassemble
from openwork_hw.arch.image import (
    COMMAND_WORDS,
    HEADER_WORDS,
    CommandOp,
    ImageError,
    command_fields,
    encode_fields,
    encode_record,
    encode_table,
    encode_tap,
)

MAGIC = 0x4F574C31
"""'OWL1', the highest byte first."""

VERSION = 1
"""Version of the format of linear images."""

MOST_RECORDS = 1024
"""Most row records per pass. The records come before the weights of the pass, and wait in a block memory."""

_REVERSED = np.array([int(f"{byte:08b}"[::-1], 2) for byte in range(256)], np.uint8)


def check_sum(words: NDArray[np.uint32]) -> int:
    """The CRC-32 of words, with the highest bit of each word first.

    >>> hex(check_sum(np.frombuffer(b"12345678", ">u4")))
    '0xb61c3d04'
    """
    content = np.frombuffer(words.astype(">u4").tobytes(), np.uint8)
    return int(f"{crc32(_REVERSED[content].tobytes()):032b}"[::-1], 2)


def linear_words(words: NDArray[np.uint32], config: ArrayConfig) -> NDArray[np.uint32]:
    """The linear image of an image.

    Args:
        words: uint32 [words], the image.
        config: the array of the image, with one feeder.

    Raises:
        ImageError: the words are not an image for this array, the array has several feeders, or a pass has too many rows.
    """
    if len(config.feeders) != 1:
        raise ImageError(f"a linear image is for an array with one weight stream, not {len(config.feeders)}")
    program: list[NDArray[np.uint32]] = []
    for number, instruction in enumerate(disassemble(words, config)):
        if getattr(instruction.command, "pieces", ()) or instruction.waits:
            raise ImageError(f"command {number} of the image is for an external memory, and a linear image has none")
        command = encode_fields(command_fields(instruction.command, config))
        program.append(np.array([*command, *(encode_tap(entry) for entry in instruction.taps)], np.uint32))
        if isinstance(instruction.command, TableCommand):
            program.append(np.array(encode_table(instruction.command.values), np.uint32))
        for feeder in instruction.feeders:
            if len(feeder.records) > MOST_RECORDS:
                raise ImageError(
                    f"command {number} of the image has {len(feeder.records):,} rows, and a linear image at most {MOST_RECORDS:,} "
                    "in a command"
                )
            records = [word for record in feeder.records for word in encode_record(record)]
            program.append(np.array([len(feeder.records), *records, len(feeder.words)], np.uint32))
            program.append(feeder.words)
    program.append(np.array(encode_fields({"op": CommandOp.END}), np.uint32))
    total = HEADER_WORDS + sum(len(part) for part in program) + 1
    header = [MAGIC, VERSION, config.fingerprint, total, words[-1], words[5], words[6], words[7]]
    linear = np.concatenate([np.array(header, np.uint32), *program])
    return np.append(linear, np.uint32(check_sum(linear)))


def check_linear_words(words: NDArray[np.uint32], config: ArrayConfig) -> None:
    """Check what the gateware checks before it runs a linear image, in the same order.

    Raises:
        ImageError: a rule is broken. The message says which.
    """
    if len(words) < HEADER_WORDS + COMMAND_WORDS + 1 or words[0] != MAGIC:
        raise ImageError("these words are not a linear image: they do not begin as one")
    if words[1] != VERSION:
        raise ImageError(f"the linear image is of version {words[1]}, and this program writes version {VERSION}")
    if words[2] != config.fingerprint:
        raise ImageError("the linear image was made for another array")
    if words[3] != len(words):
        raise ImageError(f"the linear image says it has {words[3]} words, and there are {len(words)}")
    if words[-1] != check_sum(words[:-1]):
        raise ImageError("the linear image is damaged: its check sum is wrong")
