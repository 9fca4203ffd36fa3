"""The SDRAM controller breaks no rule of the data sheet, refreshes in time, and answers, whatever it is asked."""

from dataclasses import replace
from pathlib import Path

import pytest

from openwork_dv.formal.memory_chips import controller_properties
from openwork_dv.formal.mutants import mutant
from openwork_dv.formal.prover import Prover
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig
from openwork_hw.memory import sdram_controller
from openwork_hw.memory.sdram_controller import SdramController


def few_rows(clock_hz: float, interval: int, column_bits: int = 1) -> SdramConfig:
    """A chip with two rows, which are refreshed each `interval` cycles; all intervals are those of the real one."""
    chip = replace(
        SDRAM_CHIPS["IS42S16160G"],
        data_bits=8,
        row_bits=1,
        column_bits=column_bits,
        refreshes=2,
        startup=10,
        startup_refreshes=1,
        retention=1e6,
    )
    delay = SdramConfig(chip, clock_hz).refresh_delay
    retention = (delay + chip.refreshes * interval) * 1e9 / clock_hz
    # A row that is open is so for less than two refreshes lie apart.
    return SdramConfig(replace(chip, retention=retention, tras_most=(interval + delay) * 1e9 / clock_hz), clock_hz)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clock_hz", "interval", "column_bits", "but"),
    [
        (50e6, 12, 1, []),
        (100e6, 24, 2, ["answer", "tras_most"]),
        (133e6, 32, 1, ["answer", "tras_most", "refresh_in_time"]),
    ],
    ids=["50 MHz", "100 MHz", "133 MHz and a CAS latency of 3"],
)
def test_no_rule_is_broken_and_refreshes_come_in_time(
    clock_hz: float, interval: int, column_bits: int, but: list[str], tmp_path: Path
) -> None:
    config = few_rows(clock_hz, interval, column_bits)
    assert config.cas == (3 if clock_hz > 100e6 else 2)
    prover = Prover(controller_properties(SdramController(config), config), tmp_path)
    assert prover.unproved(but=but) == []
    if not but:
        assert prover.unreached(cycles=120) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("healthy", "broken", "claim"),
    [
        ("opened.eq(config.trcd <= 1)", "opened.eq(config.trcd <= 2)", "trcd"),
        ("after_read - 1)", "after_read - 2)", "trp"),
        ("after_write - 1, ", "after_write - 2, ", "trp"),
        ("(closed | (request.address.bank != bank))", "(closed | 1)", "trc"),
        ("with m.If(closed):", "with m.If(1):", "trp"),
        ("(until <= config.trp)", "1", "twr"),
        ("long_open.eq(since + 2 >= config.open_cycles)", "long_open.eq(since + 3 >= config.open_cycles)", "tras"),
        ("(since >= config.open_cycles) &", "(since >= config.open_cycles - 1) &", "tras"),
        ("until.eq(config.trp - 1)", "until.eq(config.trp - 2)", "trp"),
        ("ready & request.write & ~port.busy", "ready & request.write", "turnaround"),
        ("column | last << PRECHARGE_BIT", "column", "open"),
        ("since >= rest", "since >= rest - 1", "trfc"),
        ("port.bank.eq(request.address.bank)", "port.bank.eq(bank)", "closed"),
        ("with m.If(start.done):", "with m.If(1):", "precharge"),
    ],
)
def test_a_broken_controller_is_found(healthy: str, broken: str, claim: str, tmp_path: Path) -> None:
    check_mutant(few_rows(100e6, 24), healthy, broken, claim, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("healthy", "broken", "claim"),
    [
        ("with m.Elif(due & request.write", "with m.Elif(0 & due & request.write", "refresh_in_time"),
        ("due.eq(timer.owed != 0)", "due.eq(timer.owed == 3)", "refresh_in_time"),
        ("[port.command.eq(Command.REFRESH), timer.refreshed.eq(1)]", "[timer.refreshed.eq(1)]", "refresh_in_time"),
        ("self.i_requests.ready.eq(beat & last)", "self.i_requests.ready.eq(0)", "answer"),
    ],
)
def test_a_controller_that_forgets_is_found(healthy: str, broken: str, claim: str, tmp_path: Path) -> None:
    """At a slow clock, where few cycles are many nanoseconds: what is forgotten shows only after many cycles."""
    check_mutant(few_rows(50e6, 12), healthy, broken, claim, tmp_path)


def check_mutant(config: SdramConfig, healthy: str, broken: str, claim: str, tmp_path: Path) -> None:
    twin = mutant(sdram_controller, healthy, broken)
    found = Prover(controller_properties(twin.SdramController(config), config), tmp_path).counterexample(cycles=260)
    assert found is not None and found.claim == claim
