"""What the JSON of a `.int8` file is, key by key, with the type and the range of each (`docs/formats.md`).

`msgspec` decodes these structures strictly: it refuses a key more or less, another type, and a number out of its range. What
the entries must have in common with each other, the network itself checks.
"""

from typing import Annotated

from msgspec import Meta, Struct

from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.nonzeros import MAX_ROWS

Activation = Annotated[int, Meta(ge=ACTIVATION_MIN, le=ACTIVATION_MAX)]
Size = Annotated[int, Meta(ge=1, le=1 << 24)]
"""Of a map or of weights, along one axis."""

Shape = tuple[Size, Size, Size]
Count = Annotated[int, Meta(ge=1, le=MAX_ROWS)]
"""A stride, dilation, factor or number of groups."""

Side = Annotated[int, Meta(ge=0, le=1 << 16)]
Padding = tuple[Side, Side, Side, Side]
"""Pixels at top, left, bottom, right."""

Inputs = Annotated[tuple[str, ...], Meta(min_length=1)]


class TensorEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """A tensor: its name, its shape, what its integers stand for."""

    name: str
    shape: Shape
    scale: Annotated[float, Meta(gt=0)]
    zero_point: Activation


class LayerEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="layer"):
    """A layer, whose numbers are tensors of the file."""

    inputs: Inputs
    output: str
    weights: tuple[Size, Size, Size, Size]
    stride: Count
    padding: Padding
    dilation: Count
    groups: Count
    pad_value: Activation
    low: Activation
    high: Activation


class MaxPoolEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="max_pool"):
    """The largest value of a window."""

    inputs: Inputs
    output: str
    kernel: tuple[Size, Size]
    stride: Count
    padding: Padding


class UpsampleEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="upsample"):
    """Each pixel several times."""

    inputs: Inputs
    output: str
    factor: Count


class ReshapeEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind", tag="reshape"):
    """The same integers in another shape."""

    inputs: Inputs
    output: str
    shape: Shape


StepEntry = LayerEntry | MaxPoolEntry | UpsampleEntry | ReshapeEntry


class Graph(Struct, forbid_unknown_fields=True, frozen=True):
    """The network."""

    tensors: tuple[TensorEntry, ...]
    steps: Annotated[tuple[StepEntry, ...], Meta(min_length=1)]
    outputs: Inputs


class Header(Struct, forbid_unknown_fields=True, frozen=True):
    """All JSON of the file."""

    format: str
    version: int
    crc32: str
    graph: Graph
