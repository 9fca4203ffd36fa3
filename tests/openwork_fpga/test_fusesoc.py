"""The FuseSoC core: its generator writes the bus shell, and Verilator finds nothing wrong with it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_fusesoc_lints_the_core(tmp_path: Path) -> None:
    if shutil.which("verilator") is None:
        pytest.skip("Verilator is not installed as a program (apt-get install verilator)")
    program = "from fusesoc.main import main; main()"
    command = ["--cores-root", str(ROOT), "run", "--target=lint", "openwork:openwork:array"]
    path = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", program, *command], cwd=tmp_path, env=path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    (top,) = tmp_path.rglob("openwork_axi.v")
    assert "module openwork_axi(" in top.read_text()
