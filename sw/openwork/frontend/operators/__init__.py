"""The operators that the front end takes, each with a function of the node and its arguments by name.

A function says which tensors its node stands for, and adds steps that make them; or it raises `Unsupported`.
"""

from collections.abc import Callable, Mapping

from openwork.frontend.builder import Parts
from openwork.frontend.operators import arithmetic, averages, functions, padding, resizing, shapes, transposed, weights
from openwork.operations import LOWERINGS

__all__ = ["OPERATORS"]

OPERATORS: Mapping[str, Callable[..., Parts]] = {
    **weights.OPERATORS,
    **arithmetic.OPERATORS,
    **averages.OPERATORS,
    **functions.OPERATORS,
    **padding.OPERATORS,
    **resizing.OPERATORS,
    **transposed.OPERATORS,
    **shapes.OPERATORS,
    **LOWERINGS,
}
