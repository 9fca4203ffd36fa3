"""What works without the extras, and what the rest says: each test runs where the modules of all extras are missing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.openwork.compiler.test_network import classifier

import openwork
from openwork.extras import EXTRAS

WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
{code}
"""


def run_without(code: str, missing: set[str] | None = None) -> subprocess.CompletedProcess[str]:
    script = WITHOUT.format(missing=missing or set(EXTRAS), code=code)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)


def command(*arguments: object, missing: set[str] | None = None) -> subprocess.CompletedProcess[str]:
    words = ["openwork", *map(str, arguments)]
    return run_without(f"sys.argv = {words!r}\nfrom openwork.cli import main\nmain()", missing)


def test_an_image_runs_where_only_numpy_and_the_base_are(tmp_path: Path) -> None:
    image = openwork.compile(classifier(), "demo")
    openwork.save_image(image, tmp_path / "a.image")
    inputs = np.random.default_rng(1).integers(-128, 128, (2, 3, 13, 11)).astype(np.int8)
    np.save(tmp_path / "x.npy", inputs)
    found = command(
        "run", tmp_path / "a.image", "--inputs", tmp_path / "x.npy", "--backend", "model", "-o", tmp_path / "y.npy"
    )
    assert found.returncode == 0, found.stderr
    assert np.load(tmp_path / "y.npy").shape[0] == 2


def test_a_network_compiles_without_torch(tmp_path: Path) -> None:
    openwork.save_network(classifier(), tmp_path / "a.int8")
    found = command("compile", tmp_path / "a.int8", "-o", tmp_path / "a.image")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [
        ("torch", "torch", ["quantize", "torch.nn:Identity", "--calibrate", "x.npy", "-o", "a.int8"]),
        pytest.param(
            "onnx", "onnx", ["quantize", "a.onnx", "--calibrate", "x.npy", "-o", "a.int8"], marks=pytest.mark.slow
        ),
        ("amaranth", "sim", ["verilog", "--preset", "tiny", "-o", "."]),
        ("matplotlib", "compiler", ["report", "a.image", "-o", "a.html"]),
    ],
)
def test_what_an_extra_brings_is_named(tmp_path: Path, module: str, extra: str, arguments: list[str]) -> None:
    openwork.save_image(openwork.compile(classifier(), "demo"), tmp_path / "a.image")
    np.save(tmp_path / "x.npy", np.zeros((100, 3, 4, 4), np.float32))
    (tmp_path / "a.onnx").write_bytes(b"a model")
    arguments = [
        str(tmp_path / one) if one in ("a.image", "a.onnx", "x.npy", "a.int8", "a.html", ".") else one
        for one in arguments
    ]
    found = command(*arguments, missing={module})
    assert found.returncode == 2, found.stderr
    assert f"pip install 'openwork[{extra}]'" in found.stderr.replace("\n", "")
    assert "Traceback" not in found.stderr


def test_the_package_gives_what_it_documents_and_nothing_by_accident() -> None:
    for package in (openwork, openwork.pruning):
        assert dir(package) == sorted(package.__all__)
        assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="no attribute 'gradule'"):
        _ = openwork.gradule
    code = "import openwork\nassert callable(openwork.pruning.gradual)\nassert 'demo' in openwork.PRESETS"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert fresh.returncode == 0, fresh.stderr


def test_importing_the_package_needs_numpy_alone() -> None:
    found = run_without("import openwork\nprint(openwork.ArrayConfig(1, 1))")
    assert found.returncode == 0, found.stderr
