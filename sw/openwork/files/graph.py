"""What the JSON of a `.int8` file is, key by key, with the type and the range of each (`docs/formats.md`).

`msgspec` decodes these structures strictly: it refuses a key more or less, another type, and a number out of its range. What
the entries must have in common with each other, the network itself checks.
"""

from typing import Annotated, Any, Union

from msgspec import Meta, Struct

from openwork.operations import STEPS
from openwork.operations.entry import Inputs, Int8, Size, Sizes

Name = Annotated[str, Meta(min_length=1, max_length=1000)]

TAIL = "tail.pt2"
"""The array of a file that holds the program of a tail."""

AnyStepEntry: Any = Union[tuple(step.Entry for step in STEPS)]  # noqa: UP007  # of as many classes as there are operations
"""A step: the class of its operation, by the key `kind`."""


class TensorEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """A tensor: its name, its shape, what its integers stand for."""

    name: str
    shape: Sizes
    scale: Annotated[float, Meta(gt=0)]
    zero_point: Int8


class ResultEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """A result: its name, the tensors that it is made of, its shape in the model without the batch."""

    name: Name
    tensors: Inputs
    shape: Annotated[tuple[Size, ...], Meta(max_length=16)]


class TailEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """What the host computes; the program is the array `TAIL` of the file."""

    batch: Annotated[int, Meta(ge=1, le=1 << 16)]
    names: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=1 << 12)]


class Graph(Struct, forbid_unknown_fields=True, frozen=True):
    """The network. Results and tail are left out if all outputs are one result."""

    tensors: tuple[TensorEntry, ...]
    steps: Annotated[tuple[AnyStepEntry, ...], Meta(min_length=1)]
    outputs: Inputs
    results: Annotated[tuple[ResultEntry, ...], Meta(max_length=1 << 12)] = ()
    tail: TailEntry | None = None


class Header(Struct, forbid_unknown_fields=True, frozen=True):
    """All JSON of the file."""

    format: str
    version: int
    crc32: str
    graph: Graph
