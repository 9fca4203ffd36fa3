"""Maps move between an SDRAM and the array beside passes, in the cells of ECP5: the host runs a network over the serial line."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.openwork.compiler.test_spilling import CONFIG, SCRATCHPAD, tall

from openwork.compiler.network import compile_network
from openwork.golden import run_network
from openwork.host import Board
from openwork_dv.native.build import WriteVerilog, flat_verilog
from openwork_dv.native.serial_line import SIMULATED_BAUD, SimulatedBoard
from openwork_dv.netlist.levels import ecp5_synthesized
from openwork_dv.sdram.board import SdramBoard
from openwork_hw.arch.config import Technology
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig

pytestmark = pytest.mark.slow

ARRAY = replace(CONFIG, feature_words=64, technology=Technology.ECP5)


@pytest.mark.parametrize("level", [flat_verilog, ecp5_synthesized])
def test_maps_go_out_and_come_back(level: WriteVerilog, tmp_path: Path) -> None:
    """Feature memories of 64 words, in DP16KD whose port that writes reads back; as written, and as the netlist of `synth_ecp5`."""
    if level is ecp5_synthesized and importlib.util.find_spec("pyosys") is None:
        pytest.skip("pyosys is not installed")
    technology = Technology.GENERIC if level is flat_verilog else Technology.ECP5
    config = replace(ARRAY, technology=technology)
    image = compile_network(tall(), config, scratchpad_words=SCRATCHPAD)
    assert image.map_bytes and any(one.waits for one in image.instructions)
    inputs = np.random.default_rng(4).integers(-128, 128, (2, *image.network.input.shape)).astype(np.int8)
    # A small chip, whose few rows are refreshed in time at a slow clock.
    chip = replace(SDRAM_CHIPS["IS42S16160G"], startup=2000, row_bits=6, column_bits=7, refreshes=256)
    with (
        SimulatedBoard(
            config,
            clock_hz=12_000_000,
            baud=3_000_000,
            shell=SdramBoard,
            sdram=SdramConfig(chip, 12e6),
            memory_words=SCRATCHPAD,
            write_verilog=level,
        ) as simulated,
        Board.open(simulated.port, SIMULATED_BAUD, patience_s=120) as board,
    ):
        board.load(image)
        outputs = board.run(inputs)
    assert (outputs == run_network(image.network, inputs)).all()
