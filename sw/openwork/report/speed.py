"""How many inputs per second a network gets through on a board, and what bounds it."""

from dataclasses import dataclass

from openwork.compiler.fetching import Fetching
from openwork.image import Image

LINE_BITS = 10
"""Of a byte on a serial line: a start bit, eight of data, a stop bit."""


@dataclass(frozen=True)
class Speed:
    """The times of one input on a board.

    Inputs and outputs pass the line in both directions at once, and while the array works on the input before. So the slowest of
    the three decides. What frames and answers add to the line is not counted: some percent.

    Attributes:
        array_s: seconds of the array, loading and storing included, and waits for an external memory.
        input_s, output_s: seconds of the serial line.
        waits_for_memory: whether the array needs less time for a run than an external memory needs to give the image.
    """

    array_s: float
    input_s: float
    output_s: float
    waits_for_memory: bool = False

    @property
    def inputs_per_second(self) -> float:
        """At most."""
        return 1 / max(self.array_s, self.input_s, self.output_s)

    @property
    def bound(self) -> str:
        """What decides."""
        if self.array_s < max(self.input_s, self.output_s):
            return "the serial line"
        return "the external memory" if self.waits_for_memory else "the array"

    def __str__(self) -> str:
        line = f"serial line {1e3 * self.input_s:,.2f} ms in and {1e3 * self.output_s:,.2f} ms out"
        return (
            f"array {1e3 * self.array_s:,.2f} ms, {line}: at most {self.inputs_per_second:,.0f} inputs per second, bound by "
            f"{self.bound}"
        )


def board_speed(image: Image, clock_hz: float, baud: int, fetched: Fetching | None = None) -> Speed:
    """The predicted times of an image.

    >>> Speed(0.9e-3, 3072 * 10 / 3e6, 10 * 10 / 3e6).bound
    'the serial line'

    Args:
        image: compiled for the board's array.
        clock_hz: of the array.
        baud: bits per second of the serial line.
        fetched: what a run fetches, on a board whose image is in an external memory.
    """
    lanes = image.config.lanes
    source = image.place(image.network.input.name)
    groups = 1 if source.vector else source.row_groups
    loaded = groups * source.words * lanes
    stored = sum(words for _, words in image.stored) * lanes
    return Speed(
        (image.predicted_cycles if fetched is None else fetched.cycles) / clock_hz,
        LINE_BITS * loaded / baud,
        LINE_BITS * stored / baud,
        fetched is not None and fetched.fetched > image.predicted_cycles,
    )
