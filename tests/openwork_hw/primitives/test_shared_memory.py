"""SharedMemory: on every device, both readers get what was written, as from a table in Python."""

import random
from collections.abc import Callable

import pytest
from tests.slow import slow_but

from openwork_hw.arch.config import ConfigError, Technology
from openwork_hw.primitives.shared_memory import SharedMemory

CYCLES = 400


SIZES = [(8, 256), (9, 20)]
CASES = [(technology, *size) for technology in Technology for size in SIZES]
SLOW = [(Technology.GOWIN, *size) for size in SIZES]
"""A simulator fills the whole part: that takes seconds."""


@pytest.mark.parametrize(("technology", "width", "depth"), slow_but(CASES, *(one for one in CASES if one not in SLOW)))
def test_both_readers_get_what_was_written(
    run_icarus: Callable[..., dict[str, list[int | None]]], technology: Technology, width: int, depth: int
) -> None:
    generator = random.Random(f"{technology} {width}")
    memory = SharedMemory(width, depth, technology)
    addresses = [0, depth - 1, *(generator.randrange(depth) for _ in range(6))]
    names = ("write_enable", "write_address", "write_data", "read_address_0", "read_address_1")
    stimulus: dict[str, list[int]] = {name: [] for name in names}
    words: dict[int, int] = {}
    expected: list[tuple[int, int] | None] = []
    for cycle in range(CYCLES):
        enable = cycle < len(addresses) or generator.random() < 0.3
        write = addresses[cycle] if cycle < len(addresses) else generator.choice(addresses)
        first, second, value = (*generator.choices(addresses, k=2), generator.getrandbits(width))
        for name, number in zip(names, (int(enable), write, value, first, second), strict=True):
            stimulus[name].append(number)
        expected.append(None if enable else (words[first], words[second]))
        if enable:
            words[write] = value
    found = run_icarus(memory, stimulus)
    delay = SharedMemory.latency_cycles
    pairs = list(zip(found["read_data_0"], found["read_data_1"], strict=True))[delay:]
    assert sum(one is not None for one in expected) > CYCLES // 2
    assert [(one, pair) for one, pair in zip(expected, pairs, strict=False) if one not in (None, pair)] == []


@pytest.mark.parametrize(("width", "depth"), [(10, 256), (8, 2049), (0, 4)])
def test_refuses_what_one_block_memory_does_not_hold(width: int, depth: int) -> None:
    with pytest.raises(ConfigError, match=f"1 to 2,048 words of 1 to 9 bits, not {depth} of {width}"):
        SharedMemory(width, depth, Technology.ECP5)
