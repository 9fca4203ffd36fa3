"""The commands that quantize and run whole networks, as a person types them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.openwork.command_line import run
from tests.openwork.frontend.zoo import inputs, trained
from tests.slow import slow_but

from openwork.files import read_network
from openwork.frontend import import_module
from openwork.golden import run_network
from openwork.quantization import Observer, quantize

MODULE = """
import time, torch
from tests.openwork.frontend.zoo import trained

def pooled():
    return trained("pooled").float()

def program():
    return torch.export.export(pooled().eval(), (torch.zeros(1, 2, 13, 12),))

def log_sigmoid():
    return torch.nn.Sequential(torch.nn.Conv2d(2, 2, 1), torch.nn.LogSigmoid(), torch.nn.Conv2d(2, 1, 3))

class Two(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.body, self.last = torch.nn.Conv2d(2, 4, 3), torch.nn.Conv2d(4, 3, 1)

    def forward(self, batch):
        maps = self.body(batch)
        return {"first": maps[:, :2].sigmoid(), "last": self.last(maps.relu())}

def two():
    return Two()

def number():
    return 7

def slow():
    print("asleep", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a module of models, a `.pt2` file of one, calibration inputs, and files that are wrong in one way each."""
    path = tmp_path_factory.mktemp("networks")
    (path / "models_here.py").write_text(MODULE)
    values = inputs("pooled", 20).numpy().astype(np.float32)
    np.save(path / "x.npy", values)
    np.save(path / "integers.npy", np.zeros((2, 2, 13, 12), np.int32))
    np.save(path / "wide.npy", np.zeros((2, 2, 13, 13), np.float32))
    np.save(path / "none.npy", np.zeros((0, 2, 13, 12), np.float32))
    values[3, 1, 2, 2] = np.nan
    np.save(path / "nan.npy", values)
    program = torch.export.export(trained("pooled").float().eval(), (torch.zeros(1, 2, 13, 12),))
    torch.export.save(program, path / "pooled.pt2")
    (path / "half.pt2").write_bytes((path / "pooled.pt2").read_bytes()[:9000])
    result = run(path, "quantize", "models_here:pooled", "--calibrate", "x.npy", "-o", "pooled.int8")
    assert result.returncode == 0, result.stderr
    (path / "half.int8").write_bytes((path / "pooled.int8").read_bytes()[:900])
    return path


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parents[2])]), "COLUMNS": "120"}


@pytest.mark.parametrize("name", slow_but(["models_here:pooled", "models_here:program", "pooled.pt2"], "pooled.pt2"))
def test_a_model_is_quantized_and_run_from_any_source(folder: Path, tmp_path: Path, name: str) -> None:
    path = str(tmp_path / "model.int8")
    result = run(folder, "quantize", name, "--calibrate", "x.npy", "--observer", "percentile", "-o", path)
    assert result.returncode == 0, result.stderr
    values = np.load(folder / "x.npy")
    exact = import_module(trained("pooled").float(), torch.tensor(values[:1]))
    expected = quantize(exact, torch.tensor(values), Observer.PERCENTILE)
    network = read_network(Path(path))
    assert str(network) == str(expected)
    assert result.stdout.startswith(f"{expected}\n")

    result = run(folder, "run", path, "--inputs", "x.npy", "--backend", "golden", "-o", str(tmp_path / "y.npy"))
    assert result.returncode == 0, result.stderr
    reals = np.load(tmp_path / "y.npy")
    outputs = run_network(expected, expected.quantize_inputs(values))
    assert reals.dtype == np.float32 and reals.shape == (20, 3)  # as the model gives them
    assert np.array_equal(reals, expected.dequantize_outputs(outputs)[:, :, 0, 0].astype(np.float32))
    np.save(tmp_path / "integers.npy", expected.quantize_inputs(values[:3]))
    run(folder, "run", path, "--inputs", str(tmp_path / "integers.npy"), "--raw", "-o", str(tmp_path / "z.npy"))
    assert np.load(tmp_path / "z.npy").dtype == np.int8
    assert np.array_equal(np.load(tmp_path / "z.npy"), outputs[:3])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            "quantize models_here:log_sigmoid --calibrate x.npy",
            "the model has an operator that is not supported: log_sigmoid in module '1'",
        ),
        ("quantize models_here:number --calibrate x.npy", "models_here:number returned a int, not an nn.Module"),
        ("quantize models_here:other --calibrate x.npy", "module models_here has no function other"),
        ("quantize nowhere:other --calibrate x.npy", "there is no module nowhere for nowhere:other"),
        (
            "quantize model --calibrate x.npy",
            "a model is a .pt2 file, an .onnx file or package.module:function, not model",
        ),
        ("quantize other.pt2 --calibrate x.npy", "there is no file other.pt2"),
        ("quantize half.pt2 --calibrate x.npy", "half.pt2 is not a whole .pt2 file"),
        ("quantize pooled.pt2 --calibrate nan.npy", "calibration inputs are NaN or infinite"),
        ("quantize pooled.pt2 --calibrate none.npy", "calibration inputs must be [inputs, ...] and not empty"),
        ("quantize pooled.pt2 --calibrate integers.npy", "calibration inputs must be float32 or float64, not int32"),
        (
            "quantize pooled.pt2 --calibrate wide.npy",
            "calibration inputs must be [inputs, 2, 13, 12] and not empty, not",
        ),
        ("quantize pooled.pt2 --calibrate pooled.pt2", "pooled.pt2 is not a whole .npy file of numbers"),
        ("quantize pooled.pt2 --calibrate x.npy --observer best", "there is no observer best: there are min-max,"),
        ("run pooled.int8 --inputs nan.npy", "the inputs hold NaN"),
        ("run pooled.int8 --inputs none.npy", "there are no inputs"),
        ("run pooled.int8 --inputs wide.npy", "the network takes inputs [batch, 2, 13, 12], not [2, 2, 13, 13]"),
        ("run pooled.int8 --inputs integers.npy", "the inputs must be float32, float64 or int8, not int32"),
        ("run pooled.int8 --inputs x.npy --backend cloud", "there is no backend cloud: there are golden"),
        ("run half.int8 --inputs x.npy", "half.int8 is not a whole .int8 file"),
        ("run other.int8 --inputs x.npy", "there is no file other.int8"),
    ],
)
def test_bad_input_gets_a_sentence_and_status_2(folder: Path, arguments: str, sentence: str) -> None:
    before = {path.name for path in folder.iterdir()}
    result = run(folder, *arguments.split(), "-o", "result")
    assert result.returncode == 2
    assert result.stderr.startswith(f"openwork: {sentence}") and result.stderr.count("\n") == 1, result.stderr
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == before - {"__pycache__"}


def test_an_output_without_a_folder_is_refused(folder: Path) -> None:
    result = run(folder, "run", "pooled.int8", "--inputs", "x.npy", "-o", "nowhere/y.npy")
    assert result.returncode == 2
    assert result.stderr == "openwork: nowhere/y.npy cannot be written: there is no folder nowhere\n"


def test_an_interrupted_run_says_so_and_leaves_nothing(folder: Path) -> None:
    command = [sys.executable, "-m", "openwork", "quantize", "models_here:slow", "--calibrate", "x.npy", "-o", "result"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "asleep\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (2, "openwork: interrupted\n")
    assert not [path.name for path in folder.iterdir() if "result" in path.name]


@pytest.mark.parametrize("command", ["quantize", "run"])
def test_help_has_examples(folder: Path, command: str) -> None:
    result = run(folder, command, "--help")
    assert result.returncode == 0 and result.stdout.count(f"openwork {command} ") >= 3


def test_a_model_of_several_results_is_cut_and_run(folder: Path, tmp_path: Path) -> None:
    """Through files: the end that the host computes, several results by name, and the integers before them."""
    values = inputs("pooled", 20).numpy().astype(np.float32)
    model, raw, given = (str(tmp_path / name) for name in ("two.int8", "raw.npz", "given.npz"))
    made = run(folder, "quantize", "models_here:two", "--calibrate", "x.npy", "--output", "body", "-o", model)
    assert made.returncode == 0, made.stderr
    assert "the host computes what follows: conv2d, relu, sigmoid" in made.stdout
    assert run(folder, "quantize", "models_here:two", "--calibrate", "x.npy", "-o", model).returncode == 0
    refused = run(folder, "run", model, "--inputs", "x.npy", "-o", str(tmp_path / "y.npy"))
    assert (
        refused.returncode == 2 and "the model gives first, last: several results go into a .npz file" in refused.stderr
    )
    assert run(folder, "run", model, "--inputs", "x.npy", "-o", given).returncode == 0
    assert run(folder, "run", model, "--inputs", "x.npy", "--raw", "-o", raw).returncode == 0
    network, results, integers = read_network(Path(model)), np.load(given), np.load(raw)
    assert set(results) == {"first", "last"} and set(integers) == {one.name for one in network.results}
    outputs = run_network(network, network.quantize_inputs(values))
    for name, array in network.split(outputs).items():
        assert np.array_equal(integers[name], array)
    sys.path.insert(0, str(folder))
    try:
        import models_here  # type: ignore[import-not-found]  # written by this file

        with torch.no_grad():
            expected = models_here.two().eval()(torch.tensor(values))
    finally:
        sys.path.remove(str(folder))
    for name, array in expected.items():
        assert results[name].shape == tuple(array.shape)
        assert np.abs(results[name] - array.numpy()).max() < 0.05
