"""The SDRAM controller on the model of its chip: every word, every cycle, and no rule of the data sheet broken."""

from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from tests.slow import slow_but

from openwork_dv.formal.mutants import around, mutant
from openwork_dv.sdram.system import SdramSystem, Served, serve
from openwork_hw.arch.sdram import SDRAM_CHIPS, Request, SdramChip, SdramConfig, burst_cycles
from openwork_hw.memory import refresh_timer, sdram_controller


def small(name: str, clock_hz: float) -> SdramConfig:
    """A chip of this kind that has few rows, so that they are all refreshed within a short simulation."""
    chip = SDRAM_CHIPS[name]
    more = chip.refreshes >> chip.row_bits
    few = replace(chip, row_bits=4, column_bits=5, refreshes=16 << more - 1 if more else 16, startup=1000)
    return SdramConfig(replace(few, retention=16 * more * 150e9 / clock_hz + 1000), clock_hz)


CONFIGS = {
    "16 bits, CAS latency 2": small("IS42S16160G", 100e6),
    "16 bits, CAS latency 3": small("IS42S16160G", 133e6),
    "16 bits, slow": small("AS4C32M16", 100e6),
    "16 bits, slow clock": small("AS4C32M16", 25e6),
    "32 bits": small("M12L64322A", 93.75e6),
    "32 bits, 112.5 MHz": small("EM638325", 112.5e6),
}


def random_requests(chip: SdramChip, random: Random, number: int) -> list[Request]:
    """Long and short bursts, reads and writes, to the same bank and to others, at once and after pauses."""
    requests, cycle = [], 0
    for _ in range(number):
        column = random.choice((0, 0, random.randrange(chip.columns), chip.columns - 1))
        beats = random.choice((1, 2, chip.columns - column, random.randint(1, chip.columns - column)))
        beats = min(beats, chip.columns - column)
        row = random.randrange(1 << chip.row_bits + chip.bank_bits) if random.random() < 0.7 else 5
        cycle += random.choice((0, 0, 0, 0, random.randrange(120)))
        requests.append(Request(random.random() < 0.5, row << chip.column_bits | column, beats, cycle))
        cycle += beats
    return requests


def with_words(
    chip: SdramChip, requests: list[Request], random: Random
) -> tuple[list[list[int]], list[list[int | None]]]:
    """Words for the writes, and what the reads must give; None for a word that nobody wrote."""
    memory: dict[int, int] = {}
    words, expected = [], []
    for request in requests:
        places = range(request.address, request.address + request.beats)
        if request.write:
            words.append([random.getrandbits(chip.data_bits) for _ in places])
            memory.update(zip(places, words[-1], strict=True))
        else:
            expected.append([memory.get(place) for place in places])
    return words, expected


def check_words(served: Served, expected: list[list[int | None]]) -> None:
    assert [len(words) for words in served.words] == [len(words) for words in expected]
    for words, right in zip(served.words, expected, strict=True):
        assert [word for word, known in zip(words, right, strict=True) if known is not None] == [
            known for known in right if known is not None
        ]


@pytest.mark.parametrize("name", slow_but(CONFIGS, "32 bits"))
def test_every_beat_comes_in_the_cycle_that_was_predicted(name: str, seed: int) -> None:
    config = CONFIGS[name]
    random = Random(f"{seed} {name}")
    requests = random_requests(config.chip, random, 150)
    words, expected = with_words(config.chip, requests, random)
    served = serve(SdramSystem(config), config, requests, words)
    assert served.violations == []
    check_words(served, expected)
    bursts = burst_cycles(config, requests)
    assert served.beats == [[burst.beat(number) for number in range(burst.beats)] for burst in bursts]
    assert served.taken == [burst.last for burst in bursts]


@pytest.mark.parametrize("stall", slow_but([0.3, 0.97], 0.3))
def test_a_write_that_waits_for_its_words_delays_no_refresh(stall: float, seed: int) -> None:
    config = CONFIGS["16 bits, CAS latency 2"]
    random = Random(seed)
    requests = [replace(request, offered=0) for request in random_requests(config.chip, random, 40)]
    words, expected = with_words(config.chip, requests, random)
    served = serve(SdramSystem(config), config, requests, words, stall=stall, seed=seed)
    assert served.violations == []
    check_words(served, expected)


@pytest.mark.slow
def test_the_same_requests_take_the_same_cycles_whenever_they_come(seed: int) -> None:
    config = CONFIGS["16 bits, CAS latency 3"]
    random = Random(seed)
    requests = random_requests(config.chip, random, 30)
    words, _ = with_words(config.chip, requests, random)
    runs = [serve(SdramSystem(config), config, requests, words, pause=wait) for wait in (0, 1, 37, 151)]
    assert all(before.beats == after.beats for before, after in pairwise(runs))


BROKEN = {
    # what the controller takes for shorter or longer than it is: the value, and what the chip says of it
    "trcd": (-1, "trcd"),
    "trp": (-1, "trp"),
    "trfc": (-1, "trfc"),
    "twr": (-1, "trp"),  # the chip begins to close the row after its own tWR, so that the next row opens too early
    "open_cycles": (-1, "tras"),
    "read_latency": (-1, "turnaround"),
    "cas": (-1, "mode"),
    "startup_refreshes": (-2, "refreshes"),  # the one of `restart` counts
    "refresh_interval": (+9, "retention"),
}
LONGER = {
    # what the controller needs no constant for, since another one covers it: the chip's own value, in cycles
    "trc": 8,
    "trrd": 6,
    "tmrd": 20,
    "tras_most": 40,
    "tras": 6,
    "startup": 400,
}


def busy_requests(config: SdramConfig) -> tuple[list[Request], list[list[int]]]:
    """Every bank, the same one again and others, reads before writes, long enough for every row's refresh."""
    chip, random = config.chip, Random(5)
    requests = [
        Request(
            random.random() < 0.5, random.randrange(16) << chip.column_bits | 3, random.choice((1, 2, 9, 25)), 25 * n
        )
        for n in range(120)
    ]
    return requests, with_words(chip, requests, random)[0]


def broken_config(config: SdramConfig, name: str, change: int) -> SdramConfig:
    """The configuration with one of its figures changed."""
    if hasattr(config.chip, name) and not hasattr(config, name):
        return replace(config, chip=replace(config.chip, **{name: getattr(config.chip, name) + change}))
    wrong = getattr(config, name) + change
    kind = type("Broken", (SdramConfig,), {name: property(lambda _: wrong)})
    return kind(config.chip, config.clock_hz)


@pytest.mark.slow
@pytest.mark.parametrize("stall", [0.0, 0.9])
def test_a_controller_that_is_right_about_all_of_them_is_not_complained_about(stall: float) -> None:
    config = CONFIGS["16 bits, CAS latency 2"]
    requests, words = busy_requests(config)
    assert serve(SdramSystem(config), config, requests, words, stall=stall).violations == []


@pytest.mark.parametrize("name", slow_but(BROKEN, "trcd"))
def test_a_controller_that_is_wrong_about_one_figure_is_found(name: str) -> None:
    config = CONFIGS["16 bits, CAS latency 3" if name == "cas" else "16 bits, CAS latency 2"]
    change, said = BROKEN[name]
    requests, words = busy_requests(config)
    system = SdramSystem(broken_config(config, name, change), config)
    assert said in serve(system, config, requests, words).violations


@pytest.mark.parametrize("name", slow_but(LONGER, "tras"))
def test_a_chip_that_is_slower_than_the_controller_knows_is_found(name: str) -> None:
    config = CONFIGS["16 bits, CAS latency 2"]
    requests, words = busy_requests(config)
    changes: dict[str, Any] = {name: LONGER[name] * 1e9 / config.clock_hz}
    slower = replace(config, chip=replace(config.chip, **changes))
    stall = 0.9 if name == "tras_most" else 0.0
    assert serve(SdramSystem(config, slower), config, requests, words, stall=stall).violations[0] == name


def test_a_chip_that_gets_no_refresh_loses_its_rows() -> None:
    """The timer's ticks stop: what was written is read back inverted, and the chip says why."""
    config = CONFIGS["16 bits, CAS latency 2"]
    timer = mutant(refresh_timer, "(self.owed != MOST_OWED)", "self.restart").RefreshTimer
    controller = around(sdram_controller, RefreshTimer=timer).SdramController(config)
    requests = [Request(True, 7, 2), Request(False, 7, 2), Request(False, 7, 2, 2 * config.retention)]
    served = serve(SdramSystem(config, controller=controller), config, requests, [[0x1234, 0xFFFF]])
    assert served.violations == ["retention"]
    assert served.words == [[0x1234, 0xFFFF], [0xEDCB, 0x0000]]


def test_a_reset_in_the_middle_of_a_burst_begins_anew() -> None:
    config = CONFIGS["16 bits, CAS latency 2"]
    requests = [Request(True, 4, 6), Request(False, 4, 6)]
    served = serve(SdramSystem(config), config, requests, [[1, 2, 3, 4, 5, 6]], resets=range(1, 20))
    assert served.violations == []
    assert served.words == [[1, 2, 3, 4, 5, 6]]
