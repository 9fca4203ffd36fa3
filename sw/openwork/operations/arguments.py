"""Reads and checks the arguments of a node for a lowering."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openwork.frontend.node import Node


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


def equal(value: Any, what: str) -> int:
    """The number of an argument that must be the same in both directions."""
    first, second = pair(value, what)
    if first != second:
        raise Unsupported(f"with {what} {first} x {second}: both directions must be equal")
    return first


def stride_of(node: "Node", value: Any) -> int:
    """The stride, which must be the same in both directions. In a direction with one pixel, any stride is taken."""
    height, width = node.shape[2:]
    down, across = pair(value, "stride")
    if height == 1 or width == 1:
        return across if height == 1 else down
    return equal(value, "stride")
