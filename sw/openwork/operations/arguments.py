"""What a lowering says of the arguments of a node that it was given."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openwork.frontend.node import Node


class Unsupported(Exception):
    """Why one node cannot be taken, in words that follow the operator's name."""


def integers(value: Any, what: str) -> list[int]:
    """The whole numbers of an argument that is one or a list of them."""
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    if not all(isinstance(number, int) for number in numbers):
        raise Unsupported(f"with {what} {numbers}, which depends on the size of the input")
    return numbers


def pair(value: Any, what: str) -> tuple[int, int]:
    """Height and width of an argument that may be one number for both."""
    numbers = integers(value, what)
    return numbers[0], numbers[-1]


def equal(value: Any, what: str) -> int:
    """The one number of an argument that must be the same in both directions."""
    first, second = pair(value, what)
    if first != second:
        raise Unsupported(f"with {what} {first} x {second}: both directions must be equal")
    return first


def stride_of(node: "Node", value: Any) -> int:
    """The stride in both directions; along one in which there is one pixel it may be any."""
    height, width = node.shape[2:]
    down, across = pair(value, "stride")
    if height == 1 or width == 1:
        return across if height == 1 else down
    return equal(value, "stride")
