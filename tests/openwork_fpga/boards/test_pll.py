"""Clocks: PLL settings within the parts' limits, and what the tools of nextpnr make of the same; a part without a PLL."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from openwork_fpga.boards import ecp5
from openwork_fpga.boards.catalogue import BOARDS
from openwork_fpga.boards.pll import ecp5_pll, ice40_pll
from openwork_fpga.boards.top import BoardTop
from openwork_fpga.tools import run_tool
from openwork_hw.arch.config import ConfigError


@pytest.mark.parametrize("name", [name for name, board in BOARDS.items() if board.chip is ecp5.CHIP])
def test_every_board_has_a_clock(name: str) -> None:
    board = BOARDS[name]
    platform = board.platform()
    oscillator_mhz = platform.default_clk_constraint.frequency / 1e6
    pll = ecp5_pll(oscillator_mhz, board.clock_mhz)
    assert oscillator_mhz * pll.feedback_divider / pll.input_divider == pytest.approx(board.clock_mhz, rel=1e-9)
    assert 400 <= board.clock_mhz * pll.output_divider <= 800
    assert oscillator_mhz / pll.input_divider >= 3.125


@pytest.mark.parametrize(("given", "wanted"), [(25, 125), (25, 75), (48, 120), (100, 60)])
def test_ecppll_gives_the_same_clock(tmp_path: Path, given: int, wanted: int) -> None:
    text = run_tool("yowasp-ecppll", ["-i", str(given), "-o", str(wanted)], tmp_path).read_text()
    theirs = {
        name: int(number)
        for name, number in re.findall(r"^(Refclk|Feedback|clkout0) divisor: (\d+)", text, re.MULTILINE)
    }
    ours = ecp5_pll(given, wanted)
    assert given * theirs["Feedback"] / theirs["Refclk"] == pytest.approx(ours.output_mhz)
    assert (ours.input_divider, ours.feedback_divider) == (theirs["Refclk"], theirs["Feedback"])


@pytest.mark.parametrize(("given", "wanted"), [(12, 24), (12, 30), (12, 48), (25, 37.5)])
def test_icepll_gives_the_same_settings(tmp_path: Path, given: int, wanted: float) -> None:
    text = run_tool("yowasp-icepll", ["-i", str(given), "-o", str(wanted)], tmp_path).read_text()
    theirs = {
        name: int(number) for name, number in re.findall(r"^(DIV[RFQ]|FILTER_RANGE):\s+(\d+)", text, re.MULTILINE)
    }
    ours = ice40_pll(given, wanted)
    assert theirs == {
        "DIVR": ours.input_divider - 1,
        "DIVF": ours.feedback_divider - 1,
        "DIVQ": ours.output_divider.bit_length() - 1,
        "FILTER_RANGE": ours.filter_range,
    }


def test_a_tang_nano_runs_at_its_oscillators_clock() -> None:
    board = replace(BOARDS["tang-nano-9k"], clock_mhz=54)
    with pytest.raises(ConfigError, match=r"the clock is the oscillator's, 27 MHz, not 54"):
        board.platform().build(BoardTop(board), do_build=False, emit_src=False)


def test_a_clock_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"makes no 1000 MHz out of 25 MHz"):
        ecp5_pll(25, 1000)
    with pytest.raises(ConfigError, match=r"PLL of an iCE40 makes no 12.1 MHz out of 12 MHz"):
        ice40_pll(12, 12.1)
