"""What watches the array's outputs. Monitors never drive."""

from typing import Any

MAX_PROBLEMS = 5
"""More from one stream say nothing new."""


class Monitor:
    """Collects what one stream hands over, and checks that an offered payload stays until it is taken.

    Attributes:
        taken: payloads, oldest first.
        problems: rules that were broken.
    """

    def __init__(self, top: Any, name: str) -> None:
        self.taken: list[int] = []
        self.problems: list[str] = []
        self._name = name
        self._valid = getattr(top, f"{name}__valid")
        self._ready = getattr(top, f"{name}__ready")
        self._payload = getattr(top, f"{name}__payload")
        self._waiting: int | None = None

    def complain(self, problem: str) -> None:
        """Keep a broken rule, unless there are many already."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(f"{self._name}.{problem}")

    def edge(self, cycle: int) -> None:
        """A rising edge: what was offered, and was it taken?"""
        valid = self._valid.value
        if valid != 1:
            if valid != 0:
                self.complain(f"valid is undefined in cycle {cycle}")
            if self._waiting is not None:
                self.complain(f"valid fell in cycle {cycle} before its payload was taken")
                self._waiting = None
            return
        value = self._payload.value
        if not value.is_resolvable:
            self.complain(f"payload is undefined in cycle {cycle}")
            return
        payload = value.to_unsigned()
        if self._waiting is not None and payload != self._waiting:
            self.complain(f"payload changed in cycle {cycle} before it was taken")
        if self._ready.value == 1:
            self.taken.append(payload)
            self._waiting = None
        else:
            self._waiting = payload

    def clear(self) -> None:
        """A reset: what was offered may go."""
        self._waiting = None
        self.taken.clear()
