"""What drives the array's ports: sources that offer payloads, sinks that say ready, both stalling at random."""

from collections import deque
from collections.abc import Iterable
from random import Random
from typing import Any


class Source:
    """Offers queued payloads to one stream; while it stalls, its payload is noise.

    `edge` is called after each rising clock edge, before anything has changed.
    """

    def __init__(self, top: Any, name: str) -> None:
        self.name = name
        self.queue: deque[int] = deque()
        self._valid = getattr(top, f"{name}__valid")
        self._ready = getattr(top, f"{name}__ready")
        self._payload = getattr(top, f"{name}__payload")
        self._bits = len(self._payload)
        self._offered = False
        self.clear()

    @property
    def busy(self) -> bool:
        """There is something to offer or offered."""
        return bool(self.queue) or self._offered

    def push(self, payloads: Iterable[int]) -> None:
        """Offer these, in order, after what is queued."""
        self.queue.extend(payloads)

    def clear(self) -> None:
        """Forget everything and offer nothing."""
        self.queue.clear()
        self._offered = False
        self._valid.value = 0

    def edge(self, random: Random, stall: float) -> None:
        """A rising edge: was the payload taken, and what comes next?"""
        if self._offered:
            if self._ready.value != 1:
                return
            self.queue.popleft()
            if self.queue and not (stall and random.random() < stall):
                self._payload.value = self.queue[0]
                return
            self._offered = False
            self._valid.value = 0
            self._payload.value = random.getrandbits(self._bits)
        elif self.queue and not (stall and random.random() < stall):
            self._offered = True
            self._valid.value = 1
            self._payload.value = self.queue[0]


class Sink:
    """Drives the ready of one stream."""

    def __init__(self, top: Any, name: str) -> None:
        self._ready = getattr(top, f"{name}__ready")
        self._now = 1
        self._ready.value = 1

    def edge(self, random: Random, stall: float) -> None:
        """A rising edge: ready in the next cycle?"""
        ready = 0 if stall and random.random() < stall else 1
        if ready != self._now:
            self._now = ready
            self._ready.value = ready
