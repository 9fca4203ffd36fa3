"""A line to a model of a board, in time that only passes when somebody waits."""

import math
from collections import deque
from dataclasses import dataclass
from random import Random

from openwork_dv.link.model import BoardModel

PIECE = 16
"""Bytes that arrive in one moment; the line's rate holds from one piece to the next."""

USB_FRAME_S = 0.001

BUFFER_BYTES = 4096
"""Of the operating system: writing more waits."""


@dataclass(frozen=True)
class Faults:
    """What becomes of bytes, each by itself and in both directions.

    Attributes:
        rate: of bytes that are lost, doubled, changed, or held up by up to `pause_s`, each as often as the others.
        pause_s: with all behind them.
    """

    rate: float = 0.0
    pause_s: float = 0.02


class Noise:
    """Spoils what goes over a line."""

    def __init__(self, faults: Faults, random: Random) -> None:
        self._faults = faults
        self._random = random
        self._until_fault = self._next_fault()

    def spoil(self, content: bytes) -> tuple[bytes, float]:
        """What is left of it, and for how many seconds it is held up."""
        spoilt, pause_s, at = bytearray(), 0.0, 0
        while at + self._until_fault < len(content):
            spoilt += content[at : at + self._until_fault]
            at += self._until_fault
            byte = content[at : at + 1]
            match self._random.randrange(4):
                case 0:
                    byte = b""
                case 1:
                    byte *= 2
                case 2:
                    byte = bytes([byte[0] ^ self._random.randrange(1, 256)])
                case 3:
                    pause_s += self._random.uniform(0, self._faults.pause_s)
            spoilt += byte
            at += 1
            self._until_fault = self._next_fault()
        self._until_fault -= len(content) - at
        return bytes(spoilt + content[at:]), pause_s

    def _next_fault(self) -> int:
        """Bytes up to the next fault."""
        if not self._faults.rate:
            return 1 << 62
        return int(math.log(1 - self._random.random()) / math.log(1 - self._faults.rate))


class ModelLine:
    """An `openwork.host.Line` to a `BoardModel`.

    Attributes:
        name, baud: as Line's.
        bytes_up, bytes_down: so far, to the board and from it, before any fault.
    """

    name = "model"

    def __init__(
        self,
        board: BoardModel,
        *,
        baud: int = 3_000_000,
        latency_s: float = 0.0,
        faults: Faults = Faults(),  # frozen
        random: Random | None = None,
    ) -> None:
        """`latency_s`: the timer of a converter on USB: it hands on what has come from the board whenever this has passed, and
        what goes to the board each millisecond, USB's own clock."""
        self.baud = baud
        self.bytes_up = self.bytes_down = 0
        self._board = board
        self._byte_s = 10 / baud
        self._latency_s = latency_s
        self._noise = Noise(faults, random or Random(0))
        self._now = board.array.time_s
        self._up: deque[tuple[float, bytes]] = deque()
        self._down: deque[tuple[float, bytes]] = deque()
        self._free_s = {"up": self._now, "down": self._now}

    def now(self) -> float:
        """Seconds."""
        return self._now

    def rest(self, duration_s: float) -> None:
        """Let time pass."""
        end = self._now + duration_s
        while self._step(end):
            pass

    def close(self) -> None:
        """Nothing holds it open."""

    def write(self, content: bytes) -> None:
        """To the board; waits as a port with a buffer does."""
        self.bytes_up += len(content)
        start = _next_tick(self._now, min(self._latency_s, USB_FRAME_S))
        self._send(self._up, "up", start, content)
        full_s = BUFFER_BYTES * self._byte_s
        while self._free_s["up"] - self._now > full_s and self._step(self._free_s["up"] - full_s):
            pass

    def read(self, limit_s: float) -> bytes:
        """From the board."""
        end = self._now + limit_s
        while not (self._down and self._tick(self._down[0][0]) <= self._now):
            if not self._step(end):
                return b""
        content = b""
        while self._down and self._tick(self._down[0][0]) <= self._now:
            content += self._down.popleft()[1]
        return content

    def _step(self, end: float) -> bool:
        """On to the next thing that happens; false if nothing does before the end."""
        board = self._board
        moments = [end]
        if self._up:
            moments.append(self._up[0][0])
        if board.array.done_s is not None:
            moments.append(board.array.done_s)
        if self._down and (seen := self._tick(self._down[0][0])) > self._now:
            moments.append(seen)
        # Never back: a moment may have passed while the host did not wait.
        self._now = max(self._now, min(moments))
        board.array.time_s = self._now
        while self._up and self._up[0][0] <= self._now:
            board.take(self._up.popleft()[1])
        if given := board.give():
            self.bytes_down += len(given)
            self._send(self._down, "down", self._now, given)
        return self._now < end

    def _tick(self, moment: float) -> float:
        """When the host sees what comes at this moment."""
        return _next_tick(moment, self._latency_s)

    def _send(self, queue: deque[tuple[float, bytes]], way: str, start: float, content: bytes) -> None:
        at = max(start, self._free_s[way])
        for first in range(0, len(content), PIECE):
            piece = content[first : first + PIECE]
            at += len(piece) * self._byte_s
            spoilt, pause_s = self._noise.spoil(piece)
            at += pause_s
            queue.append((at, spoilt))
        self._free_s[way] = at


def _next_tick(moment: float, period: float) -> float:
    return math.ceil(moment / period - 1e-9) * period if period else moment
