"""A board's netlist with an SDRAM chip that takes its time: which phases of the chip's clock read back what was written."""

import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.build import Attrs
from amaranth_boards.resources import SDRAMResource
from amaranth_boards.ulx3s import ULX3S_12F_Platform

from openwork_dv.netlist.sdram_board import FAST, SLOW, Corner, listen, write_board
from openwork_fpga.boards.board import Board
from openwork_fpga.boards.catalogue import BOARDS
from openwork_fpga.boards.sdram_timing import SKEW_NS, margins
from openwork_hw.arch.sdram import SDRAM_CHIPS

pytestmark = pytest.mark.slow

BYTES = 3


class FewRowsPlatform(ULX3S_12F_Platform):
    """A ULX3S whose chip has as many address pins as a small chip, so that a simulation reaches all of it."""

    resources = (
        *(resource for resource in ULX3S_12F_Platform.resources if resource.name != "sdram"),
        SDRAMResource(
            0,
            clk="F19",
            cke="F20",
            cs_n="P20",
            we_n="T20",
            cas_n="T19",
            ras_n="R20",
            dqm="U19 E20",
            ba="P19 N20",
            a="M20 M19 L20 L19 K20 K19 K18 J20 J19 H20 N19",
            dq="J16 L18 M18 N18 P18 T18 T17 U20 E19 D20 D19 C20 E18 F18 J18 J17",
            attrs=Attrs(PULLMODE="NONE", DRIVE="4", SLEWRATE="FAST", IO_TYPE="LVCMOS33"),
        ),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Board, Path]]:
    """The board, and the folder of its netlist. Its chip loses a row that is not refreshed between a write and the read."""
    if shutil.which("iverilog") is None or importlib.util.find_spec("pyosys") is None:
        pytest.skip("Icarus Verilog (iverilog) or pyosys is not installed")
    chip = replace(
        SDRAM_CHIPS["IS42S16160G"],
        row_bits=3,
        column_bits=4,
        refreshes=8,
        startup=1000,
        startup_refreshes=2,
        retention=5000,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SDRAM_CHIPS, "small", chip)
        board = replace(BOARDS["ulx3s-12f"], platform=FewRowsPlatform, sdram="small", clock_mhz=100)
        folder = tmp_path_factory.mktemp("board")
        write_board(board, folder)
        yield board, folder


def test_what_was_written_is_read_at_the_boards_phase(written: tuple[Board, Path]) -> None:
    board, folder = written
    for corner in (SLOW, FAST):
        heard = listen(board, folder, corner, bytes_=BYTES)
        assert heard.said == "." * BYTES
        assert (heard.violations, heard.missed, heard.contended) == ([], 0, 0)
        assert heard.refreshes > 50


@pytest.mark.parametrize("corner", [SLOW, FAST], ids=["slow", "fast"])
@pytest.mark.parametrize("phase", [45, 180, 285, 330])
def test_the_budget_says_which_phases_are_good(written: tuple[Board, Path], phase: float, corner: Corner) -> None:
    """Words are right where the margins of reads are above 0, and the chip misses nothing where its own are, but for the skew."""
    board, folder = written
    assert board.sdram_config is not None
    budget = margins(board.sdram_config, phase)
    heard = listen(board, folder, corner, bytes_=BYTES, phase=phase)
    chip = min(budget.chip_setup, budget.chip_hold) + SKEW_NS
    # The budget has each corner where it hurts.
    apart = SLOW.out_ns - FAST.out_ns
    ours = min(budget.read_setup + apart * (corner is FAST), budget.read_hold + apart * (corner is SLOW))
    assert (heard.missed == 0) == (chip > 0)
    assert heard.said == ("." if ours > 0 else "x") * BYTES
