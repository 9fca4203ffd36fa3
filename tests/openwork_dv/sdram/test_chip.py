"""The chip's model takes what the data sheet allows, to the cycle, and names what it does not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.openwork_hw.simulated import simulated
from tests.slow import slow_but

from openwork_dv.sdram.chip import SdramModel
from openwork_dv.sdram.violations import VIOLATIONS, violated
from openwork_hw.arch.config import ConfigError
from openwork_hw.arch.sdram import PRECHARGE_BIT, SDRAM_CHIPS, Command, SdramConfig

CHIP = replace(
    SDRAM_CHIPS["IS42S16160G"], row_bits=3, column_bits=4, refreshes=8, startup=200, startup_refreshes=2, retention=3000
)
CONFIG = SdramConfig(replace(CHIP, tras_most=400, trc=70, trrd=30, twr=20), 100e6)
"""tRCD 2, tRP 2, tRAS 5 to 40, tRC 7, tRRD 3, tRFC 7, tWR 2, tMRD 2, CAS latency 2."""

ALL = 1 << PRECHARGE_BIT
MODE_CL2, MODE_CL3 = 0x20, 0x30

Pins = Mapping[str, int]
Script = Mapping[int, Pins]


def give(command: Command, bank: int = 0, address: int = 0, **more: int) -> Pins:
    return {
        "ras_n": command >> 2 & 1,
        "cas_n": command >> 1 & 1,
        "we_n": command & 1,
        "ba": bank,
        "a": address,
        **({"dq_oe": 1} if command == Command.WRITE else {}),
        **more,
    }


def act(bank: int = 0, row: int = 0) -> Pins:
    return give(Command.ACTIVATE, bank, row)


def read(bank: int = 0, column: int = 0, **more: int) -> Pins:
    return give(Command.READ, bank, column, **more)


def write(word: int, bank: int = 0, column: int = 0, **more: int) -> Pins:
    return give(Command.WRITE, bank, column, dq_o=word, **more)


def close(bank: int | None = None) -> Pins:
    return give(Command.PRECHARGE, bank or 0, ALL if bank is None else 0)


REFRESH = give(Command.REFRESH)
IDLE = give(Command.NONE, dq_oe=0, dqm=0, dq_o=0, cke=1, cs_n=0)
START: Script = {20: close(), 22: REFRESH, 29: REFRESH, 36: give(Command.MODE, 0, MODE_CL2)}
FIRST = 38
"""The first cycle in which the chip may be used."""


def after_start(script: Script) -> Script:
    return {**START, **{FIRST + cycle: pins for cycle, pins in script.items()}}


def play(script: Script, config: SdramConfig = CONFIG) -> tuple[dict[int, int], dict[str, int]]:
    """What is on the data pins in each cycle, from FIRST on, and the cycle of each violation's first time."""
    model = SdramModel(config)
    seen: dict[int, int] = {}
    said: dict[str, int] = {}

    async def bench(ctx: Any) -> None:
        last = max(script)
        for cycle in range(last + 8):
            for name, value in {**IDLE, **script.get(cycle, {})}.items():
                ctx.set(getattr(model.pins, name), value)
            seen[cycle - FIRST] = ctx.get(model.pins.dq_i)
            for name in violated(ctx.get(model.violations)):
                said.setdefault(name, cycle - 1 - FIRST)
            await ctx.tick()
        assert violated(ctx.get(model.seen)) == [name for name in VIOLATIONS if name in said]

    simulated(model, bench)
    return seen, said


LEGAL: Sequence[tuple[str, Script, str]] = (
    # What is legal with these cycles between, and what is broken where the last command comes a cycle earlier.
    ("trcd", {0: act(), 2: read()}, "trcd"),
    ("trcd of a write", {0: act(), 2: write(1)}, "trcd"),
    ("trp", {0: act(), 8: close(0), 10: act()}, "trp"),
    ("trp to a refresh", {0: act(), 8: close(), 10: REFRESH}, "trp"),
    ("trp to the mode register", {0: act(), 8: close(), 10: give(Command.MODE, 0, MODE_CL2)}, "trp"),
    ("trp after a read that closes", {0: act(), 8: read(0, ALL), 11: act()}, "trp"),
    ("trp after a write that closes", {0: act(), 8: write(1, 0, ALL), 12: act()}, "trp"),
    ("tras", {0: act(), 5: close(0)}, "tras"),
    ("tras of a read that closes", {0: act(), 4: read(0, ALL)}, "tras"),
    ("tras of a write that closes", {0: act(), 3: write(1, 0, ALL)}, "tras"),
    ("trc", {0: act(), 5: close(0), 7: act()}, "trc"),
    ("trc to a refresh", {0: act(), 5: close(0), 7: REFRESH}, "trc"),
    ("trrd", {0: act(), 3: act(1)}, "trrd"),
    ("twr", {0: act(), 6: write(1), 8: close(0)}, "twr"),
    ("twr of all", {0: act(3), 6: write(1, 3), 8: close()}, "twr"),
    ("trfc", {0: REFRESH, 7: act()}, "trfc"),
    ("tmrd", {0: give(Command.MODE, 0, MODE_CL2), 2: act()}, "tmrd"),
    ("turnaround", {0: act(), 2: read(), 6: write(1)}, "turnaround"),
    ("turnaround of a latency of 3", {0: give(Command.MODE, 0, MODE_CL3), 2: act(), 4: read(), 9: write(1)}, "turnaround"),
)  # fmt: skip


@pytest.mark.parametrize(
    "case", slow_but([case for case, _, _ in LEGAL], *(name for case, _, name in LEGAL if case == name))
)
def test_an_interval_is_legal_and_a_cycle_less_is_named(case: str) -> None:
    script, name = next((script, name) for one, script, name in LEGAL if one == case)
    assert play(after_start(script))[1] == {}
    *before, last = script
    early = after_start({**{cycle: script[cycle] for cycle in before}, last - 1: script[last]})
    broken = play(early)[1]
    assert name in broken and set(broken) <= {name, "trp", "trc"}


WRONG: Sequence[tuple[str, Script]] = (
    ("startup", {19: close()}),
    ("precharge", {20: REFRESH}),
    ("precharge", {20: close(0), 22: REFRESH}),
    ("refreshes", {**START, 29: IDLE, FIRST: act()}),
    ("mode", {**START, 36: IDLE, FIRST: act()}),
    ("mode", {**START, 36: give(Command.MODE, 0, MODE_CL2 + 1), FIRST: act()}),
    ("mode", {**START, 36: give(Command.MODE, 0, 0x40), FIRST: act()}),
    ("command", after_start({0: {"cke": 0}})),
    ("command", after_start({0: {"we_n": 0}})),
    ("tras_most", after_start({0: act(), 41: close()})),
    ("open", after_start({0: act(), 20: act()})),
    ("closed", after_start({0: act(1), 4: read(2)})),
    ("closed", after_start({0: act(1), 8: read(1, ALL), 9: read(1)})),
    ("closed", after_start({0: act(1), 8: write(1, 1, ALL), 10: write(1, 1)})),
    ("all_closed", after_start({0: act(2), 20: REFRESH})),
    ("all_closed", after_start({0: act(2), 20: give(Command.MODE, 0, MODE_CL2)})),
    ("contention", after_start({0: act(), 2: read(), 4: write(1)})),
    ("turnaround", after_start({0: act(), 2: read(), 5: write(1)})),
    ("undriven", after_start({0: act(), 2: write(1, dq_oe=0)})),
    ("retention", after_start({0: act(), 6: close(), 310: act()})),
)


@pytest.mark.parametrize(("name", "script"), WRONG, ids=[f"{name} {place}" for place, (name, _) in enumerate(WRONG)])
def test_what_is_forbidden_is_named(name: str, script: Script) -> None:
    assert list(play(script)[1]) == [name]


def test_every_violation_has_a_test() -> None:
    assert {name for name, _ in WRONG} | {name for *_, name in LEGAL} == set(VIOLATIONS)


def test_a_legal_latency_is_not_one_at_a_faster_clock() -> None:
    fast = replace(CONFIG, clock_hz=110e6)
    late: Script = {2 * cycle: pins for cycle, pins in {**START, FIRST: act()}.items()}
    assert list(play(late, fast)[1]) == ["mode"]


def test_words_come_a_cas_latency_later_and_only_then() -> None:
    script = {0: act(1, 5), 2: write(0x1234, 1, 3), 3: write(0xABCD, 1, 4), 6: read(1, 3), 7: read(1, 4), 9: read(1, 3)}
    seen, said = play(after_start(script))
    assert said == {}
    words = {8: 0x1234, 9: 0xABCD, 11: 0x1234}
    assert {cycle: seen[cycle] for cycle in range(14)} == {cycle: words.get(cycle, 0xA5A5) for cycle in range(14)}
    later = {0: give(Command.MODE, 0, MODE_CL3), **{cycle + 2: pins for cycle, pins in script.items()}}
    seen, said = play(after_start(later))
    assert said == {}
    assert {cycle: seen[cycle] for cycle in range(16)} == {cycle: words.get(cycle - 3, 0xA5A5) for cycle in range(16)}


def test_masks_leave_bytes_as_they_are_at_once_and_off_the_pins_two_cycles_later() -> None:
    script = {
        0: act(),
        2: write(0x1234),
        3: write(0xABCD, dqm=1),
        4: write(0, dqm=3, dq_oe=0),
        6: read(dqm=2),
        7: read(),
        8: read(dqm=3),
    }
    seen, said = play(after_start(script))
    assert said == {}
    assert [seen[8], seen[9], seen[10]] == [0xA534, 0xAB34, 0xA5A5]


def test_banks_rows_and_columns_are_kept_apart() -> None:
    places = [(bank, row, column) for bank in (0, 3) for row in (0, 6) for column in (0, 15)]
    script: dict[int, Pins] = {}
    for number, (bank, row, column) in enumerate(places):
        script |= {12 * number: act(bank, row), 12 * number + 4: write(number + 1, bank, column | ALL)}
    begin = 12 * len(places)
    for number, (bank, row, column) in enumerate(places):
        script |= {begin + 12 * number: act(bank, row), begin + 12 * number + 4: read(bank, column | ALL)}
    seen, said = play(after_start(script), replace(CONFIG, chip=replace(CONFIG.chip, retention=30000)))
    assert said == {}
    assert [seen[begin + 12 * number + 6] for number in range(len(places))] == list(range(1, len(places) + 1))


def test_a_row_that_is_refreshed_in_time_keeps_its_words_and_one_that_is_not_gives_them_inverted() -> None:
    """8 refreshes reach all 8 rows: row 2 is refreshed by the third after the start-up's two."""
    script = {
        0: act(0, 1),
        6: write(0x1234),
        7: write(0xFFFF, column=1 | ALL),
        20: act(0, 2),
        26: write(0x5678, column=ALL),
    }
    script |= {250: REFRESH, 320: act(0, 2), 326: read(0, ALL), 340: act(0, 1), 346: read(), 347: read(0, 1 | ALL)}
    script |= {360: act(0, 1), 366: write(0x4321, column=1), 367: read(), 368: read(0, 1)}
    seen, said = play(after_start(script))
    assert said == {"retention": 340}
    assert seen[328] == 0x5678
    assert (seen[348], seen[349]) == (0xEDCB, 0x0000)
    assert (seen[369], seen[370]) == (0xEDCB, 0x4321), "what is written now is read as it is"


def test_the_refreshes_of_a_chip_that_needs_more_than_it_has_rows() -> None:
    """16 refreshes for 8 rows: each reaches two of the four banks."""
    config = replace(CONFIG, chip=replace(CONFIG.chip, refreshes=16))
    # The start-up's two reached row 0 of all banks; one more reaches row 1 of banks 0 and 2.
    script = {100: REFRESH, 304: act(0, 1), 310: act(1, 1)}
    assert play(after_start(script), config)[1] == {"retention": 310}
    with pytest.raises(ConfigError, match="12 refreshes do not go"):
        SdramModel(replace(CONFIG, chip=replace(CONFIG.chip, refreshes=12)))
