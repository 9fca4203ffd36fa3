"""What a command says about a network on a board: whether the image fits, what fetching it costs, and how fast it is."""

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from openwork.cli.terminal import choose
from openwork_hw.arch.refusal import Refusal

if TYPE_CHECKING:
    from openwork.backends import Fetched
    from openwork.compiler.emit import Progress
    from openwork.compiler.fetching import Fetching
    from openwork.compiler.plan import NetworkPlan
    from openwork.compiler.spilled_plan import SpilledPlan
    from openwork.image import Image
    from openwork.network import IntegerNetwork
    from openwork.report.speed import Speed
    from openwork_fpga.boards.board import Board
    from openwork_hw.arch.nonzeros import Encoding
    from openwork_hw.arch.sdram import SdramConfig


class BoardError(Refusal):
    """An image that a board's memory does not hold. The message has the need and the limit."""


def board_named(name: str) -> "Board":
    """The board of this name.

    Raises:
        ConfigError: there is no such board. The message names all boards.
    """
    from openwork_fpga.boards.catalogue import BOARDS

    return choose("board", name, BOARDS)


def scratchpad_words(board: "Board") -> int:
    """Words of the scratchpad of a board with an SDRAM; 0 for other boards."""
    return 0 if board.sdram is None else board.memory_words


def image_memory_words(board: "Board") -> int:
    """Words of the memory that holds the image: the SDRAM, the part of the flash, or the memory on the chip."""
    from openwork_hw.arch.sdram import SDRAM_CHIPS

    return board.memory_words if board.sdram is None else SDRAM_CHIPS[board.sdram].bytes // 4


def planned_for(
    board: "Board", network: "IntegerNetwork", encoding: "Encoding", progress: "Progress | None" = None
) -> "tuple[NetworkPlan | SpilledPlan, Image]":
    """The image of a network for a board, and its plan.

    Raises:
        CompileError: the network does not fit the board's array. On a board with an SDRAM, the message names the board.
    """
    from openwork.compiler.errors import CompileError
    from openwork.compiler.network import planned_image

    size = scratchpad_words(board)
    try:
        return planned_image(network, board.config, encoding, progress=progress, scratchpad_words=size)
    except CompileError as error:
        if not size:
            raise
        raise CompileError(f"{board.name}, with a scratchpad of {size:,} words: {error}", need=error.need) from None


def fetched_by(name: str, image: "Image") -> "Fetched":
    """The memories of a board with an SDRAM, to simulate the array with.

    Raises:
        ConfigError: there is no such board.
        BoardError: the board has no SDRAM, or the image is for another array.
    """
    from openwork.backends import Fetched

    board = board_named(name)
    if board.sdram is None:
        raise BoardError(f"{name} runs images out of a memory on its chip: leave --board out")
    if image.config.fingerprint != board.config.fingerprint:
        raise BoardError(f"the image is for another array than that of {name}: compile it with --board {name}")
    return Fetched(board.memory_words, _sdram(board))


def run_line(name: str, image: "Image", cycles: list[int]) -> str:
    """How long the runs on a board's array and memories took, in a sentence.

    Args:
        cycles: of each run.
    """
    board = board_named(name)
    predicted = _fetching(board, image).cycles
    low, high = min(cycles), max(cycles)
    took = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return (
        f"{name} with the model of its {board.sdram}: {took} cycles per input, predicted {predicted:,}; "
        f"{1e6 * board.clock_mhz / high:,.1f} inputs per second at {board.clock_mhz:g} MHz, without the serial line."
    )


def check_fits(board: "Board", image: "Image") -> "Fetching | None":
    """Refuse an image that is larger than the board's memory for it.

    Returns:
        What a run fetches from the board's SDRAM; None if the board has none.

    Raises:
        BoardError: with the need and the limit.
    """
    fetched = None if board.sdram is None else _fetching(board, image)
    words = len(image.words) if fetched is None else fetched.words + -(-image.map_bytes // 4)
    limit = image_memory_words(board)
    if board.flash_byte is None and words > limit:
        share = image.network.density * limit / words
        memory = "image memory" if board.sdram is None else f"SDRAM ({board.sdram})"
        raise BoardError(
            f"the image takes {_size(words)}, and the {memory} of {board.name} holds {_size(limit)}: "
            f"prune further (to a density of about {share:.2f}), or use --preset {board.preset} to simulate it without a board"
        )
    return fetched


def speed_of(board: "Board", image: "Image", fetched: "Fetching | None") -> "Speed":
    """The predicted times of an image on a board.

    Args:
        fetched: what `check_fits` gave.
    """
    from openwork.report.speed import board_speed

    return board_speed(image, 1e6 * board.clock_mhz, board.baud, fetched)


def speed_line(board: "Board", image: "Image", fetched: "Fetching | None") -> str:
    """Times, inputs per second and memory on a board, in a sentence."""
    if board.flash_byte is not None:
        return (
            f"{board.name}: the array waits for the flash that its image is read from, and how long is not predicted."
        )
    words = len(image.words) if fetched is None else fetched.words
    memory = "image memory" if fetched is None else "SDRAM"
    used = f"{_size(words)} of {_size(image_memory_words(board))} of {memory}"
    return f"{board.name} at {board.clock_mhz:g} MHz, predicted: {speed_of(board, image, fetched)}; {used}."


def speed_values(board: "Board", image: "Image", fetched: "Fetching | None") -> dict[str, Any]:
    """What `speed_line` says, as JSON values; times are None where they are not predicted."""
    words = len(image.words) if fetched is None else fetched.words
    speed = None if board.flash_byte is not None else speed_of(board, image, fetched)
    return {
        "name": board.name,
        "clock_mhz": board.clock_mhz,
        "image_words": words,
        "image_memory_words": image_memory_words(board),
        "wait_cycles": 0 if fetched is None else fetched.waits,
        "array_s": None if speed is None else speed.array_s,
        "input_s": None if speed is None else speed.input_s,
        "output_s": None if speed is None else speed.output_s,
        "inputs_per_second": None if speed is None else speed.inputs_per_second,
        "bound": "the flash" if speed is None else speed.bound,
    }


def fetching_table(board: "Board", image: "Image", fetched: "Fetching") -> Table:
    """What a run fetches from a board's SDRAM, and how long the array waits for it."""
    from openwork.compiler.fetching import word_cycles

    table = Table(box=SIMPLE_HEAD, title="image in the SDRAM", title_justify="left", show_header=False)
    given = 4 / word_cycles(_sdram(board))
    rows = {
        "image": f"{_size(fetched.words)} of the {_size(image_memory_words(board))} of {board.sdram}",
        "scratchpad": f"{_size(board.memory_words)} on the chip",
        "fetched per inference": f"{fetched.words:,} words in {fetched.transfers:,} transfers",
        "asked of the SDRAM": f"{4 * fetched.words / image.predicted_cycles:.2f} bytes per cycle; it gives {given:.2f}",
        "expected waits": f"{fetched.waits:,} of {fetched.cycles:,} cycles, {fetched.waits / fetched.cycles:.1%}",
    }
    for name, text in rows.items():
        table.add_row(name, text)
    return table


def _fetching(board: "Board", image: "Image") -> "Fetching":
    from openwork.compiler.fetching import fetching
    from openwork_hw.arch.image import ImageError

    try:
        return fetching(image, board.memory_words, _sdram(board))
    except ImageError as error:
        raise BoardError(f"{board.name} cannot fetch the image: {error}") from None


def _sdram(board: "Board") -> "SdramConfig":
    from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig

    assert board.sdram is not None
    return SdramConfig(SDRAM_CHIPS[board.sdram], 1e6 * board.clock_mhz)


def _size(words: int) -> str:
    return f"{words / 256:,.1f} KiB" if words < 1 << 20 else f"{words / (1 << 18):,.1f} MiB"
