"""Multipliers: the product, in every technology, after the same number of cycles."""

import random
from collections.abc import Callable

import pytest

from openwork_hw.arch.config import MULTIPLIER_CYCLES, ArrayConfig, Technology
from openwork_hw.primitives.multipliers import Multipliers


@pytest.mark.parametrize("technology", list(Technology))
@pytest.mark.parametrize("lanes", [1, 3, 8])
def test_products(run_icarus: Callable[..., dict[str, list[int | None]]], technology: Technology, lanes: int) -> None:
    config = ArrayConfig(pes=1, lanes=lanes, technology=technology)
    generator = random.Random(f"{technology} {lanes}")
    corners = [-128, -127, -1, 0, 1, 127]
    values = [
        (w, [generator.choice([*corners, generator.randrange(-128, 128)]) for _ in range(lanes)])
        for w in [*corners, *(generator.randrange(-128, 128) for _ in range(300))]
    ]
    values[:0] = [(-128, [-128] * lanes)]
    stimulus = {
        "x": [sum((x & 0xFF) << 8 * lane for lane, x in enumerate(operands)) for _, operands in values],
        "w": [w for w, _ in values],
    }
    products = run_icarus(Multipliers(config), stimulus)["products"]
    expected = [sum((w * x & 0xFFFF) << 16 * lane for lane, x in enumerate(operands)) for w, operands in values]
    assert Multipliers.latency_cycles == MULTIPLIER_CYCLES
    assert products[MULTIPLIER_CYCLES:] == expected[:-MULTIPLIER_CYCLES]
