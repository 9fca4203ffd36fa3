"""A board that runs images."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from openwork.faults import SPOILT, RunError, check_result, refused
from openwork.host.line import HostError, Line, LineLost, SerialLine, TooLate
from openwork.host.session import Session
from openwork.image import Image
from openwork_hw.arch import external_image
from openwork_hw.arch.external_image import first_map_word
from openwork_hw.arch.image import HEADER_WORDS, ImageError, ImageStatus, stored_words
from openwork_hw.arch.linear_image import linear_words
from openwork_hw.arch.link import ANSWER, DEFAULT_BAUD, REPORT, Identity, Order, decode_answer
from openwork_hw.arch.nonzeros import StreamErrorKind
from openwork_hw.arch.report import CommandReport, RunResult

Progress = Callable[[int, int, str], None]
"""Is called with how much is done, of how much, and what is done."""

TIMES_PREDICTED = 10
"""What is waited for is over after so many times the time that it should take. A flash memory makes a run take three times what is
predicted, a bad line sends everything several times."""

CHECK_CYCLES = 32
"""Most cycles per word that a check takes: a flash gives two bits per cycle."""

FETCH_CYCLES = 4
"""Most cycles per word that a run fetches from an external memory."""

FETCHED_ENDS = (ImageStatus.MAGIC, ImageStatus.VERSION, ImageStatus.CONFIGURATION, *SPOILT)
"""With what a run ends early if the external image has changed since its check."""

PEEK_WORDS = 4096
"""Most words that are asked for at once."""


class Board:
    """A board at the other end of a line. It loads images and runs them.

    >>> with Board.open("/dev/ttyUSB0") as board:                                            # doctest: +SKIP
    ...     board.load(openwork.load_image("model.image"))
    ...     outputs = board.run(inputs)

    Attributes:
        identity: what the board says about itself.
    """

    def __init__(self, connect: Callable[[], Line], *, patience_s: float = 5.0, attempts: int = 3) -> None:
        """Connect and begin a session.

        Args:
            connect: opens a line, the first time and after a line was lost.
            patience_s: seconds that the board may be silent.
            attempts: how many sessions to try, one after the other.

        Raises:
            HostError: there is no such port, or nothing answers there.
        """
        self._connect = connect
        self._patience_s = patience_s
        self._attempts = attempts
        self._image: Image | None = None
        self._words: NDArray[np.uint32] | None = None  # of the image, as the memory holds them
        self._line, self._session = self._begin()

    @classmethod
    def open(cls, port: str, baud: int = DEFAULT_BAUD, *, patience_s: float = 5.0) -> Self:
        """The board on a serial port: the path of a device, or any other address that pyserial opens."""
        return cls(lambda: SerialLine(port, baud), patience_s=patience_s)

    def close(self) -> None:
        """Close the port. The board keeps its image."""
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def identity(self) -> Identity:
        """What the board says about itself."""
        return self._session.identity

    @property
    def baud(self) -> int:
        """Bits per second of the line."""
        return self._line.baud

    def load(self, image: Image, progress: Progress | None = None) -> None:
        """Load an image onto the board and check it. An image that the board already has is not sent again.

        Raises:
            HostError: the image is not for this board, or the board is lost.
        """
        self._words = refuse(image, self.identity)
        self._image = image
        self._resuming(lambda: self._load(progress or _nobody))

    def run(self, inputs: NDArray[Any]) -> NDArray[np.int8]:
        """Run inputs. Returns the outputs of the network, int8 [batch, channels, height, width].

        Args:
            inputs: int8, or real numbers, which are quantized first; [batch, channels, height, width] or
                [batch, features].

        Raises:
            HostError: no image is loaded, or the board is lost.
            NetworkError: the network does not take such inputs.
        """
        if self._image is None:
            raise HostError("no image is loaded: load one first")
        image = self._image
        integers = image.network.integer_inputs(inputs)
        return np.stack([image.outputs(result.outputs) for result in self.results(integers)])

    def results(self, inputs: NDArray[np.int8]) -> Iterator[RunResult]:
        """Run int8 inputs [batch, channels, height, width]. The next input is on its way while an input runs.

        Raises:
            HostError: no image is loaded, the board is lost, the array found fault with the image, or a run does not end.
        """
        if self._image is None:
            raise HostError("no image is loaded: load one first")
        if self._session.outstanding:
            raise HostError("the results of another run have not been taken yet: take all of them first")
        image = self._image
        size = self._run_bytes(image)
        done = started = 0
        attempts = self._attempts
        try:
            while done < len(inputs):
                try:
                    while started < min(done + 2, len(inputs)):
                        self._session.start(Order.RUN, image.load_bytes(inputs[started]).tobytes(), size)
                        started += 1
                    content = self._session.results(size, self._limit_s(2 * self._run_cycles(image), 2 * size))
                    if len(content) < size:
                        self._refuse_ended(content)
                        raise LineLost("the array did not run the image")
                except TooLate as error:
                    predicted = image.predicted_cycles / self.identity.clock_hz
                    self._abandon()
                    raise HostError(
                        f"{error}, and a run takes {predicted:.3g} s: load the image again, and if the next run hangs, too, "
                        "compare it in simulation with openwork compare --backends golden,rtl"
                    ) from None
                except LineLost as error:
                    attempts -= 1
                    self._resume(attempts, error)
                    started = done
                    continue
                done += 1
                attempts = self._attempts
                yield self._result(image, content)
        finally:
            with suppress(LineLost):  # then the next run notices
                self._session.results(self._session.outstanding)

    def store(self, words: NDArray[np.uint32], progress: Progress | None = None) -> ImageStatus:
        """Write words to the memory, and return what the array's check says about them. They need not be an image."""
        self._image = self._words = None
        status = ImageStatus.NOT_CHECKED

        def store() -> None:
            nonlocal status
            status, _ = self._store(words, progress or _nobody)

        self._resuming(store)
        return status

    def check(self) -> ImageStatus:
        """What the array's check says about the image in its memory."""
        status = ImageStatus.NOT_CHECKED

        def check() -> None:
            nonlocal status
            status, _ = self._check()

        self._resuming(check)
        return status

    def write(self, blocks: Sequence[tuple[int, NDArray[np.uint32]]]) -> None:
        """Write words to the memory: for each block, its first word address and its words. The loaded image is forgotten."""
        self._image = self._words = None

        def write() -> None:
            for address, words in blocks:
                self._session.write(address, words.astype("<u4").tobytes())
            self._session.settle(None, self._limit_s(0, sum(words.nbytes for _, words in blocks)))

        self._resuming(write)

    def peek(self, address: int, count: int) -> NDArray[np.uint32]:
        """Words of the memory. The board must know PEEK."""
        found: list[bytes] = []

        def peek() -> None:
            found[:] = [
                self._session.peek(first, min(PEEK_WORDS, address + count - first))
                for first in range(address, address + count, PEEK_WORDS)
            ]

        self._resuming(peek)
        return np.frombuffer(b"".join(found), "<u4")

    # Sessions -------------------------------------------------------------------------------------------------------------

    def _begin(self) -> tuple[Line, Session]:
        line = self._connect()
        try:
            return line, Session(line, patience_s=self._patience_s)
        except BaseException:
            line.close()
            raise

    def _resuming(self, action: Callable[[], None]) -> None:
        """Do something. If the session is lost, do it again in a new session."""
        for left in reversed(range(self._attempts)):
            try:
                return action()
            except LineLost as error:
                self._reconnect(left, error)

    def _resume(self, attempts: int, error: LineLost) -> None:
        """Begin a new session, and load the image again."""
        self._reconnect(attempts, error)
        if self._image is not None:
            self._resuming(lambda: self._load(_nobody))

    def _reconnect(self, attempts: int, error: LineLost) -> None:
        """Begin a new session as soon as possible, within the patience."""
        if attempts <= 0:
            raise error
        self._line.close()
        end = self._line.now() + self._patience_s
        while True:
            try:
                self._line, self._session = self._begin()
                return
            except HostError:
                if self._line.now() > end:
                    raise
                self._line.rest(0.1)

    def _abandon(self) -> None:
        """Begin a new session at once, and give up whatever the board does. If this fails, the next call finds out."""
        with suppress(HostError):
            self._reconnect(1, LineLost("given up"))

    def _limit_s(self, cycles: int, line_bytes: int) -> float:
        """Seconds that something may take which needs so many cycles of the array and so many bytes on the line."""
        seconds = cycles / self.identity.clock_hz + 10 * line_bytes / self._line.baud
        return TIMES_PREDICTED * seconds + self._patience_s

    # Steps ----------------------------------------------------------------------------------------------------------------

    def _load(self, progress: Progress) -> None:
        """Load the words of the image, unless the memory holds them already."""
        assert self._words is not None
        status, transfer = self._check() if self._holds(self._words) else (ImageStatus.NOT_CHECKED, None)
        if status is not ImageStatus.GOOD:
            if not self.identity.writable:
                raise HostError(
                    "the board does not hold this image, and the link cannot write its memory: "
                    + (
                        "openwork program --image puts it into the flash"
                        if self.identity.linear
                        else "build its bitstream with this one"
                    )
                )
            status, transfer = self._store(self._words, progress)
        if status in SPOILT and transfer is not None:
            raise HostError(refused(status, transfer))
        if status is not ImageStatus.GOOD:
            raise HostError(f"the board's memory does not hold the image: {status.name.lower().replace('_', ' ')}")

    def _store(self, words: NDArray[np.uint32], progress: Progress) -> tuple[ImageStatus, int | None]:
        content = words.astype("<u4").tobytes()
        self._session.write(0, content)
        self._session.settle(
            lambda left: progress(len(content) - left, len(content), "loading the image"),
            self._limit_s(0, len(content)),
        )
        return self._check()

    def _holds(self, words: NDArray[np.uint32]) -> bool:
        """Whether the memory begins and ends with these words."""
        if not self.identity.peek:
            return False
        header = external_image.HEADER_WORDS if self.identity.scratchpad_words else HEADER_WORDS
        content = words.astype("<u4")
        return (
            self._session.peek(len(content) - 1, 1) == content[-1:].tobytes()
            and self._session.peek(0, header) == content[:header].tobytes()
        )

    def _check(self) -> tuple[ImageStatus, int | None]:
        """What the array's check says, and the number of the latest transfer of an external image."""
        self._session.start(Order.CHECK, b"", ANSWER.size)
        answer = self._session.results(
            ANSWER.size, self._limit_s(CHECK_CYCLES * self.identity.memory_words, ANSWER.size)
        )
        if len(answer) < ANSWER.size:
            raise LineLost("the array did not answer")
        status, transfer, _ = self._answer(answer)
        return status, transfer

    def _answer(self, content: bytes) -> tuple[ImageStatus, int | None, int]:
        """Status, number of the latest transfer of an external image, and cycles in an answer."""
        status, number, cycles = decode_answer(content)
        return ImageStatus(status), number if self.identity.scratchpad_words else None, cycles

    def _refuse_ended(self, content: bytes) -> None:
        """Refuse a run that ended early: nothing moved any more, or words that it fetched were damaged.

        Raises:
            HostError: the run ended for such a reason.
        """
        if len(content) < ANSWER.size:
            return
        known = (ImageStatus.TIMED_OUT, *(FETCHED_ENDS if self.identity.scratchpad_words else ()))
        if decode_answer(content[-ANSWER.size :])[0] in known:
            status, transfer, _ = self._answer(content[-ANSWER.size :])
            self._abandon()
            raise HostError(refused(status, transfer))

    def _run_cycles(self, image: Image) -> int:
        """Cycles that a run may take."""
        fetched = 0 if self._words is None or not self.identity.scratchpad_words else len(self._words)
        return image.predicted_cycles + FETCH_CYCLES * fetched

    def _run_bytes(self, image: Image) -> int:
        """Bytes of results per run."""
        reports = len(image.commands) if self.identity.reports else 0
        return int(image.words[7]) + reports * REPORT.size + ANSWER.size

    def _result(self, image: Image, content: bytes) -> RunResult:
        status, transfer, cycles = self._answer(content[-ANSWER.size :])
        outputs, reports, at = bytearray(), [], 0
        for words in stored_words(image.words, image.config):
            end = at + words * image.config.lanes
            outputs += content[at:end]
            at = end
            if self.identity.reports:
                command_cycles, stalls, kind, pe, position = REPORT.unpack_from(content, at)
                reports.append(CommandReport(command_cycles, stalls, StreamErrorKind(kind), pe, position))
                at += REPORT.size
        result = RunResult(status, cycles, tuple(reports), np.frombuffer(bytes(outputs), np.int8), transfer=transfer)
        try:
            check_result(image, result)
        except RunError as error:
            raise HostError(str(error)) from None
        return result


def memory_words(image: Image, identity: Identity) -> NDArray[np.uint32]:
    """The words of an image in the order in which a board's memory holds them.

    Raises:
        HostError: the image cannot have this order.
    """
    try:
        if identity.scratchpad_words:
            return external_image.external_words(image.words, image.config, identity.scratchpad_words)
        return linear_words(image.words, image.config) if identity.linear else image.words
    except ImageError as error:
        raise HostError(f"the board cannot run the image: {error}") from None


def refuse(image: Image, identity: Identity) -> NDArray[np.uint32]:
    """Say why a board cannot run an image.

    Returns:
        The words that the board's memory must hold.

    Raises:
        HostError: the image was compiled for another array, has an encoding that this array does not decode, or does not fit.
        ImageError: the words of the image do not hold a legal program.
    """
    _ = image.instructions  # which are verified when they are read
    if image.config.fingerprint != identity.config.fingerprint:
        raise HostError(
            f"the image was compiled for an array of {image.config}, and the board's is another one of {identity.config}: "
            "compile the model for the board"
        )
    if image.encoding not in identity.encodings:
        known = ", ".join(encoding.name.lower() for encoding in identity.encodings)
        raise HostError(
            f"the image's weights are {image.encoding.name.lower()}, and the board decodes {known}: compile with --encoding {known}"
        )
    if image.map_bytes and not identity.scratchpad_words:
        raise HostError(
            "the image keeps maps in an external memory, and the board has none: compile for a board with an SDRAM"
        )
    words = memory_words(image, identity)
    need = first_map_word(len(words)) + -(-image.map_bytes // 4) if image.map_bytes else len(words)
    if need > identity.memory_words:
        memory = "external memory" if identity.scratchpad_words else "memory"
        raise HostError(f"the image has {need:,} words, and the board's {memory} {identity.memory_words:,}")
    return words


def _nobody(_done: int, _total: int, _what: str) -> None:
    pass
