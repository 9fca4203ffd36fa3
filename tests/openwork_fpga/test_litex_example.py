"""The LiteX example: LiteX makes its system, and what it wires to the bus shell are the bus shell's ports."""

import subprocess
import sys
from pathlib import Path

import pytest

from openwork_fpga.verilog import write_bus_shell
from openwork_fpga.yosys import run_script
from openwork_hw.arch.config import PRESETS
from openwork_hw.arch.nonzeros import Encoding

EXAMPLE = Path(__file__).parents[2] / "examples" / "litex" / "ulx3s.py"
FLOW = """read_verilog -lib +/ecp5/cells_sim.v +/ecp5/cells_bb.v
read_verilog openwork_axi.v radiona_ulx3s.v
hierarchy -check -top radiona_ulx3s
"""


@pytest.mark.slow
def test_litex_makes_a_system_of_the_bus_shell(tmp_path: Path) -> None:
    write_bus_shell(PRESETS["tiny"], tmp_path / "openwork_axi.v", (Encoding.CSR,), 64)
    command = [sys.executable, EXAMPLE, "--verilog", tmp_path / "openwork_axi.v", "--output", tmp_path]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "memory_region,openwork,0x30000000,4096" in (tmp_path / "csr.csv").read_text()
    gateware = tmp_path / "gateware"
    (tmp_path / "openwork_axi.v").rename(gateware / "openwork_axi.v")
    log = run_script(FLOW, gateware)
    assert "\\openwork_axi" in log.read_text()
