"""The LiteX example: LiteX makes its system, and in the simulator the example's host runs a network on it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.openwork.compiler.test_network import flat

from openwork.compiler.network import compile_network
from openwork.golden import trace_network
from openwork_dv.bench.litex_system import CLOCK_PERIOD_NS, LitexJob
from openwork_dv.runner import Simulation, compile_design
from openwork_fpga.verilog import write_bus_shell
from openwork_fpga.yosys import run_script
from openwork_hw.arch.config import ArrayConfig

EXAMPLE = Path(__file__).parents[2] / "examples" / "litex"
CONFIG = ArrayConfig(2, 4, feature_words=256, row_buffer_nonzeros=32, tap_entries=64)
BIT_CYCLES = 4
FLOW = """read_verilog cells.v ../openwork_axi.v radiona_ulx3s.v
hierarchy -check -top radiona_ulx3s
rename -top top
write_rtlil top.il
"""

# The clock passes, and the reset is over at once.
CELLS = """`timescale 1ns / 1ps
module EHXPLLL #(
    parameter CLKFB_DIV = 0, CLKI_DIV = 0, CLKOP_CPHASE = 0, CLKOP_DIV = 0, CLKOP_ENABLE = 0, CLKOP_FPHASE = 0,
    parameter CLKOS_CPHASE = 0, CLKOS_DIV = 0, CLKOS_ENABLE = 0, CLKOS_FPHASE = 0, FEEDBK_PATH = 0
) (input CLKI, RST, STDBY, output CLKOP, CLKOS, LOCK);
    assign CLKOP = CLKI;
    assign CLKOS = CLKI;
    assign LOCK = ~RST;
endmodule

module FD1S3BX (input CK, D, PD, output reg Q = 1);
    always @(posedge CK or posedge PD)
        if (PD) Q <= 1;
        else Q <= D;
endmodule
"""


@pytest.mark.slow
def test_a_network_runs_on_the_litex_system(tmp_path: Path) -> None:
    """Through the UART bridge, the bus, the DMA engines and the block, every output is the golden model's."""
    image = compile_network(flat(), CONFIG)
    write_bus_shell(CONFIG, tmp_path / "openwork_axi.v", (image.encoding,), len(image.words))
    clock_hz = 1_000_000_000 // CLOCK_PERIOD_NS
    options: list[str | Path] = [
        "--verilog",
        "openwork_axi.v",
        "--output",
        tmp_path,
        "--baud",
        str(clock_hz // BIT_CYCLES),
    ]
    command = [sys.executable, EXAMPLE / "ulx3s.py", *options]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr

    # Through Yosys, as LiteX's processes keep waking each other up in Icarus; where names disagree, it says so.
    gateware = tmp_path / "gateware"
    (gateware / "cells.v").write_text(CELLS)
    run_script(FLOW, gateware)
    compile_design(gateware)
    inputs = np.random.default_rng(1).integers(-128, 128, (2, *image.network.input.shape)).astype(np.int8)
    job = LitexJob(EXAMPLE / "host.py", tmp_path / "csr.csv", BIT_CYCLES * CLOCK_PERIOD_NS, image, inputs)
    results = Simulation(gateware).run("litex_system", job)
    expected = trace_network(image.network, inputs)
    for number, (tensors, cycles) in enumerate(results):
        for name, tensor in tensors.items():
            assert (tensor == expected[name][number]).all(), name
        assert cycles >= image.predicted_cycles
