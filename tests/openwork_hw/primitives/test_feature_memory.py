"""FeatureMemory: one port or two, every technology gives back what was written."""

import random
from collections.abc import Callable

import pytest

from openwork_hw.arch.config import ArrayConfig, ConfigError, Technology
from openwork_hw.primitives.feature_memory import FeatureMemory

CASES = [
    (Technology.GENERIC, False, 3, 64),
    (Technology.GENERIC, True, 3, 64),
    (Technology.ECP5, False, 7, 2048),
    (Technology.ECP5, True, 3, 512),
    (Technology.ICE40, False, 3, 512),
    (Technology.ICE40, True, 3, 16384),
    (Technology.ICE40, True, 8, 1024),
]


@pytest.mark.parametrize(("technology", "single_port", "lanes", "words"), CASES)
def test_reads_what_was_written(
    run_icarus: Callable[..., dict[str, list[int | None]]],
    technology: Technology,
    single_port: bool,
    lanes: int,
    words: int,
) -> None:
    config = ArrayConfig(pes=1, lanes=lanes, feature_words=words, single_port=single_port, technology=technology)
    generator = random.Random(f"{technology} {single_port} {lanes} {words}")
    addresses = [0, words - 1, *(generator.randrange(words) for _ in range(6))]
    stimulus: dict[str, list[int]] = {"write_enable": [], "write_address": [], "write_data": [], "read_address": []}
    contents: dict[int, int] = {}
    expected: list[int | None] = []
    for cycle in range(400):
        # Every address is written once before anything is compared.
        enable = cycle < len(addresses) or generator.randrange(2)
        write = addresses[cycle] if cycle < len(addresses) else generator.choice(addresses)
        read = generator.choice([address for address in addresses if address != write])
        value = generator.getrandbits(8 * lanes)
        for name, number in zip(stimulus, (enable, write, value, read), strict=True):
            stimulus[name].append(number)
        undefined = cycle < len(addresses) or (enable and single_port)
        expected.append(None if undefined else contents[read])
        if enable:
            contents[write] = value
    read_data = run_icarus(FeatureMemory(config), stimulus)["read_data"]
    delay = FeatureMemory.latency_cycles
    for got, wanted in zip(read_data[delay:], expected[:-delay], strict=True):
        assert wanted is None or got == wanted


def test_refuses_more_words_than_a_large_memory_holds() -> None:
    config = ArrayConfig(pes=1, lanes=2, feature_words=32768, single_port=True, technology=Technology.ICE40)
    with pytest.raises(ConfigError, match="at most 16384 words, not 32768"):
        FeatureMemory(config)
