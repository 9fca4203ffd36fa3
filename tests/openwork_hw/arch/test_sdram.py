"""Chips of boards at their clocks: intervals, refreshes, and how fast bursts follow each other."""

from dataclasses import replace
from random import Random

import pytest

from openwork_hw.arch.config import ConfigError
from openwork_hw.arch.sdram import SDRAM_CHIPS, Burst, Request, SdramConfig, burst_cycles

CLOCKS = (48e6, 93.75e6, 100e6, 112.5e6, 133e6)


def test_the_chips_hold_what_their_names_say() -> None:
    megabytes = {name: chip.bytes >> 20 for name, chip in SDRAM_CHIPS.items()}
    assert megabytes == {
        "IS42S16160G": 32,
        "AS4C32M16": 64,
        "IS42S16160G/AS4C32M16": 32,
        "M12L64322A": 8,
        "EM638325": 8,
    }


@pytest.mark.parametrize("clock_hz", CLOCKS)
@pytest.mark.parametrize("name", SDRAM_CHIPS)
def test_intervals_are_long_enough_and_no_cycle_longer(name: str, clock_hz: float) -> None:
    chip = SDRAM_CHIPS[name]
    config = SdramConfig(chip, clock_hz)
    cycle = 1e9 / clock_hz
    for interval in ("trcd", "trp", "tras", "trc", "trfc", "trrd", "twr", "startup"):
        taken, needed = getattr(config, interval) * cycle, getattr(chip, interval)
        assert needed <= taken + 1e-6 < needed + cycle + 1e-5, interval
    assert config.cas == (2 if clock_hz <= 100e6 else 3)


@pytest.mark.parametrize("clock_hz", CLOCKS)
@pytest.mark.parametrize("name", SDRAM_CHIPS)
def test_every_row_is_refreshed_in_time_even_if_its_refresh_is_late(name: str, clock_hz: float) -> None:
    config = SdramConfig(SDRAM_CHIPS[name], clock_hz)
    worst = config.refresh_interval * config.chip.refreshes + config.refresh_delay
    assert worst <= config.chip.retention * clock_hz / 1e9 < worst + config.chip.refreshes


@pytest.mark.parametrize("kind", ["read", "write", "mixed"])
@pytest.mark.parametrize(("name", "clock_hz"), [*((name, 100e6) for name in SDRAM_CHIPS), ("IS42S16160G", 133e6)])
def test_bursts_of_256_bytes_give_nine_tenths_of_what_the_pins_can(
    name: str, clock_hz: float, kind: str, seed: int
) -> None:
    """1.85 of 2 bytes per cycle, at random rows; 3.7 of 4."""
    config, random = SdramConfig(SDRAM_CHIPS[name], clock_hz), Random(seed)
    chip = config.chip
    beats = 256 * 8 // chip.data_bits
    rows = 1 << chip.row_bits + chip.bank_bits
    requests = [
        Request(
            kind == "write" or (kind == "mixed" and random.random() < 0.5),
            random.randrange(rows) << chip.column_bits,
            beats,
        )
        for _ in range(1000)
    ]
    cycles = burst_cycles(config, requests)[-1].last + 1
    assert 256 * len(requests) / cycles >= 0.925 * chip.data_bits / 8


def test_bursts_worked_out_by_hand() -> None:
    """tRCD 2, tRP 2, tRAS 5, tRFC 7, tWR 2, CAS latency 2, a refresh each 781 cycles."""
    config = SdramConfig(SDRAM_CHIPS["IS42S16160G"], 100e6)
    bank = config.chip.columns
    requests = [
        Request(True, 0, 10),  # behind the refresh of cycle 1
        Request(True, 1, 10),  # the same bank: 4 cycles behind the last word
        Request(False, bank, 1),  # another one: at once; its only beat waits for tRAS
        Request(True, 2 * bank, 1),  # behind a read: the chip lets go of the pins in CAS latency + 2 cycles
        Request(False, 0, 1, 782),  # the refresh of cycle 782 comes first
    ]
    assert burst_cycles(config, requests) == [
        Burst(8, 10, 19, 10),
        Burst(23, 25, 34, 10),
        Burst(35, 39, 39, 1),
        Burst(40, 44, 44, 1),
        Burst(789, 793, 793, 1),
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"data_bits": 12}, "an SDRAM chip has 8, 16 or 32 data bits, not 12"),
        ({"column_bits": 11}, "column_bits must be from 1 to 10, not 11"),
        ({"row_bits": 14}, "row_bits must be from 1 to 13, not 14"),
        ({"bank_bits": 1}, "bank_bits must be 2, not 1"),
    ],
)
def test_a_chip_that_no_controller_drives_is_refused(changes: dict[str, int], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        replace(SDRAM_CHIPS["AS4C32M16"], **changes)


def test_a_clock_that_the_chip_cannot_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="the SDRAM chip takes a clock of up to 143 MHz, not 150"):
        SdramConfig(SDRAM_CHIPS["AS4C32M16"], 150e6)
    with pytest.raises(
        ConfigError, match="at 20 MHz a burst over a whole row delays refreshes by 1,034 cycles, and the controller can"
    ):
        SdramConfig(SDRAM_CHIPS["AS4C32M16"], 20e6)
