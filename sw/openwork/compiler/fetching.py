"""Predicts how long a run takes whose image is fetched from an SDRAM: `arch.fetching` with what a compiled image says."""

from collections.abc import Sequence
from dataclasses import dataclass

from openwork.image import Image
from openwork_hw.arch.external_image import check_external_words, external_words
from openwork_hw.arch.fetching import FetchedRun, fetched_run
from openwork_hw.arch.sdram import SdramConfig, WordSchedule
from openwork_hw.arch.transfers import Transfer

LONG_WORDS = 1 << 14
"""Words of a transfer that is long enough for a mean."""


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


def word_cycles(sdram: SdramConfig) -> float:
    """Mean cycles per word of 32 bits in long transfers, refreshes included.

    >>> from openwork_hw.arch.sdram import SDRAM_CHIPS
    >>> round(word_cycles(SdramConfig(SDRAM_CHIPS["IS42S16160G"], 100e6)), 2)
    2.08
    """
    words = WordSchedule(sdram)
    for _ in range(LONG_WORDS):
        last = words.word()
        words.take(last)
    return last / LONG_WORDS


def fetching(image: Image, scratchpad_words: int, sdram: SdramConfig) -> Fetching:
    """The predicted run of an image as an external image.

    Args:
        image: the image.
        scratchpad_words: words of the scratchpad.
        sdram: the chip that the image is in, and the clock of all.

    Raises:
        ImageError: one command uses more words than the scratchpad holds.
    """
    words, transfers, run = followed(image, scratchpad_words, sdram)
    return Fetching(
        words,
        len(transfers),
        run.cycles,
        run.cycles - image.predicted_cycles,
        round(words * word_cycles(sdram)),
    )


def followed(
    image: Image, scratchpad_words: int, sdram: SdramConfig, cycles: Sequence[int] | None = None
) -> tuple[int, list[Transfer], FetchedRun]:
    """The words of an external image, its transfers, and when each transfer and command of a run begins.

    Args:
        image, scratchpad_words, sdram: as for `fetching`.
        cycles: per command, the cycles that it reports; None takes the predicted cycles.

    Raises:
        ImageError: as for `fetching`.
    """
    words = external_words(image.words, image.config, scratchpad_words)
    transfers = check_external_words(words, image.config, scratchpad_words)
    taken = [command.predicted_cycles for command in image.commands] if cycles is None else cycles
    return len(words), transfers, fetched_run(image.config, sdram, transfers, taken)
