"""What the JSON of a `.int8` file is, key by key, with the type and the range of each (`docs/formats.md`).

`msgspec` decodes these structures strictly: it refuses a key more or less, another type, and a number out of its range. What
the entries must have in common with each other, the network itself checks.
"""

from typing import Annotated, Any, Union

from msgspec import Meta, Struct

from openwork.operations import STEPS
from openwork.operations.entry import Inputs, Int8, Sizes

AnyStepEntry: Any = Union[tuple(step.Entry for step in STEPS)]  # noqa: UP007  # of as many classes as there are operations
"""A step: the class of its operation, by the key `kind`."""


class TensorEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """A tensor: its name, its shape, what its integers stand for."""

    name: str
    shape: Sizes
    scale: Annotated[float, Meta(gt=0)]
    zero_point: Int8


class Graph(Struct, forbid_unknown_fields=True, frozen=True):
    """The network."""

    tensors: tuple[TensorEntry, ...]
    steps: Annotated[tuple[AnyStepEntry, ...], Meta(min_length=1)]
    outputs: Inputs


class Header(Struct, forbid_unknown_fields=True, frozen=True):
    """All JSON of the file."""

    format: str
    version: int
    crc32: str
    graph: Graph
