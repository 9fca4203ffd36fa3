"""The primitives of each technology, in one table. A new technology is a new row of this table."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Signal

from openwork_hw.arch.config import ConfigError, Technology
from openwork_hw.primitives import ecp5, generic, gowin, ice40

Build = Callable[[Module, Any], None]
"""Fills the module of the component that is given with it, and drives that component's outputs."""


@dataclass(frozen=True)
class Primitives:
    """The primitives of one technology, each under the name of the component that is made of it.

    Attributes:
        technology: the technology.
        multipliers, clearable_adder, selector, block_memory: the versions of `Multipliers`, `ClearableAdder`, `Selector` and
            `BlockMemory`.
        shared_memory: the version of `SharedMemory`; None if it is two block memories.
        single_port_memory: the version of a `FeatureMemory` with one port; None if it is a block memory like the one with two.
        block_words: most words per block memory; None for any number.
        block_start: whether a block memory can hold contents from the start.
        reads_back: whether the write port of a block memory can read, too.
        single_port_words: most words per feature memory with one port; None for any number.
        clear_is_free: whether an adder folds the clear of an addend into its cells.

    Raises:
        ConfigError: a primitive is missing.
    """

    technology: Technology
    multipliers: Build
    clearable_adder: Build
    selector: Build
    block_memory: Build
    single_port_memory: Callable[[Module, Any, Signal], Signal] | None
    shared_memory: Build | None = None
    block_words: int | None = None
    block_start: bool = True
    reads_back: bool = False
    single_port_words: int | None = None
    clear_is_free: bool = False

    def __post_init__(self) -> None:
        for name in ("multipliers", "clearable_adder", "selector", "block_memory"):
            if getattr(self, name) is None:
                raise ConfigError(
                    f"the technology {self.technology} has no {name}: write one beside those in openwork_hw/primitives/generic.py"
                )


_TABLE = {
    Technology.GENERIC: Primitives(
        Technology.GENERIC,
        generic.multipliers,
        generic.clearable_adder,
        generic.selector,
        generic.block_memory,
        generic.single_port_memory,
        generic.shared_memory,
        reads_back=True,
    ),
    Technology.ECP5: Primitives(
        Technology.ECP5,
        ecp5.multipliers,
        ecp5.clearable_adder,
        ecp5.selector,
        ecp5.block_memory,
        None,
        ecp5.shared_memory,
        block_words=max(ecp5.BLOCK_MODES),
        reads_back=True,
        clear_is_free=True,
    ),
    Technology.ICE40: Primitives(
        Technology.ICE40,
        ice40.multipliers,
        generic.clearable_adder,
        generic.selector,
        ice40.block_memory,
        ice40.single_port_memory,
        block_words=max(ice40.BLOCK_MODES),
        block_start=False,
        single_port_words=ice40.SINGLE_PORT_WORDS,
    ),
    Technology.GOWIN: Primitives(
        Technology.GOWIN,
        gowin.multipliers,
        generic.clearable_adder,
        generic.selector,
        gowin.block_memory,
        generic.single_port_memory,
        block_words=max(gowin.BLOCK_MODES),
    ),
}


def primitives_of(technology: Technology) -> Primitives:
    """What a technology gives.

    Raises:
        ConfigError: there is no such technology in the table.
    """
    if technology not in _TABLE:
        raise ConfigError(
            f"there are no primitives for the technology {technology!s}, only for {', '.join(_TABLE)}: write a file for it in "
            "openwork_hw/primitives, and an entry in the table of technologies.py"
        )
    return _TABLE[technology]
