"""PLL settings: within the parts' limits, and what the tools of nextpnr make of the same clocks."""

import re
from pathlib import Path

import pytest

from openwork_fpga.boards.catalogue import BOARDS
from openwork_fpga.boards.pll import ecp5_pll, ice40_pll
from openwork_fpga.boards.tools import run_tool
from openwork_fpga.devices import Family
from openwork_hw.arch.config import ConfigError


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_has_a_clock(name: str) -> None:
    board = BOARDS[name]
    platform = board.platform()
    oscillator_mhz = platform.default_clk_constraint.frequency / 1e6
    if board.device.family is Family.ECP5:
        pll = ecp5_pll(oscillator_mhz, board.clock_mhz)
        assert 400 <= pll.output_mhz * pll.output_divider <= 800
        assert pll.output_mhz == pytest.approx(oscillator_mhz * pll.feedback_divider / pll.input_divider, rel=1e-9)
    else:
        assert 533 <= ice40_pll(oscillator_mhz, board.clock_mhz).oscillator_mhz <= 1066


@pytest.mark.parametrize(("given", "wanted"), [(25, 125), (25, 75), (48, 120), (100, 60)])
def test_ecppll_gives_the_same_clock(tmp_path: Path, given: int, wanted: int) -> None:
    text = run_tool(Family.ECP5, "ecppll", ["-i", str(given), "-o", str(wanted)], tmp_path).read_text()
    theirs = {
        name: int(number)
        for name, number in re.findall(r"^(Refclk|Feedback|clkout0) divisor: (\d+)", text, re.MULTILINE)
    }
    ours = ecp5_pll(given, wanted)
    assert given * theirs["Feedback"] / theirs["Refclk"] == pytest.approx(ours.output_mhz)
    assert (ours.input_divider, ours.feedback_divider) == (theirs["Refclk"], theirs["Feedback"])


@pytest.mark.parametrize(("given", "wanted"), [(12, 24), (12, 30), (16, 48)])
def test_icepll_gives_the_same_settings(tmp_path: Path, given: int, wanted: int) -> None:
    text = run_tool(Family.ICE40, "icepll", ["-i", str(given), "-o", str(wanted)], tmp_path).read_text()
    theirs = {
        name: int(number) for name, number in re.findall(r"^(DIVR|DIVF|DIVQ|FILTER_RANGE): +(\d+)", text, re.MULTILINE)
    }
    ours = ice40_pll(given, wanted)
    assert theirs == {"DIVR": ours.divr, "DIVF": ours.divf, "DIVQ": ours.divq, "FILTER_RANGE": ours.filter_range}


def test_a_clock_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"makes no 1000 MHz out of 25 MHz"):
        ecp5_pll(25, 1000)
    with pytest.raises(ConfigError, match=r"makes no 23\.9 MHz out of 12 MHz"):
        ice40_pll(12, 23.9)
