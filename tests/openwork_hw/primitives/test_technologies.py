"""The table of technologies is whole, and what is not in it is refused before anything is built."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from openwork_hw.arch.config import ArrayConfig, ConfigError, Technology
from openwork_hw.primitives import technologies
from openwork_hw.primitives.accumulator import Accumulator
from openwork_hw.primitives.block_memory import BlockMemory
from openwork_hw.primitives.clearable_adder import ClearableAdder
from openwork_hw.primitives.feature_memory import FeatureMemory
from openwork_hw.primitives.multipliers import Multipliers
from openwork_hw.primitives.selector import Selector
from openwork_hw.primitives.shared_memory import SharedMemory
from openwork_hw.primitives.technologies import primitives_of

CONFIG = ArrayConfig(1, 2, feature_words=64)


@pytest.fixture
def unknown() -> Technology:
    """A technology that somebody has added to the enumeration alone."""
    member = str.__new__(Technology, "nexus")
    member._name_, member._value_ = "NEXUS", "nexus"
    return member


@pytest.mark.parametrize("technology", list(Technology))
def test_every_technology_has_its_primitives(technology: Technology) -> None:
    assert primitives_of(technology).technology is technology


BUILD: list[Callable[[Technology], object]] = [
    lambda technology: Multipliers(replace(CONFIG, technology=technology)),
    lambda technology: FeatureMemory(replace(CONFIG, technology=technology)),
    lambda technology: BlockMemory(8, 16, technology),
    lambda technology: SharedMemory(8, 16, technology).elaborate(None),
    lambda technology: ClearableAdder(20, technology),
    lambda technology: Selector(8, 4, technology),
    lambda technology: Accumulator(20, technology, max_pooling=False),
]


@pytest.mark.parametrize("build", BUILD)
def test_an_unknown_technology_is_refused(build: Callable[[Technology], object], unknown: Technology) -> None:
    build(Technology.GENERIC)
    with pytest.raises(
        ConfigError, match="no primitives for the technology nexus, only for generic, ecp5, ice40, gowin"
    ):
        build(unknown)


@pytest.mark.parametrize("name", ["multipliers", "clearable_adder", "selector", "block_memory"])
def test_a_missing_primitive_is_refused(name: str, unknown: Technology) -> None:
    whole = replace(technologies.primitives_of(Technology.GENERIC), technology=unknown)
    with pytest.raises(ConfigError, match=f"the technology nexus has no {name}: write one"):
        replace(whole, **{name: None})  # type: ignore[arg-type]  # which is the test
