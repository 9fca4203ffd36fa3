"""What a command says about a network on a board: whether the image fits, and how fast it is."""

from typing import TYPE_CHECKING

from openwork.cli.terminal import choose
from openwork_hw.arch.refusal import Refusal

if TYPE_CHECKING:
    from openwork.image import Image
    from openwork_fpga.boards.board import Board


class BoardError(Refusal):
    """An image that a board's memory does not hold; the message has the need and the limit."""


def board_named(name: str) -> "Board":
    """The board of this name.

    Raises:
        ConfigError: there is none; the message names all.
    """
    from openwork_fpga.boards.catalogue import BOARDS

    return choose("board", name, BOARDS)


def check_fits(board: "Board", image: "Image") -> None:
    """Refuse an image that is larger than the board's memory for it.

    Raises:
        BoardError: with the need and the limit.
    """
    if board.flash_byte is None and len(image.words) > board.memory_words:
        share = image.network.density * board.memory_words / len(image.words)
        raise BoardError(
            f"the image takes {_kib(len(image.words))}, and the image memory of {board.name} holds {_kib(board.memory_words)}: "
            f"prune further (to a density of about {share:.2f}), or use --preset {board.preset} to simulate it without a board"
        )


def speed_line(board: "Board", image: "Image") -> str:
    """Times, inputs per second and memory on a board, in a sentence."""
    from openwork.report.speed import board_speed

    if board.flash_byte is not None:
        return (
            f"{board.name}: the array waits for the flash that its image is read from, and how long is not predicted."
        )
    speed = board_speed(image, 1e6 * board.clock_mhz, board.baud)
    memory = f"{len(image.words) / 256:,.1f} of {_kib(board.memory_words)} of image memory"
    return f"{board.name} at {board.clock_mhz:g} MHz, predicted: {speed}; {memory}."


def _kib(words: int) -> str:
    return f"{words / 256:,.1f} KiB"
