"""What the SDRAM controller takes on an ECP5."""

import re
from pathlib import Path

import pytest
from amaranth.back import rtlil
from tests.slow import slow_but

from openwork_fpga.yosys import run_script
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig
from openwork_hw.memory.sdram_controller import SdramController

MOST_LUTS = 300


CHIPS = [("IS42S16160G", 133e6), ("AS4C32M16", 100e6), ("EM638325", 100e6)]


@pytest.mark.parametrize(("name", "clock_hz"), slow_but(CHIPS, CHIPS[0]))
def test_the_controller_takes_few_luts(name: str, clock_hz: float, tmp_path: Path) -> None:
    """A carry cell counts as the two LUTs that it is made of."""
    controller = SdramController(SdramConfig(SDRAM_CHIPS[name], clock_hz))
    (tmp_path / "top.il").write_text(rtlil.convert(controller, name="top", emit_src=False))
    run_script("read_rtlil top.il\nsynth_ecp5 -top top\ntee -o cells stat\n", tmp_path)
    cells = {
        kind: int(count) for count, kind in re.findall(r"(\d+)\s+(LUT4|CCU2C)\b", (tmp_path / "cells").read_text())
    }
    assert cells["LUT4"] + 2 * cells["CCU2C"] <= MOST_LUTS
