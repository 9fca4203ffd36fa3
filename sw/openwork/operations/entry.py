"""What a step is in the JSON of a `.int8` file: the types of its keys, and what all operations have in common."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from msgspec import Meta, Struct
from numpy.typing import NDArray

from openwork.tensors import Tensor
from openwork_hw.arch.arithmetic import ACTIVATION_MAX, ACTIVATION_MIN
from openwork_hw.arch.nonzeros import MAX_ROWS

if TYPE_CHECKING:
    from openwork.operations.operation import Step

Int8 = Annotated[int, Meta(ge=ACTIVATION_MIN, le=ACTIVATION_MAX)]
Size = Annotated[int, Meta(ge=1, le=1 << 24)]
"""Of a map or of weights, along one axis."""

Sizes = tuple[Size, Size, Size]
"""Channels, height, width."""

Count = Annotated[int, Meta(ge=1, le=MAX_ROWS)]
"""A number of groups, or one of a pair."""


class DownAcross(NamedTuple):
    """Two numbers. A plain tuple is not possible beside a number: msgspec takes its length for a limit of the number."""

    down: Count
    across: Count


Pair = Count | DownAcross
"""A stride, dilation or factor down and across; one number if both are equal."""

Side = Annotated[int, Meta(ge=0, le=1 << 16)]
Padding = tuple[Side, Side, Side, Side]
"""Pixels at top, left, bottom, right."""

Inputs = Annotated[tuple[str, ...], Meta(min_length=1)]

Arrays = Mapping[str, NDArray[Any]]
"""The tensors of a file by name."""


def pair_entry(pair: tuple[int, int]) -> Pair:
    """Numbers down and across as a file holds them."""
    return pair[0] if pair[0] == pair[1] else DownAcross(*pair)


def pair_of(entry: Pair) -> tuple[int, int]:
    """Numbers down and across that a file holds."""
    return (entry, entry) if isinstance(entry, int) else (entry.down, entry.across)


class StepEntry(Struct, forbid_unknown_fields=True, frozen=True, tag_field="kind"):
    """A step in the JSON. Each operation has a class below this one, tagged with the operation's `kind`.

    `msgspec` decodes it strictly: it refuses a key more or less, another type, and a number out of its range. What the keys
    must have in common with each other, the step itself checks.
    """

    inputs: Inputs
    output: str

    @property
    def unpacked_bytes(self) -> int:
        """What the arrays of the step take when they are unpacked, known before they are."""
        return 0

    def stored(self, _found: Collection[str]) -> set[str]:
        """Names of the arrays that belong to the step, of those that a file holds or should hold."""
        return set()

    def step(self, tensors: Mapping[str, Tensor], arrays: Arrays) -> "Step":
        """The step.

        Args:
            tensors: of the network, by name; the step's own are among them.
            arrays: of the file; those that `stored` names are among them.

        Raises:
            NetworkError, LayerError: the entry or its arrays mean nothing.
        """
        raise NotImplementedError
