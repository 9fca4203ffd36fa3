"""The quick tests find every broken line of a list, and say where the first wrong value is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from openwork_dv.gateware_mutants import MUTANTS, Finding, GatewareMutant, write_copy

ROOT = Path(__file__).parents[2]
QUICK = "tests/system/test_quick_networks.py"

START = r"network '[^']+', input \d+"
SAID = {
    Finding.VALUE: re.compile(rf"{START}, layer '[^']+', channel \d+, pixel \(\d+, \d+\): -?\d+, and should be -?\d+"),
    Finding.WORD: re.compile(r"PE \d+, word \d+, lane \d+: -?\d+, and should be -?\d+"),
    Finding.RUN: re.compile(rf"{START}(, step '[^']+')?, command -?\d+.*: .*(cycles, .* predicted|hangs|ended with)"),
}


def quick_tests(folder: Path) -> tuple[int, str]:
    """Run the quick networks on the copy of the gateware in the folder: exit status, and what was said."""
    paths = [str(folder), *(str(ROOT / name) for name in ("hw", "sw", "verification", "fpga"))]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += [f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml"), str(ROOT / QUICK)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    # The working folder is that of all mutants, so that what is the same for all of them is built once.
    result = subprocess.run(
        command,
        cwd=folder.parent,
        env=environment | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutants")


@pytest.mark.slow
def test_a_copy_with_nothing_broken_passes(workshop: Path) -> None:
    folder = workshop / "healthy"
    write_copy(folder, None)
    status, said = quick_tests(folder)
    assert status == 0, said


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.module}: {mutant.wrong}")
def test_every_mutant_is_found(workshop: Path, mutant: GatewareMutant) -> None:
    folder = workshop / f"mutant {MUTANTS.index(mutant)}"
    write_copy(folder, mutant)
    status, said = quick_tests(folder)
    assert status == 1, f"not found: {mutant.wrong}\n{said}"
    assert SAID[mutant.finding].search(said), f"{mutant.wrong}: {mutant.finding.value} was to be found\n{said}"


def test_every_mutant_changes_a_line_that_is_there(tmp_path: Path) -> None:
    for number, mutant in enumerate(MUTANTS):
        write_copy(tmp_path / str(number), mutant)
    assert len({(mutant.module, mutant.healthy, mutant.broken) for mutant in MUTANTS}) == len(MUTANTS) >= 22
