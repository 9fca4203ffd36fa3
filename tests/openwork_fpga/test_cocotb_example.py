"""The test bench of examples/cocotb, as its README says to run it, on the file that `openwork verilog` writes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "cocotb"


@pytest.mark.slow
def test_the_test_bench_passes_on_the_written_file(tmp_path: Path) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog (iverilog) is not installed")
    folder = tmp_path / "cocotb"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("build", "sim_build", "__pycache__"))
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    result = subprocess.run(["make"], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "TESTS=1 PASS=1 FAIL=0" in result.stdout
    assert (folder / "build" / "openwork_axi.v").read_text().startswith("// openwork_axi: the array behind AXI4-Lite")
