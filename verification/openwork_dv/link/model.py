"""What a board with the byte shell does, request by request, without a clock."""

import math
from collections import deque
from collections.abc import Callable
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from openwork_hw.arch.config import ArrayConfig
from openwork_hw.arch.external_image import HEADER_WORDS as EXTERNAL_HEADER_WORDS
from openwork_hw.arch.external_image import check_external_words
from openwork_hw.arch.image import HEADER_WORDS, ImageError, ImageStatus, assemble, check_image
from openwork_hw.arch.layouts import unpack
from openwork_hw.arch.link import (
    ANSWER,
    CRC,
    HEADER,
    RESULT_POSITIONS,
    SEQUENCED,
    SEQUENCES,
    Identity,
    Kind,
    LinkError,
    Order,
    Request,
    Response,
    decode_request,
    encode_identity,
    encode_response,
)
from openwork_hw.arch.transfers import TRANSFER_FIELDS, TRANSFER_WORDS, TransferKind

Compute = Callable[[bytes], bytes]
"""From the bytes that the LOAD commands take to those that the commands give: outputs, and reports where the board has them."""


def image_taking(inputs: int, config: ArrayConfig) -> NDArray[np.uint32]:
    """An image without commands, whose header says that a run takes so many bytes."""
    words = assemble((), config)
    words[6] = inputs
    words[-1] = crc32(words[:-1].astype("<u4").tobytes())
    return words


class ArrayModel:
    """An ImageRunner and its memory.

    Attributes:
        memory: uint32.
        time_s: set by whoever drives it.
        done_s: when the results of the run in progress are there.
        run_s: from a run's last input to its results.
        gives_up: a run ends with nothing but an answer.
        gives_up_with: the status of this answer, with the number of a transfer above it.
        ends_with: what else a run is answered.
    """

    def __init__(self, identity: Identity, compute: Compute, *, run_s: float = 0.0) -> None:
        """`run_s`: from a run's last input to its results."""
        self.memory = np.zeros(identity.memory_words, np.uint32)
        self.time_s = 0.0
        self._config = identity.config
        self._scratchpad_words = identity.scratchpad_words
        self._compute = compute
        self.run_s = run_s
        self.gives_up = False
        self.gives_up_with: int = ImageStatus.TIMED_OUT
        self.ends_with = ImageStatus.GOOD
        self.reset()

    def reset(self) -> None:
        """Forget all but the memory."""
        self.done_s: float | None = None
        self._checked = False
        self._inputs: bytearray | None = None  # of a run that waits for more
        self._pending = b""

    @property
    def busy(self) -> bool:
        """A request has not been answered."""
        return self.done_s is not None

    @property
    def wants(self) -> bool:
        """A run waits for inputs."""
        return self._inputs is not None

    def start(self, order: Order) -> None:
        """Take a request; only while it is not busy."""
        self.done_s = self.time_s
        if order is Order.CHECK:
            status = self._check()
            self._checked = status & 0xFF == ImageStatus.GOOD
            self._pending = ANSWER.pack(status, 0)
        elif not self._checked:
            self._pending = ANSWER.pack(ImageStatus.NOT_CHECKED, 0)
        else:
            self.done_s = math.inf
            self._inputs = bytearray()
            self.feed(b"")

    def feed(self, content: bytes) -> None:
        """Take inputs; only while it wants some."""
        assert self._inputs is not None
        self._inputs += content
        if len(self._inputs) >= self.memory[6]:
            damaged = self._damaged_transfer()
            if self.gives_up:
                self._pending = ANSWER.pack(self.gives_up_with, 0)
            elif damaged is not None:
                self._pending = ANSWER.pack(ImageStatus.DAMAGED | damaged << 8, 0)
            else:
                self._pending = self._compute(bytes(self._inputs)) + ANSWER.pack(self.ends_with, 0)
            self._inputs = None
            self.done_s = self.time_s + self.run_s

    def results(self) -> bytes:
        """All results of a request, once they are there."""
        if self.done_s is None or self.time_s < self.done_s:
            return b""
        self.done_s = None
        return self._pending

    def _check(self) -> int:
        """The answer's status, with the number of the transfer above it."""
        size = int(self.memory[3])
        whole = HEADER_WORDS < size <= len(self.memory)
        words = self.memory[:size] if whole else self.memory
        try:
            if not self._scratchpad_words:
                check_image(words, self._config)
                return ImageStatus.GOOD
            latest = len(check_external_words(words, self._config, self._scratchpad_words)) - 1
            return ImageStatus.GOOD | latest << 8
        except ImageError:
            return ImageStatus.DAMAGED | (self._damaged_transfer() or 0) << 8

    def _damaged_transfer(self) -> int | None:
        """The number of the first transfer of an external image whose check sum is wrong; None if there is none."""
        if not self._scratchpad_words:
            return None
        at, number = EXTERNAL_HEADER_WORDS, 0
        while at + TRANSFER_WORDS < len(self.memory):
            fields = unpack(TRANSFER_FIELDS, int(self.memory[at]) | int(self.memory[at + 1]) << 32)
            end = at + TRANSFER_WORDS + fields["count"]
            if end >= len(self.memory) or self.memory[end] != crc32(self.memory[at:end].astype("<u4").tobytes()):
                return number
            if fields["kind"] == TransferKind.END:
                return None
            at, number = end + 1, number + 1
        return number


class BoardModel:
    """The board's side of `arch.link`.

    Attributes:
        identity: what it says of itself.
        array: what it has behind the link.
        resets: so far.
    """

    def __init__(self, identity: Identity, compute: Compute, *, run_s: float = 0.0) -> None:
        """`run_s`: from a run's last input to its results."""
        self.identity = identity
        self.array = ArrayModel(identity, compute, run_s=run_s)
        self.resets = 0
        self.power_up()

    def power_up(self) -> None:
        """Forget all but the memory."""
        self._session = 0
        self._coming = bytearray()
        self._restart()

    def _restart(self) -> None:
        self.array.reset()
        self._expected = 0
        self._requests: deque[Request] = deque()
        self._waiting = 0  # bytes in the receive buffer
        self._greeted = False
        self._going = bytearray()
        self._results = bytearray()  # those that the buffer holds, and those that wait for room in it
        self._released = 0

    def take(self, content: bytes) -> None:
        """Bytes from the line."""
        self._coming += content
        while (end := self._coming.find(0)) >= 0:
            stuffed = bytes(self._coming[:end])
            del self._coming[: end + 1]
            try:
                self._receive(decode_request(stuffed, exact=self.identity.writable))
            except LinkError:
                continue

    def give(self) -> bytes:
        """Bytes for the line."""
        while self._requests and self._serve(self._requests[0]):
            done = self._requests.popleft()
            self._waiting -= _size(done)
        self._results += self.array.results()
        going = bytes(self._going)
        self._going.clear()
        return going

    def _receive(self, request: Request) -> None:
        if request.kind is Kind.RESET:
            self._restart()
            self._session = request.sequence
            self.resets += 1
            return
        sequenced = bool(request.kind & SEQUENCED)
        self._greeted |= not sequenced
        room = self.identity.receive_bytes - self._waiting > _size(request)
        if room and (not sequenced or request.sequence == self._expected):
            self._requests.append(request)
            self._waiting += _size(request)
            self._expected = (self._expected + sequenced) % SEQUENCES

    def _serve(self, request: Request) -> bool:
        """Carry out a request, if that can be done now."""
        array = self.array
        self._results += array.results()
        match request.kind:
            case Kind.WRITE:
                words = np.frombuffer(request.payload[: len(request.payload) & ~3], "<u4")
                if request.address + len(words) <= len(array.memory):
                    array.memory[request.address : request.address + len(words)] = words
            case Kind.START:
                if self._busy():
                    return False
                array.start(Order(request.address))
            case Kind.FEED:
                if not array.wants:
                    return False
                array.feed(request.payload[: request.length])
            case Kind.READ:
                return self._read(request)
            case Kind.PEEK:
                end = request.address + request.length // 4
                words = array.memory[request.address : end] if end <= len(array.memory) else array.memory[:0]
                self._respond(request, words.astype("<u4").tobytes())
            case Kind.HELLO:
                self._greeted = False
                self._respond(request, encode_identity(self.identity))
        return True

    def _read(self, request: Request) -> bool:
        self._results += self.array.results()
        released = ((request.address >> 16) - self._released) % RESULT_POSITIONS
        del self._results[:released]
        self._released += released
        start = (request.address - self._released) % RESULT_POSITIONS
        available = max(min(len(self._results), self.identity.result_bytes) - start, 0)
        if available < request.length and self._busy() and not self._greeted:
            return False
        self._respond(request, bytes(self._results[start:][: min(request.length, available)]))
        return True

    def _busy(self) -> bool:
        return self.array.busy or len(self._results) > self.identity.result_bytes

    def _respond(self, request: Request, payload: bytes) -> None:
        echo = request.address % RESULT_POSITIONS
        response = Response(self._session, self._expected, request.kind, self._busy(), echo, payload)
        self._going += encode_response(response)


def _size(request: Request) -> int:
    """Bytes in the receive buffer."""
    return HEADER.size + len(request.payload) + CRC.size
