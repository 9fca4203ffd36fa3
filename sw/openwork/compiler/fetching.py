"""Predicts how long a run takes whose image is fetched from an external memory, transfer by transfer.

The prediction follows two queues in order, that of the transfers and that of the commands (`arch.external_image`). A transfer
begins when the transfer before has arrived and enough commands have been reported. A command begins when its PROGRAM transfer has
arrived and the command before is done.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openwork.image import CommandPlan, Image
from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.external_image import (
    HEADER_WORDS,
    TRANSFER_WORDS,
    Transfer,
    TransferKind,
    check_external_words,
    external_words,
)
from openwork_hw.arch.image import COMMAND_WORDS, FEEDER_WORDS
from openwork_hw.arch.sdram import Request, SdramConfig, burst_cycles
from openwork_hw.arch.timing import BETWEEN_CYCLES, FEEDER_CYCLES, PROGRAM_CYCLES, READ_CYCLES

BURST_BYTES = 256
"""Bytes of a burst from the external memory, for the prediction."""

CHECK_WORDS = 1
"""Words of the check sum behind a transfer."""


@dataclass(frozen=True)
class Fetching:
    """A predicted run of an external image.

    Attributes:
        words: words of the external image. Every run fetches all of them.
        transfers: how many transfers they are.
        cycles: from the request to run the image to its answer.
        waits: of these cycles, those in which the array waited for a transfer.
        fetched: cycles until the last transfer has arrived if no transfer waits for a command.
    """

    words: int
    transfers: int
    cycles: int
    waits: int
    fetched: int


def word_cycles(config: SdramConfig) -> float:
    """Mean cycles per word of 32 bits in long transfers, refreshes included.

    >>> from openwork_hw.arch.sdram import SDRAM_CHIPS
    >>> round(word_cycles(SdramConfig(SDRAM_CHIPS["IS42S16160G"], 100e6)), 2)
    2.06
    """
    beats = BURST_BYTES * 8 // config.chip.data_bits
    bursts = 1000
    requests = [Request(False, number * beats, beats) for number in range(bursts)]
    return burst_cycles(config, requests)[-1].last / (bursts * BURST_BYTES // 4)


def fetching(image: Image, scratchpad_words: int, cycles_per_word: float) -> Fetching:
    """The predicted run of an image as an external image.

    Args:
        image: the image.
        scratchpad_words: words of the scratchpad.
        cycles_per_word: cycles per word that is fetched.

    Raises:
        ImageError: one command uses more words than the scratchpad holds.
    """
    words = external_words(image.words, image.config, scratchpad_words)
    transfers = check_external_words(words, image.config, scratchpad_words)
    ends = fetched_run(image.config, image.commands, transfers, cycles_per_word)
    return Fetching(
        len(words), len(transfers), ends, ends - image.predicted_cycles, round(len(words) * cycles_per_word)
    )


def fetched_run(
    config: ArrayConfig, commands: Sequence[CommandPlan], transfers: Sequence[Transfer], cycles_per_word: float
) -> int:
    """Cycles from the request to run an external image to its answer."""
    feeders = len(config.feeders)
    waiting: Iterator[CommandPlan] = iter(commands)
    arrived = HEADER_WORDS * cycles_per_word
    done = [0.0]  # when so many commands have been reported
    free = read = 0.0
    for transfer in transfers:
        words = TRANSFER_WORDS + len(transfer.words) + CHECK_WORDS
        arrived = max(arrived, done[transfer.after]) + words * cycles_per_word
        if transfer.kind is not TransferKind.PROGRAM:
            continue
        left = len(transfer.words)
        # The last PROGRAM transfer ends with an END command, which has no plan.
        while left and (command := next(waiting, None)) is not None:
            run = bool(command.table_entries)
            left -= COMMAND_WORDS + run * (FEEDER_WORDS * feeders + command.table_entries)
            taken = max(free, max(read, arrived) + READ_CYCLES + run * FEEDER_CYCLES * feeders)
            free = taken + command.predicted_cycles + BETWEEN_CYCLES
            read = free if config.compact else taken + 2 + command.table_entries
            done.append(free)
    return round(PROGRAM_CYCLES + max(free, read + READ_CYCLES, arrived))
