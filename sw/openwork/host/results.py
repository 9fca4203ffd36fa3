"""Puts the results of a session together from the responses of the board."""

from bisect import insort


class Results:
    """Which results have arrived, which have been asked for, and which must be asked for once more.

    Attributes:
        have: how many bytes of results have arrived so far.
        due: how many bytes of results all requests so far make.
        ended: whether the array has no more results, although more were asked for.
    """

    def __init__(self) -> None:
        self.have = self.due = 0
        self.ended = False
        self._here = bytearray()
        self._asked = 0
        self._again: list[tuple[int, int]] = []  # position and length, in order
        self._ahead: dict[int, bytes] = {}  # those behind some that are missing

    @property
    def waiting(self) -> int:
        """How many bytes have arrived and are not taken yet."""
        return len(self._here)

    def take(self, count: int) -> bytes:
        """Take the next results."""
        content = bytes(self._here[:count])
        del self._here[:count]
        return content

    def ask(self, limit: int, longest: int, buffer_bytes: int) -> tuple[int, int] | None:
        """Position and length of the results to ask for next, if there are any.

        Args:
            limit: position up to which the requests sent so far make results.
            longest: most bytes to ask for.
            buffer_bytes: bytes that the board keeps.
        """
        if self._again and self._again[0][0] < limit:
            position, length = self._again.pop(0)
            self.lost(position + longest, length - longest)
            return position, min(length, longest)
        length = min(longest, limit - self._asked, buffer_bytes - (self._asked - self.have))
        if length <= 0:
            return None
        self._asked += length
        return self._asked - length, length

    def lost(self, position: int, length: int) -> None:
        """Note results that must be asked for again, because a response is lost or was too short."""
        if length > 0:
            insort(self._again, (position, length))

    def keep(self, position: int, length: int, content: bytes, busy: bool) -> None:
        """Keep the results of a response: all that was asked for, or the first part. `busy`: the board still works."""
        end = position + len(content)
        self.lost(end, length - len(content))
        self._ahead[position] = content
        while ready := self._ahead.pop(self.have, b""):
            self._here += ready
            self.have += len(ready)
        self.ended = not busy and len(content) < length and end == self.have
