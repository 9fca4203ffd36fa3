"""The results of a network: which tensors each result is made of, and the tail of the model that the host computes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Output:
    """One result of a network.

    Attributes:
        name: of the result; if the host computes a tail, of the tail's input.
        tensors: the tensors of the network that are the result, concatenated along channels.
        shape: the shape that the model gives the result, without the batch.
    """

    name: str
    tensors: tuple[str, ...]
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Tail:
    """The end of a model, which the array cannot compute. The host computes it in floating point.

    The program is data until it runs. Whoever runs it checks it like every `.pt2` file of a stranger (`frontend.tail`).

    Attributes:
        program: the content of a `.pt2` file. Its inputs are the results of the network, in their order.
        batch: how many inputs the program takes at a time.
        names: of the results of the model, which are the results of the program.
    """

    program: bytes
    batch: int
    names: tuple[str, ...]


def joined(outputs: Sequence[Output], tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """All results of a network in one array.

    Args:
        outputs: the results.
        tensors: by name, [..., channels, height, width].

    Returns:
        [..., channels, height, width] of the one result. Several results have different shapes: they are flattened, and follow
        each other in [..., values].
    """
    found = [_concatenated([tensors[name] for name in one.tensors]) for one in outputs]
    if len(found) == 1:
        return found[0]
    return np.concatenate([one.reshape(*one.shape[:-3], -1) for one in found], axis=-1)


def _concatenated(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts, axis=-3)
