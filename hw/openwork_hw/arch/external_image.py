"""The external image: an image in an external memory, cut into the order in which an array fetches it.

A board holds in its external memory (an SDRAM) far larger images than in the memories of its chip. The image memory on the
chip is then a *scratchpad*: it holds at any time the weight streams, row records and commands that the array is about to use. An
external image is one sequence of *transfers*, and the array reads it from front to back, without a jump. A transfer carries
its own words, and says where in the scratchpad they go.

    word                    holds
    0                       MAGIC
    1                       VERSION
    2                       fingerprint of the array's configuration
    3                       words of the whole external image
    4                       words of the scratchpad that it is made for
    5                       commands of the program
    6, 7                    bytes that LOAD commands take, bytes that STORE commands give
    8                       CRC-32 (zlib's) of the words before it, little endian
    9 ..                    transfers

A transfer is

    two words               kind, after, address and count: `TRANSFER_FIELDS`
    count words             what it carries
    one word                CRC-32 of the words of the transfer before it, little endian

DATA words (weight streams, row records) and PROGRAM words go to the scratchpad, from `address` on. PROGRAM words are whole
instructions, as in an image (`arch.image`); what they name by address lies in the scratchpad. The last PROGRAM words end with an
END command. MAPS words are the pieces of the external memory that LOAD and STORE commands are for, in the order of the commands:
two words per piece, first its byte address, with STORE_BIT if the piece is stored, then its bytes. Maps lie behind the words of
the image. The END transfer comes last; it carries the check sum of the image that the external image was made of.

Three rules order transfers and commands, and no other synchronization is needed:

    A command follows what it uses. The words that a command names are in transfers before the PROGRAM transfer that holds the
    command, so it cannot be read before they are there.
    A transfer waits for the commands whose words it overwrites. It is begun when `after` commands of the program have been
    reported.
    A command that `waits` begins when all pieces of the LOAD and STORE commands before it have been moved. Those are reported as
    soon as they are handed over, and move their pieces one after the other, beside the commands that follow.

No order of events makes such a sequence wait for ever if every `after` counts only commands of earlier transfers, and only commands
that need no piece of later transfers. `read_external_words` verifies that and the first two rules, and reads the program back. The
simulator finds commands that use words of a map while it is moved.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.commands import Piece, StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.disassembly import InstructionReader, check_maps, check_table_order, check_totals, disassemble
from openwork_hw.arch.image import ImageError, Instruction
from openwork_hw.arch.layouts import unpack
from openwork_hw.arch.scratchpad import ScratchpadPlanner
from openwork_hw.arch.timing import MAP_ORDERS
from openwork_hw.arch.transfers import (
    MOST_SCRATCHPAD_WORDS,
    PROGRAMS_AHEAD,
    STORE_BIT,
    TRANSFER_FIELDS,
    TRANSFER_WORDS,
    Transfer,
    TransferKind,
    check_sum,
)

MAGIC = 0x3158574F
"""'OWX1', little endian."""

VERSION = 1
HEADER_WORDS = 9

MAP_ALIGNMENT = 64
"""Words: maps begin at the first multiple of them behind the image."""


def external_words(words: NDArray[np.uint32], config: ArrayConfig, scratchpad_words: int) -> NDArray[np.uint32]:
    """The external image of an image.

    Args:
        words: uint32 [words], the image.
        config: the array of the image.
        scratchpad_words: words of the memory on the chip.

    Raises:
        ImageError: the words are not an image for this array, or one command uses more words than the scratchpad holds.
    """
    if not 0 < scratchpad_words <= MOST_SCRATCHPAD_WORDS:
        raise ImageError(f"a scratchpad has 1 to {MOST_SCRATCHPAD_WORDS:,} words, not {scratchpad_words:,}")
    planner = ScratchpadPlanner(config, scratchpad_words)
    for instruction in disassemble(words, config):
        planner.add(instruction)
    transfers = planner.finish()
    end = Transfer(TransferKind.END, 0, 0, words[-1:])
    total = HEADER_WORDS + sum(len(one.words) + TRANSFER_WORDS + 1 for one in (*transfers, end))
    first = 4 * first_map_word(total)
    body = np.concatenate([_moved(transfer, first).encode() for transfer in (*transfers, end)])
    header = [MAGIC, VERSION, config.fingerprint, total, scratchpad_words, *words[5:8].tolist()]
    head = np.array(header, np.uint32)
    return np.concatenate([head, np.array([check_sum(head)], np.uint32), body])


def first_map_word(words: int) -> int:
    """The word of the external memory at which the maps begin, behind an image of so many words."""
    return -(-words // MAP_ALIGNMENT) * MAP_ALIGNMENT


def map_words(words: NDArray[np.uint32], config: ArrayConfig) -> int:
    """Words of an external memory that the maps of an image take."""
    pieces = [piece for one in disassemble(words, config) for piece in getattr(one.command, "pieces", ())]
    return -(-max((piece.address + piece.bytes for piece in pieces), default=0) // 4)


def _moved(transfer: Transfer, first: int) -> Transfer:
    """The transfer with the addresses of its pieces counted from the begin of the memory, and not from byte `first` on."""
    if transfer.kind is not TransferKind.MAPS:
        return transfer
    words = transfer.words.copy()
    words[::2] += np.uint32(first)
    return replace(transfer, words=words)


def check_external_words(words: NDArray[np.uint32], config: ArrayConfig, scratchpad_words: int) -> list[Transfer]:
    """Check what the gateware checks before it runs an external image, in the same order. Returns the transfers.

    Raises:
        ImageError: a rule is broken. The message says which.
    """
    if len(words) < HEADER_WORDS or words[0] != MAGIC:
        raise ImageError("these words are not an external image: they do not begin as one")
    if words[1] != VERSION:
        raise ImageError(f"the external image is of version {words[1]}, and this program reads version {VERSION}")
    if words[2] != config.fingerprint:
        raise ImageError("the external image was made for another array")
    if words[4] > scratchpad_words:
        raise ImageError(
            f"the external image was made for a scratchpad of {words[4]:,} words, and there are {scratchpad_words:,}"
        )
    if words[8] != check_sum(words[:8]):
        raise ImageError("the header of the external image is damaged: its check sum is wrong")
    transfers: list[Transfer] = []
    at = HEADER_WORDS
    while not transfers or transfers[-1].kind is not TransferKind.END:
        number = len(transfers)
        if at + TRANSFER_WORDS > len(words):
            raise ImageError(f"the external image ends before its transfer {number}: it is not complete")
        fields = unpack(TRANSFER_FIELDS, int(words[at]) | int(words[at + 1]) << 32)
        end = at + TRANSFER_WORDS + fields["count"]
        if end >= len(words):
            raise ImageError(f"the external image ends inside its transfer {number}: it is not complete")
        if words[end] != check_sum(words[at:end]):
            raise ImageError(f"transfer {number} of the external image is damaged: its check sum is wrong")
        if not fields["kind"] or not fields["count"]:
            raise ImageError(f"transfer {number} of the external image carries nothing")
        content = words[at + TRANSFER_WORDS : end]
        transfers.append(Transfer(TransferKind(fields["kind"]), fields["after"], fields["address"], content))
        at = end + 1
    if not at == len(words) == words[3]:
        raise ImageError(
            f"the external image says it has {words[3]} words, its transfers have {at}, and there are {len(words)}"
        )
    return transfers


def read_external_words(
    words: NDArray[np.uint32], config: ArrayConfig, scratchpad_words: int
) -> tuple[Instruction, ...]:
    """The instructions of an external image, each verified, as the array finds them in its scratchpad. Undoes `external_words`.

    Raises:
        ImageError: the words are not an external image for this array, a transfer overwrites words that are still needed or waits
            for a command that comes later, or a command breaks a rule. The message names it.
    """
    transfers = check_external_words(words, config, scratchpad_words)
    size = int(words[4])
    scratchpad = np.zeros(size, np.uint32)
    written = np.zeros(size, bool)
    needed = np.zeros(size, np.int64)  # until so many commands have been reported
    instructions: list[Instruction] = []
    maps = _Pieces(transfers, len(words))
    ended = False
    programs: list[int] = []  # commands that have come with each PROGRAM transfer and those before it
    for number, transfer in enumerate(transfers[:-1]):
        if transfer.kind is TransferKind.END or ended:
            raise ImageError(f"transfer {number} of the external image comes after the end of the program")
        if transfer.after > len(instructions):
            raise ImageError(
                f"transfer {number} of the external image waits for {transfer.after} commands, and {len(instructions)} come before"
            )
        needs_room = transfer.kind is TransferKind.PROGRAM and len(programs) >= PROGRAMS_AHEAD
        maps.check_told(number, max(transfer.after, programs[-PROGRAMS_AHEAD] if needs_room else 0))
        if transfer.kind is TransferKind.MAPS:
            maps.told(number, transfer)
            continue
        place = slice(transfer.address, transfer.address + len(transfer.words))
        if place.stop > size:
            raise ImageError(
                f"transfer {number} of the external image reaches word {place.stop - 1} of a scratchpad of {size}"
            )
        if (needed[place] > transfer.after).any():
            raise ImageError(f"transfer {number} of the external image overwrites words that a command still needs")
        scratchpad[place], written[place] = transfer.words, True
        if transfer.kind is not TransferKind.PROGRAM:
            continue
        named: list[slice] = []

        def data(address: int, count: int, what: str, named: list[slice] = named) -> NDArray[np.uint32]:
            part = slice(address, address + count)
            if part.stop > size or not written[part].all():
                raise ImageError(
                    f"{what} are said to be words {address} to {part.stop - 1}, and no transfer brings them"
                )
            named.append(part)
            return scratchpad[part].copy()

        reader = InstructionReader(transfer.words, config, data, pieces=maps.take)
        while reader.at < len(transfer.words) and not ended:
            ended = reader.ends()
            if not ended:
                named.clear()
                instructions.append(reader.instruction(len(instructions)))
                maps.check(len(instructions) - 1, instructions[-1])
                for part in named:
                    needed[part] = len(instructions)
        needed[place] = len(instructions)
        programs.append(len(instructions))
    if not ended or len(instructions) != words[5]:
        raise ImageError(
            f"the program of the external image has {len(instructions)} commands, and its header says {words[5]}"
        )
    if transfers[-1].after > len(instructions):
        raise ImageError(
            f"the end of the external image waits for {transfers[-1].after} commands, and {len(instructions)} come before"
        )
    maps.finish()
    check_totals(instructions, config, (int(words[6]), int(words[7])))
    check_maps(instructions)
    check_table_order(instructions)
    return tuple(instructions)


class _Pieces:
    """The pieces of all MAPS transfers, one after the other, as the commands take them."""

    def __init__(self, transfers: Sequence[Transfer], words: int) -> None:
        """`words`: of the external image, behind which the maps lie."""
        first = 4 * first_map_word(words)
        carried = [one.words for one in transfers if one.kind is TransferKind.MAPS]
        if any(len(one) % 2 for one in carried):
            raise ImageError("a MAPS transfer of the external image ends inside a piece")
        pairs = np.concatenate([np.zeros(0, np.uint32), *carried]).reshape(-1, 2).tolist()
        self._left = deque(
            (Piece((address & ~STORE_BIT) - first, count), bool(address & STORE_BIT)) for address, count in pairs
        )
        self._stores: list[bool] = []  # of the pieces of the command at hand
        self._taken = self._told = 0
        self._orders: list[int] = []  # for each command that moves pieces, how many it and those before it move
        self._needs: list[int] = []  # for each command, how many must have come before it can be reported

    def take(self, size: int) -> tuple[Piece, ...]:
        """The next pieces, so many bytes of them."""
        found: list[Piece] = []
        while self._left and sum(piece.bytes for piece in found) < size:
            piece, store = self._left.popleft()
            found.append(piece)
            self._stores.append(store)
        self._taken += len(found)
        return tuple(found)

    def check(self, number: int, instruction: Instruction) -> None:
        """Refuse pieces that are loaded for a STORE, or stored for a LOAD. The command is the next one."""
        if any(store != isinstance(instruction.command, StoreCommand) for store in self._stores):
            raise ImageError(f"command {number} of the image and its pieces of the external memory go different ways")
        need = self._needs[-1] if self._needs else 0
        if instruction.waits_for_maps and self._orders:
            need = self._orders[-1]
        if self._stores:
            self._orders.append(self._taken)
            need = max(need, *self._orders[-1 - MAP_ORDERS : -MAP_ORDERS], 0)
        self._needs.append(need)
        self._stores.clear()

    def check_told(self, number: int, commands: int) -> None:
        """Refuse a transfer that comes when so many commands have been reported, if these need pieces of later transfers."""
        if commands and self._told < self._needs[commands - 1]:
            raise ImageError(
                f"transfer {number} of the external image waits for {commands} commands, which wait for pieces of later transfers"
            )

    def told(self, number: int, transfer: Transfer) -> None:
        """A MAPS transfer comes: the commands that its pieces are for have come before it."""
        self._told += len(transfer.words) // 2
        if self._told > self._taken:
            raise ImageError(f"transfer {number} of the external image has pieces of maps for commands that come later")

    def finish(self) -> None:
        """All transfers have come."""
        if self._left or self._told != self._taken:
            raise ImageError("the MAPS transfers of the external image are not those of its commands")
