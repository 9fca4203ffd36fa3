"""Reads and checks the arguments of a node for a lowering."""

from typing import Any


class Unsupported(Exception):
    """A node that cannot be taken. The message says why, in words that follow the operator's name."""


def integers(value: Any, what: str) -> list[int]:
    """The whole numbers of an argument that is one number or a list of numbers."""
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    if not all(isinstance(number, int) for number in numbers):
        raise Unsupported(f"with {what} {numbers}, which depends on the size of the input")
    return numbers


def pair(value: Any, what: str) -> tuple[int, int]:
    """Height and width of an argument that may be one number for both."""
    numbers = integers(value, what)
    return numbers[0], numbers[-1]
