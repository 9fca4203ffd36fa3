"""What lies where in a scratchpad, and when: the transfers of a program, command by command."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.commands import StoreCommand
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.image import CommandOp, ImageError, Instruction, encode_fields, encode_instruction
from openwork_hw.arch.transfers import MOST_PIECES, STORE_BIT, Transfer, TransferKind

PROGRAM_SHARE = 8
"""The words of one PROGRAM transfer with several commands are at most the scratchpad's words divided by this."""

WAITING_SHARE = 2
"""The words that several commands of a PROGRAM transfer use are at most the scratchpad's words divided by this."""


@dataclass
class _Block:
    """Words that lie in the scratchpad.

    Attributes:
        key: its words as bytes; empty for commands.
        address, end: its first word, and the word behind it.
        user: number of the latest command that uses it.
    """

    key: bytes
    address: int
    end: int
    user: int


class ScratchpadPlanner:
    """Decides what lies where in the scratchpad and when, command by command.

    Blocks are placed one behind the other, round and round, so the oldest block is overwritten first. What the next commands use is
    fetched while earlier ones run, as far as room has become free.
    """

    def __init__(self, config: ArrayConfig, words: int) -> None:
        self._config = config
        self._words = words
        self._blocks: list[_Block] = []
        self._next = 0  # where the next block goes
        self._after = 0  # commands that the latest transfer waits for
        self._transfers: list[Transfer] = []
        self._program: list[int] = []  # of commands that no transfer carries yet
        self._pieces: list[tuple[int, int]] = []  # of those commands
        self._first = 0  # number of the first of those commands
        self.commands = 0

    def add(self, instruction: Instruction) -> None:
        """The next command of the program."""
        arrays = [array for feeder in instruction.feeders for array in (feeder.words, feeder.record_words)]
        wanted = {array.tobytes(): array for array in arrays}
        used = {block.key: block.end - block.address for block in self._blocks if block.user >= self._first}
        used.update((key, len(array)) for key, array in wanted.items())
        # Of the commands that wait for a transfer, all words are there: with too many of them, none could be fetched beside.
        if wanted.keys() - {block.key for block in self._blocks} or sum(used.values()) > self._words // WAITING_SHARE:
            self._send_program()
        places = self._fetch(wanted)
        words = encode_instruction(instruction, self._config, lambda array: places[array.tobytes()], pieces=False)
        if self._program and len(self._program) + len(words) > self._words // PROGRAM_SHARE:
            self._send_program()
        self._program += words
        store = STORE_BIT if isinstance(instruction.command, StoreCommand) else 0
        self._pieces += [(piece.address | store, piece.bytes) for piece in getattr(instruction.command, "pieces", ())]
        self.commands += 1

    def finish(self) -> Sequence[Transfer]:
        """All transfers but END, when the last command has been added."""
        self._program += encode_fields({"op": CommandOp.END})
        self._send_program()
        return self._transfers

    def _fetch(self, wanted: dict[bytes, NDArray[np.uint32]]) -> dict[bytes, int]:
        """Make blocks lie in the scratchpad for the next command; the address of each."""
        here = {block.key: block for block in self._blocks if block.key in wanted}
        for block in here.values():
            block.user = self.commands
        for key, array in wanted.items():
            if key not in here:
                here[key] = self._place(TransferKind.DATA, key, array, self.commands)
        return {key: block.address for key, block in here.items()}

    def _send_program(self) -> None:
        if self._program:
            self._place(TransferKind.PROGRAM, b"", np.array(self._program, np.uint32), max(self.commands - 1, 0))
            self._program = []
        while self._pieces:
            now, self._pieces = self._pieces[:MOST_PIECES], self._pieces[MOST_PIECES:]
            words = np.array(now, np.uint32).reshape(-1)
            self._transfers.append(Transfer(TransferKind.MAPS, self._after, 0, words))
        self._first = self.commands

    def _place(self, kind: TransferKind, key: bytes, words: NDArray[np.uint32], user: int) -> _Block:
        """Overwrite the oldest blocks that no command needs that waits for its own transfer."""
        start, rounds = self._next, 0
        while True:
            end = start + len(words)
            if end > self._words:
                start, rounds = 0, rounds + 1
                if rounds == 2:
                    raise ImageError(self._too_much())
                continue
            hit = [block for block in self._blocks if block.address < end and start < block.end]
            needed = [block.end for block in hit if block.user >= self._first]
            if not needed:
                break
            start = max(needed)
        # A part of a block that went earlier may have been left over: it is free when that block's own place was.
        self._after = max([self._after, *(block.user + 1 for block in hit)])
        self._transfers.append(Transfer(kind, self._after, start, words))
        block = _Block(key, start, end, user)
        self._blocks = [*(one for one in self._blocks if one not in hit), block]
        self._next = end
        return block

    def _too_much(self) -> str:
        need = sum(block.end - block.address for block in self._blocks if block.user >= self._first)
        return (
            f"command {self.commands} of the image uses more than the {self._words:,} words of the scratchpad at once "
            f"({need:,} are there already): compile the model for the board, which cuts its layers into smaller passes"
        )
