"""A line that carries bytes to a board and back."""

import errno
import time
from typing import Protocol

import serial
from serial.tools import list_ports

from openwork_hw.arch.refusal import Refusal


class HostError(Refusal):
    """A board that cannot be used. The message says why and what to do."""


class LineLost(HostError):
    """The board does not answer any more, or was reset. A new session may help."""


class TooLate(HostError):
    """The board answers, but does not finish a request in the given time."""


class Line(Protocol):
    """What a `Session` needs: bytes in both directions, and a clock for its waits.

    Attributes:
        name: name of the line, for messages.
        baud: bits per second. A byte takes ten bits.
    """

    name: str
    baud: int

    def read(self, limit_s: float) -> bytes:
        """The bytes that have come. Waits up to the limit for a first byte."""

    def write(self, content: bytes) -> None:
        """Send all these bytes in order."""

    def now(self) -> float:
        """Seconds since a fixed moment."""

    def rest(self, duration_s: float) -> None:
        """Let time pass."""

    def close(self) -> None:
        """Close the line. May be called twice."""


class SerialLine:
    """A serial port, by pyserial: the path of a device, or one of its addresses like ``socket://host:port``.

    Raises:
        HostError: there is no such port, or the user may not open it.
    """

    def __init__(self, name: str, baud: int) -> None:
        self.name = name
        self.baud = baud
        try:
            self._port = serial.serial_for_url(name, baudrate=baud, exclusive=True)
        except ValueError as error:
            raise HostError(f"{name} cannot be opened at {baud:,} baud: {error}") from None
        except serial.SerialException as error:
            raise HostError(_refusal(name, error)) from None
        except NotImplementedError:  # an address whose kind of port has no exclusive use
            self._port = serial.serial_for_url(name, baudrate=baud)

    def read(self, limit_s: float) -> bytes:
        """See `Line`.

        Raises:
            LineLost: the port is gone.
        """
        try:
            self._port.timeout = limit_s
            first = self._port.read(1)
            return bytes(first + self._port.read(self._port.in_waiting)) if first else b""
        except (OSError, TypeError) as error:  # a port that closes beneath pyserial has no number any more
            raise LineLost(f"the port {self.name} is gone: {error}") from None

    def write(self, content: bytes) -> None:
        """See `Line`.

        Raises:
            LineLost: the port is gone.
        """
        try:
            self._port.write(content)
        except OSError as error:
            raise LineLost(f"the port {self.name} is gone: {error}") from None

    def now(self) -> float:
        """See `Line`."""
        return time.monotonic()

    def rest(self, duration_s: float) -> None:
        """See `Line`."""
        time.sleep(duration_s)

    def close(self) -> None:
        """See `Line`."""
        self._port.close()


def _refusal(name: str, error: serial.SerialException) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"you may not open {name}: join the group that it belongs to (often dialout) and log in again"
    if error.errno in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return f"{name} is in use by another program: close that one first"
    if error.errno == errno.ENOENT:
        ports = ", ".join(sorted(port.device for port in list_ports.comports())) or "none"
        return f"there is no port {name}: is the board plugged in? (ports here: {ports})"
    return f"{name} cannot be opened: {error}"
