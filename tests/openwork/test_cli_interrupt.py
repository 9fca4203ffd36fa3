"""Ctrl-C is one line and exit status 2 whenever it comes, from the first import on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.slow import slow_but

# Runs `openwork` with the rest of the arguments, and presses Ctrl-C when a module is about to be imported.
PRESSED = """
import os, runpy, signal, sys

class Press:
    def find_spec(self, name, path=None, target=None):
        if name == wanted:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

wanted = sys.argv.pop(1)
sys.meta_path.insert(0, Press())
runpy.run_module("openwork", run_name="__main__", alter_sys=True)
"""

MODEL = "import torch\ndef small():\n    return torch.nn.Conv2d(1, 2, 3)\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models_here.py").write_text(MODEL)
    np.save(tmp_path / "x.npy", np.random.default_rng(1).random((20, 1, 8, 8)).astype(np.float32))
    return tmp_path


QUANTIZE = ("quantize", "models_here:small", "--calibrate", "x.npy", "-o", "model.int8")


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "__pycache__")


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize(
    "module",
    [
        "openwork.cli.commands",
        "typer",
        "rich.progress",
        "openwork.files.whole",
        "numpy",
        "safetensors",
        "torch",
        "torch.nn",
        pytest.param("openwork.quantization.quantizer", marks=pytest.mark.slow),
        "models_here",
    ],
)
def test_it_is_one_line_whatever_is_being_imported(folder: Path, module: str) -> None:
    command = [sys.executable, "-c", PRESSED, module, *QUANTIZE]
    result = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert (result.returncode, result.stdout, result.stderr) == (2, "", "openwork: interrupted\n")
    assert left(folder) == ["models_here.py", "x.npy"]


@pytest.mark.parametrize("seconds", slow_but([0.3, 0.5, 1.0], 0.3, 0.5))
def test_it_is_one_line_whenever_it_comes(folder: Path, seconds: float) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "openwork", *QUANTIZE],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    # A machine may be so fast that the command has ended.
    assert (process.returncode, errors) in ((2, "openwork: interrupted\n"), (0, ""))
    assert left(folder) == ["model.int8"] * (process.returncode == 0) + ["models_here.py", "x.npy"]


def test_what_is_imported_before_it_is_heard_is_little() -> None:
    code = "import openwork.cli, sys; print(sorted({'typing', 'pathlib', 'typer', 'rich', 'numpy'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
