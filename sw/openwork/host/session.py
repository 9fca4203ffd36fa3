"""The host's side of the link (`openwork_hw.arch.link`): what goes over a line that loses, damages and repeats bytes arrives whole.

The board keeps no time and repeats nothing by itself. All of that is here: what is on its way, what has been received, what
must be sent again, and how long to wait. A HELLO is the universal question: its answer says which requests have been received,
and, because the board answers in order, that every earlier response has been sent.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from openwork.host.line import HostError, Line, LineLost, TooLate
from openwork.host.results import Results
from openwork_hw.arch.link import (
    BUSY,
    CRC,
    HEADER,
    MARKER,
    RESPONSE_HEADER,
    RESULT_POSITIONS,
    SEQUENCES,
    WINDOW,
    Identity,
    Kind,
    LinkError,
    Request,
    Response,
    decode_identity,
    decode_response,
    encode_request,
)

WINDOW_S = 0.1
"""Seconds of the line's time that may be on their way unconfirmed: more than the delay of any USB converter."""

SHORTEST_WAIT_S = 0.04
LONGEST_WAIT_S = 0.25
"""For an answer, before a HELLO asks what has become of it; doubled each time up to the longest."""

SMALLEST_CHUNK = 16
LARGEST_CHUNK = 1024
"""Bytes per payload. Long payloads are efficient; short payloads survive on a bad line. A loss halves them."""

SUCCESSES = 8
"""How many requests must arrive one after the other before payloads become longer."""

CHUNKS_IN_WINDOW = 32

LONGEST_IDENTITY = 255

NOTHING = memoryview(b"")

OVERHEAD = HEADER.size + CRC.size


@dataclass(frozen=True)
class Step:
    """Something that the board has to do once and in order. Its payload is cut into requests when it is sent.

    Attributes:
        kind, address, payload: the same as in a request.
        length: bytes of the payload, or bytes that a PEEK asks for.
        before: bytes of results that are due before this step.
        results: for a START, the bytes of results that it makes.
    """

    kind: Kind
    address: int
    length: int = 0
    payload: memoryview = NOTHING
    before: int = 0
    results: int = 0


@dataclass
class Sent:
    """A sequenced request on its way. Its number never wraps; its step is the one that it was cut from, None for a READ."""

    number: int
    size: int
    step: Step | None


@dataclass
class Awaited:
    """A response that is due.

    Attributes:
        kind, echo, length: kind, half address and length of the request.
        begin: bytes sent before the request.
        next: number of the next request when this request was sent.
        step: the step of a PEEK.
        position: for a READ, the position of its first result, which never wraps.
    """

    kind: Kind
    echo: int
    length: int
    begin: int
    next: int
    step: Step | None = None
    position: int = 0

    def fits(self, flags: int, echo: int, length: int) -> bool:
        """Whether a response with this header may be the awaited one."""
        return (flags & ~BUSY, echo) == (self.kind, self.echo) and length <= self.length


class Session:
    """A conversation with a board over a line.

    `write` and `start` queue steps, which go out as fast as the line and the board take them. The steps are done when `settle`
    returns or their results are there.

    Attributes:
        identity: what the board says about itself.
    """

    identity: Identity

    def __init__(self, line: Line, *, patience_s: float = 5.0, seed: int | None = None) -> None:
        """Begin a session. The board gives up whatever it did before.

        Args:
            line: the line to the board.
            patience_s: seconds that the board may be silent.
            seed: seed of the session numbers, for tests that repeat.

        Raises:
            HostError: nothing answers, or the board speaks another version of the link.
        """
        self._line = line
        self._patience_s = patience_s
        self._random = random.Random(seed)
        self._coming = bytearray()
        self._steps: deque[Step] = deque()
        self._sent: deque[Sent] = deque()
        self._awaited: deque[Awaited] = deque()
        self._next = 0
        self._bytes = 0
        self._greeted = 0  # bytes when the last HELLO was sent
        self._results = Results()
        self._peeked: dict[int, bytes] = {}
        self._chunk = LARGEST_CHUNK
        self._largest_chunk = LARGEST_CHUNK
        self._successes = 0
        self._wait_s = SHORTEST_WAIT_S
        self._active = self._heard = line.now()
        self._window_bytes = max(2 * LARGEST_CHUNK, int(line.baud / 10 * WINDOW_S))
        self._begin()

    # What a board does ----------------------------------------------------------------------------------------------------

    def write(self, address: int, words: bytes) -> None:
        """Put words into the image memory.

        Raises:
            HostError: the board has no such words.
        """
        end = address + len(words) // 4
        if not 0 <= address <= end <= self.identity.memory_words:
            raise HostError(
                f"words up to {end - 1:,} are to be written, and the board's memory has {self.identity.memory_words:,}"
            )
        self._queue(Step(Kind.WRITE, address, len(words), memoryview(words)))

    def peek(self, address: int, count: int) -> bytes:
        """Words of the image memory, little endian.

        Raises:
            HostError: the board has no such words.
        """
        if not 0 <= address < address + count <= self.identity.memory_words:
            last = address + count - 1
            raise HostError(
                f"words {address} to {last} are asked for, and the board's memory has {self.identity.memory_words:,}"
            )
        places = range(address, address + count)
        self._queue(Step(Kind.PEEK, address, 4 * count))
        self.wait(lambda: all(place in self._peeked for place in places))
        return b"".join(self._peeked.pop(place) for place in places)

    def start(self, order: int, inputs: bytes, results: int) -> None:
        """Ask the array to check or run the image, with inputs for its LOAD commands. This makes `results` bytes of results."""
        self._queue(Step(Kind.START, order, results=results))
        if inputs:
            self._queue(Step(Kind.FEED, 0, len(inputs), memoryview(inputs)))
        self._results.due += results

    def results(self, count: int, within_s: float | None = None) -> bytes:
        """The next results. There are fewer if the array has nothing more to do.

        Raises:
            TooLate: the results have not come within this time. None means no limit.
        """
        self.wait(lambda: self._results.waiting >= count or self._results.ended, within_s)
        return self._results.take(count)

    @property
    def outstanding(self) -> int:
        """Bytes of results that are due and not taken yet."""
        return self._results.due - self._results.have + self._results.waiting

    def settle(self, progress: Callable[[int], None] | None = None, within_s: float | None = None) -> None:
        """Wait until the board has received all steps.

        Args:
            progress: is told how many bytes have not been sent yet.

        Raises:
            TooLate: the board has not received them within this time.
        """

        def done() -> bool:
            if progress is not None:
                progress(sum(step.length for step in self._steps))
            return not self._steps and not self._sent

        self.wait(done, within_s)

    def wait(self, done: Callable[[], bool], within_s: float | None = None) -> None:
        """Talk to the board until a condition is true.

        Raises:
            LineLost: the board is silent, or was reset.
            TooLate: the condition is not true within this time.
        """
        self._heard = start = self._line.now()
        while not done():
            if within_s is not None and self._line.now() - start > within_s:
                raise TooLate(f"the board on {self._line.name} is still busy after {self._line.now() - start:.1f} s")
            sent = self._talk()
            self._listen(0 if sent else min(self._wait_s, SHORTEST_WAIT_S))

    # Beginning ------------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Begin two sessions. If the board answers with the second number, it has taken the second RESET."""
        sessions = self._random.sample(range(1, 256), 2)
        start = self._line.now()
        for self._session in sessions:
            wait_s = SHORTEST_WAIT_S
            while (response := self._greet(wait_s)) is None:
                if self._line.now() - start > self._patience_s:
                    raise LineLost(
                        f"nothing that speaks Openwork's link answers on {self._line.name} at {self._line.baud:,} baud: is this "
                        "the board's port, is the bitstream loaded, and is the rate right?"
                    )
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        assert response is not None
        try:
            self.identity = decode_identity(response.payload)
        except LinkError as error:
            raise HostError(f"{self._line.name}: {error}") from None
        # Two requests fit the receive buffer, so that one comes in while the other is carried out.
        self._largest_chunk = min(LARGEST_CHUNK, (self.identity.receive_bytes // 2 - OVERHEAD) & ~3)
        self._chunk = self._largest_chunk
        self._active = self._heard = self._line.now()

    def _greet(self, wait_s: float) -> Response | None:
        """Reset the board, and return the answer to a HELLO, if an answer comes."""
        # The zero in front ends whatever the board heard before.
        reset = b"\0" + encode_request(Request(Kind.RESET, self._session))
        self._awaited.clear()
        self._line.write(reset + self._hello())
        end = self._line.now() + wait_s
        while (left := end - self._line.now()) > 0:
            self._coming += self._line.read(left)
            for _, response in self._responses():
                if (response.session, response.expected) == (self._session, 0):
                    self._awaited.clear()
                    return response
        return None

    # Sending --------------------------------------------------------------------------------------------------------------

    def _queue(self, step: Step) -> None:
        self._steps.append(replace(step, before=self._results.due))

    def _talk(self) -> bool:
        """Send all that may be sent, in one piece. Returns False if there is nothing to send."""
        content = bytearray()
        while len(content) < 4 * LARGEST_CHUNK and (request := self._next_request()):
            content += encode_request(request)
        waits = self._awaited or self._sent
        unconfirmed = self._bytes - self._greeted
        asks_already = any(one.kind in (Kind.READ, Kind.PEEK) for one in self._awaited)
        if self._sent and not asks_already and (unconfirmed > self._window // 4 or (unconfirmed and not content)):
            content += self._hello()
        elif waits and not content and self._line.now() - self._active > self._wait_s + self._line_s():
            # Nothing comes: has anything been lost?
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
            content += self._hello()
        if content:
            self._line.write(bytes(content))
            self._active = self._line.now()
        return bool(content)

    @property
    def _window(self) -> int:
        """Bytes that may be on their way unconfirmed: few on a bad line, because after a loss all of them are sent again."""
        return min(self._window_bytes, CHUNKS_IN_WINDOW * self._chunk)

    def _line_s(self) -> float:
        """Most seconds that the bytes on their way take on the line."""
        sent = sum(one.size for one in self._sent)
        asked = sum(one.length for one in self._awaited)
        return 10 * (sent + asked) / self._line.baud

    def _hello(self) -> bytes:
        tag = self._random.randrange(RESULT_POSITIONS)
        self._awaited.append(Awaited(Kind.HELLO, tag, LONGEST_IDENTITY, self._bytes, self._next))
        self._bytes += OVERHEAD
        self._greeted = self._bytes
        return encode_request(Request(Kind.HELLO, address=tag))

    def _next_request(self) -> Request | None:
        """The next sequenced request, if a request may go out now."""
        if len(self._sent) >= WINDOW:
            return None
        reading = next((one for one in self._awaited if one.kind in (Kind.READ, Kind.PEEK)), None)
        if reading is not None:
            # What stands behind it must fit the board's buffer.
            room = self.identity.receive_bytes - 1 - (self._bytes - reading.begin)
        else:
            room = self._window - sum(one.size for one in self._sent)
        if room < OVERHEAD + SMALLEST_CHUNK:
            return None
        results, buffer_bytes = self._results, self.identity.result_bytes
        limit = self._steps[0].before if self._steps else results.due
        if asked := results.ask(limit, self._chunk, buffer_bytes):
            return self._read(*asked)
        if not self._steps:
            return None
        step = self._steps[0]
        if results.have < step.before and step.before + step.results - results.have > buffer_bytes:
            return None  # the array could wait for room, and this START for the array
        chunk = min(self._chunk, (room - OVERHEAD) & ~3)
        if step.length > chunk:
            words = chunk // 4 if step.kind in (Kind.WRITE, Kind.PEEK) else 0
            self._steps[0] = replace(
                step, address=step.address + words, length=step.length - chunk, payload=step.payload[chunk:]
            )
            step = replace(step, length=chunk, payload=step.payload[:chunk])
        else:
            self._steps.popleft()
        if step.kind is Kind.PEEK:
            echo = step.address % RESULT_POSITIONS
            self._awaited.append(Awaited(Kind.PEEK, echo, step.length, self._bytes, self._next + 1, step))
        return self._number(step.kind, step.length, step.address, bytes(step.payload), step)

    def _read(self, position: int, length: int) -> Request:
        """Ask for results, and let the board drop the results that have arrived."""
        offset = position % RESULT_POSITIONS
        self._awaited.append(Awaited(Kind.READ, offset, length, self._bytes, self._next + 1, position=position))
        return self._number(Kind.READ, length, offset | self._results.have % RESULT_POSITIONS << 16, b"", None)

    def _number(self, kind: Kind, length: int, address: int, payload: bytes, step: Step | None) -> Request:
        size = OVERHEAD + len(payload)
        self._sent.append(Sent(self._next, size, step))
        self._bytes += size
        request = Request(kind, self._next % SEQUENCES, length, address, payload)
        self._next += 1
        return request

    # Receiving ------------------------------------------------------------------------------------------------------------

    def _listen(self, limit_s: float) -> None:
        self._coming += self._line.read(limit_s)
        for place, response in self._responses():
            self._take(place, response)
        if self._line.now() - self._heard > self._patience_s + self._line_s():
            raise LineLost(f"the board on {self._line.name} has stopped answering: is it still plugged in and powered?")

    def _responses(self) -> Iterator[tuple[int, Response]]:
        """The responses that have arrived completely and are awaited, each with its index among these. All else is skipped."""
        while True:
            start = self._coming.find(MARKER)
            del self._coming[: start if start >= 0 else len(self._coming)]
            if len(self._coming) < RESPONSE_HEADER.size:
                return
            _, _, _, flags, echo, length = RESPONSE_HEADER.unpack_from(self._coming)
            # A header that answers nothing would make us wait for bytes that do not come.
            place = next((place for place, one in enumerate(self._awaited) if one.fits(flags, echo, length)), None)
            taken = None
            if place is not None:
                try:
                    taken = decode_response(bytes(self._coming[: length + OVERHEAD]))
                    if taken is None:
                        return
                except LinkError:
                    pass
            if place is None or taken is None:
                del self._coming[0]
            else:
                del self._coming[: taken[1]]
                yield place, taken[0]

    def _take(self, place: int, response: Response) -> None:
        if response.session != self._session:
            raise LineLost(f"the board on {self._line.name} has been reset")
        base = self._sent[0].number if self._sent else self._next
        received = base + (response.expected - base) % SEQUENCES
        if received > self._next:
            raise LineLost(f"the board on {self._line.name} has been reset")
        self._heard = self._active = self._line.now()
        self._wait_s = SHORTEST_WAIT_S
        while self._sent and self._sent[0].number < received:
            self._sent.popleft()
            self._successes += 1
        if self._successes >= SUCCESSES:
            self._successes = 0
            self._chunk = min(2 * self._chunk, self._largest_chunk)

        # The board answers in order: what was due before this will not come any more.
        lost = [self._awaited.popleft() for _ in range(place)]
        one = self._awaited.popleft()
        if one.kind is Kind.READ:
            self._results.keep(one.position, one.length, response.payload, response.busy)
        elif one.step is not None:
            for word in range(len(response.payload) // 4):
                self._peeked[one.step.address + word] = response.payload[4 * word :][:4]
        for other in lost:
            if other.kind is Kind.READ:
                self._results.lost(other.position, other.length)
            elif other.step is not None and other.next <= received:
                self._steps.appendleft(other.step)
        if received < one.next:
            self._go_back()
        elif any(other.kind is not Kind.HELLO for other in lost):
            self._shrink()

    def _go_back(self) -> None:
        """Send requests again, from the first that the board has not received on. They are cut from their steps anew."""
        self._next = self._sent[0].number
        steps = [one.step for one in self._sent if one.step is not None]
        self._steps.extendleft(reversed(steps))
        self._sent.clear()
        waiting, self._awaited = self._awaited, deque()
        for one in waiting:
            if one.kind is Kind.HELLO or one.next <= self._next:
                # What a HELLO that is still on its way says about them is known by now.
                one.next = min(one.next, self._next)
                self._awaited.append(one)
            elif one.kind is Kind.READ:
                self._results.lost(one.position, one.length)
        self._shrink()

    def _shrink(self) -> None:
        self._successes = 0
        self._chunk = max(SMALLEST_CHUNK, self._chunk // 2 & ~3)
