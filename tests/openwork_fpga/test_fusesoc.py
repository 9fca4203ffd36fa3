"""The FuseSoC core: its generator writes the bus shell as one file, and Icarus compiles it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_fusesoc_builds_the_core(tmp_path: Path) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog (iverilog) is not installed")
    program = Path(sys.executable).with_name("fusesoc")
    command: list[str | Path] = [
        program,
        "--cores-root",
        ROOT,
        "run",
        "--target=compile",
        "--build",
        "openwork:openwork:array",
    ]
    # The generator runs with the python3 that comes first.
    environment = os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "module openwork_axi(" in next(tmp_path.rglob("openwork_axi.v")).read_text()
