"""What the JSON of a `.image` file is, key by key, with the type and the range of each (`docs/formats.md`)."""

from dataclasses import fields
from typing import Annotated, Any, Literal, get_type_hints

from msgspec import Meta, Struct, defstruct

from openwork.operations.entry import Int8, Size, Sizes
from openwork_hw.arch.config import LATER_SIZES, MAX_LANES, MAX_PES, ArrayConfig
from openwork_hw.arch.transfers import MOST_SCRATCHPAD_WORDS

Cycles = Annotated[int, Meta(ge=0, le=1 << 48)]
"""Of a command: at 1 MHz, more than eight years."""

Words = Annotated[int, Meta(ge=1, le=1 << 32)]
"""Feature words of all PEs: more than the largest array has."""

_types: dict[str, Any] = get_type_hints(ArrayConfig)
_sizes = {field.name: _types[field.name] for field in fields(ArrayConfig)}
ConfigEntry: Any = defstruct(
    "ConfigEntry",
    [(name, kind) for name, kind in _sizes.items() if name not in LATER_SIZES]
    + [(name, bool, False) for name in LATER_SIZES],
    forbid_unknown_fields=True,
)
"""Every size of an array, under its name in `ArrayConfig`, which checks the ranges; `LATER_SIZES` only where they are set."""


class PlaceEntry(Struct, forbid_unknown_fields=True, frozen=True):
    """Where a tensor lies."""

    tensor: str
    shape: Sizes
    row_groups: Annotated[int, Meta(ge=1, le=MAX_PES)]
    lanes: Annotated[int, Meta(ge=1, le=MAX_LANES)]
    block: tuple[Size, Size]
    base: Annotated[int, Meta(ge=0, le=(1 << 16) - 1)]
    fill: Int8
    vector: bool
    step: str


CommandEntry = tuple[
    str, Literal["LOAD", "RUN", "MOVE", "STORE", "TABLE"], Cycles, Annotated[int, Meta(ge=0, le=(1 << 13) - 1)]
]
"""Tensor, kind, predicted cycles, entries of the tap table or values of the activation table."""


class Plan(Struct, forbid_unknown_fields=True, frozen=True):
    """Everything that a host must know besides the network and the words."""

    config: ConfigEntry
    encoding: Literal["csr", "triplet", "packed"]
    places: Annotated[tuple[PlaceEntry, ...], Meta(min_length=2)]
    commands: Annotated[tuple[CommandEntry, ...], Meta(min_length=2)]
    stored: Annotated[tuple[tuple[str, Words], ...], Meta(min_length=1)]
    orders: dict[str, tuple[Annotated[int, Meta(ge=0, le=(1 << 16) - 1)], ...]]
    scratchpad_words: Annotated[int, Meta(ge=0, le=MOST_SCRATCHPAD_WORDS)] = 0
    spilled: tuple[str, ...] = ()


class Header(Struct, forbid_unknown_fields=True, frozen=True):
    """All JSON of the file; the plan is JSON text again."""

    format: str
    version: int
    crc32: str
    plan: str
