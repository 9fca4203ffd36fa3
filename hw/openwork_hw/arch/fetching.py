"""When an array that fetches its image out of an SDRAM carries out which command.

The model follows the words of an external image one by one: out of the SDRAM (`arch.sdram.WordSchedule`), through the fetcher,
and, where they are commands, to the array. It knows nothing of the words' meaning but what the transfers say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.external_image import HEADER_WORDS
from openwork_hw.arch.image import COMMAND_WORDS, FEEDER_WORDS, RECORD_WORDS, TABLE_WORDS, CommandOp, decode_fields
from openwork_hw.arch.sdram import SdramConfig, WordSchedule
from openwork_hw.arch.timing import BETWEEN_CYCLES, FEEDER_CYCLES, READ_CYCLES, MapTimes, map_cycles
from openwork_hw.arch.transfers import TRANSFER_WORDS, Transfer, TransferKind

START_CYCLES = 6
"""From the request to run to the start of the fetcher."""

WAY_CYCLES = 1
"""From the queue of the external memory to the fetcher."""

JUDGE_CYCLES = 1
"""From the word that holds a check sum to the announcement, or to the end of the header."""

NEXT_CYCLES = 2
"""From there to the first cycle in which a word of the next transfer can be taken."""

SETTLE_CYCLES = 3
"""From the second word of a transfer to the first cycle in which what it carries can be taken; likewise from a report that a
transfer waited for."""

ANNOUNCED_CYCLES = 14
"""From an announcement to the cycle in which the first word of that part of the program can be taken."""

PRIMED_CYCLES = 1
"""From the cycle in which all readers hold their first words to the cycle in which a command is offered."""

PRIME_WORDS = (10, 20)
"""Words that are asked for before a RUN begins, of its weight stream and of its row records, at most."""

GIVEN_CYCLES = 3
"""From the cycle in which a reader of words is told its region to the request for the first word. Records come a cycle later."""

WORD_CYCLES = 19
"""From the request for a word to the cycle in which the reader holds it."""


@dataclass(frozen=True)
class FetchedRun:
    """What a run out of an SDRAM takes.

    Attributes:
        cycles: from the request to its answer.
        waits: for each command, the cycles for which the array had nothing to do before it.
        fetched: the cycle in which the last word had come.
        starts: for each command, the cycle in which it starts, counted from the request.
        maps: of each LOAD and STORE of an external memory, its number, and the cycles in which it begins and is over, counted
            from the request.
        transfers: for each transfer, three cycles counted from the request: its first words name it, what it carries begins to
            come, and its check sum has come.
    """

    cycles: int
    waits: tuple[int, ...]
    fetched: int
    starts: tuple[int, ...]
    maps: tuple[tuple[int, int, int], ...]
    transfers: tuple[tuple[int, int, int], ...]


def fetched_run(
    config: ArrayConfig, sdram: SdramConfig, transfers: Sequence[Transfer], cycles: Sequence[int]
) -> FetchedRun:
    """Follow a run of an external image.

    Args:
        transfers: all of them, END included.
        cycles: per command, the cycles that it reports.
    """
    words = WordSchedule(sdram)
    now = 0  # the cycle of the latest word; counted from the start of the reading

    def take(count: int, earliest: int) -> int:
        nonlocal now
        for _ in range(count):
            now = earliest = max(words.word() + WAY_CYCLES, earliest)
            words.take(now - WAY_CYCLES)
            earliest += 1
        return now

    array = _Array(config, cycles)
    times = []
    free = take(HEADER_WORDS, 1) + JUDGE_CYCLES + NEXT_CYCLES
    for transfer in transfers:
        named = take(TRANSFER_WORDS, free)
        begins = max(named, array.reported(transfer.after)) + SETTLE_CYCLES
        judged = take(len(transfer.words) + 1, begins) + JUDGE_CYCLES
        if transfer.kind is TransferKind.PROGRAM:
            array.run(transfer.words, judged + ANNOUNCED_CYCLES)
        free = judged + NEXT_CYCLES
        times.append((START_CYCLES + named, START_CYCLES + begins, START_CYCLES + judged))
    starts = tuple(START_CYCLES + taken for taken in array.starts)
    maps = tuple((number, START_CYCLES + begins, START_CYCLES + over) for number, begins, over in array.maps.found)
    return FetchedRun(START_CYCLES + array.ends(), tuple(array.waits), now, starts, maps, tuple(times))


class _Array:
    """Carries out commands as they come."""

    def __init__(self, config: ArrayConfig, cycles: Sequence[int]) -> None:
        self._config = config
        self._cycles = cycles
        self._reports: list[int] = []  # the cycle of each report
        self._free = 0  # when the array can take the next command
        self._read = 0  # when the reader of the program can take the next command's first word
        self.waits: list[int] = []
        self.starts: list[int] = []
        self.maps = MapTimes(config)

    def reported(self, count: int) -> int:
        """The cycle in which so many commands have been reported."""
        return self._reports[count - 1] if count else 0

    def run(self, program: NDArray[np.uint32], there: int) -> None:
        """These commands are there from this cycle on."""
        self._read = max(self._read, there)
        at = 0
        while at + COMMAND_WORDS <= len(program):
            fields = decode_fields(program[at : at + COMMAND_WORDS])
            at += COMMAND_WORDS
            if fields["op"] == CommandOp.END:
                return
            offered, entries = self._read + READ_CYCLES, 0
            if fields["op"] == CommandOp.RUN:
                entries = fields["table_entries"]
                inputs = program[at : at + FEEDER_WORDS * len(self._config.feeders)].reshape(-1, FEEDER_WORDS)
                offered = max(offered + FEEDER_CYCLES * len(inputs), self._primed(offered, inputs))
                at += inputs.size + entries
            elif fields["op"] == CommandOp.TABLE:
                entries = fields["table_entries"]
                at += TABLE_WORDS
            taken = max(self._free, offered + PRIMED_CYCLES)
            if fields["waits"] or (not fields["external"] and fields["op"] in (CommandOp.STORE, CommandOp.MOVE)):
                taken = max(taken, self.maps.over)
            number = len(self._reports)
            if fields["external"]:
                moves = map_cycles(self._config, fields["words"], store=fields["op"] == CommandOp.STORE)
                self.maps.hand(number, taken, moves)
            self.waits.append(taken - self._free)
            self.starts.append(taken)
            ends = taken + self._cycles[number]
            self._reports.append(ends)
            self._free = ends + BETWEEN_CYCLES
            self._read = taken + 2 + entries

    def _primed(self, read: int, inputs: NDArray[np.uint32]) -> int:
        """The cycle in which all readers hold their first words, if nothing else asks the scratchpad.

        Args:
            read: the cycle in which the first word of the first feeder's inputs can be read.
            inputs: uint32 [feeders, FEEDER_WORDS].
        """
        asked = 0
        for feeder, (_, words, _, records) in enumerate(inputs.tolist()):
            given = read + FEEDER_CYCLES * feeder + FEEDER_WORDS
            asked = max(asked, given + GIVEN_CYCLES) + min(words, PRIME_WORDS[0])
            asked = max(asked, given + 1 + GIVEN_CYCLES) + min(RECORD_WORDS * records, PRIME_WORDS[1])
        return asked + WORD_CYCLES

    def ends(self) -> int:
        """The cycle in which END has been read, the last report taken, and the last map moved."""
        return max(self._free, self._read + READ_CYCLES, self.maps.over)
