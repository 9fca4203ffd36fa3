"""The host's side of a board with the byte shell: it loads images, runs them, and says what is wrong."""

from openwork.host.board import Board
from openwork.host.line import HostError, Line, LineLost, SerialLine
from openwork.host.session import Session

__all__ = ["Board", "HostError", "Line", "LineLost", "SerialLine", "Session"]
