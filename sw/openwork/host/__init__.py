"""Talks to a board that holds the byte shell: loads images, runs them, says what is wrong."""

from openwork.host.board import Board
from openwork.host.line import HostError, Line, LineLost, SerialLine
from openwork.host.session import Session

__all__ = ["Board", "HostError", "Line", "LineLost", "SerialLine", "Session"]
