"""The command that tries many prunings on many arrays."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.openwork.command_line import run
from tests.openwork.test_cli_pruning import MODULE

from openwork.compiler.network import compile_network
from openwork.frontend import import_program, load
from openwork.models import digits
from openwork.pruning import prune_by
from openwork.quantization import TrainableNetwork, quantize
from openwork.quantization.evaluation import accuracy
from openwork_fpga.boards.catalogue import BOARDS
from openwork_hw.arch.config import PRESETS
from openwork_hw.arch.nonzeros import Encoding


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweeping")
    (path / "sweep_models.py").write_text(MODULE)
    data = digits.load()
    np.save(path / "x.npy", data.train_images[:120].numpy())
    np.save(path / "y.npy", data.train_labels[:120].numpy())
    np.save(path / "few.npy", data.train_images[:5].numpy())
    return path


PLAN = """
models = ["sweep_models:small"]
data = "x.npy"
labels = "y.npy"
densities = [0.3]
methods = ["magnitude"]
arrays = ["demo", "3x4"]
boards = ["tang-nano-9k", "ecpix5-85f"]
encodings = ["csr", "packed"]
"""


def test_a_sweep_gives_what_the_steps_give_one_by_one_and_is_resumed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "plan.toml").write_text(PLAN)
    out = tmp_path / "results"
    result = run(folder, "sweep", "plan.toml", "--workers", "0", "-o", str(out), "--json")
    assert result.returncode == 0, result.stderr
    points = json.loads(result.stdout)
    assert len(points) == 2 * 4 * 2
    # One point by hand: every fifth input is measured with, the others are fitted to.
    data = digits.load()
    images, labels = data.train_images[:120], data.train_labels[:120]
    held = np.arange(120) % 5 == 4
    network = TrainableNetwork(load(digits.build(), images[:1]))
    pruned = prune_by("magnitude", network, 0.3, images[~held], names=network.learned)
    quantized = quantize(import_program(pruned.export(images)), images[~held], error_aware=True)
    image = compile_network(quantized, PRESETS["demo"], Encoding.CSR)
    found = next(
        one for one in points if (one["method"], one["array"], one["encoding"]) == ("magnitude", "demo", "csr")
    )
    assert found["accuracy"] == accuracy(quantized, images[held], labels[held])
    assert (found["cycles"], found["run_cycles"]) == (image.compute_cycles, image.predicted_cycles)
    assert found["inputs"] == 24 and found["fits"] and found["image_bytes"] == 4 * len(image.words)
    fast = [one for one in points if one["board"] == "ecpix5-85f" and one["fits"]]
    assert fast and all(one["inputs_per_second"] and one["clock_mhz"] == BOARDS["ecpix5-85f"].clock_mhz for one in fast)
    refused = [one for one in points if one["board"] == "tang-nano-9k" and one["encoding"] == "packed"]
    assert len(refused) == 2 and all(not one["fits"] and "tang-nano-9k decodes csr" in one["reason"] for one in refused)
    # The table and the page hold the same points.
    rows = list(csv.DictReader((out / "results.csv").open()))
    assert [(row["cycles"], row["accuracy"], row["best_in_cycles"]) for row in rows] == [
        (str(one.get("cycles", "")), str(one["accuracy"]), str(one["best_in_cycles"])) for one in points
    ]
    page = (out / "results.html").read_text()
    assert page.count("<tr>") == 1 + sum(one["fits"] for one in points) and "tang-nano-9k decodes csr" in page
    assert "http" not in re.sub(r"xmlns\S*|http-equiv", "", page)
    # No point of the front is beaten, and every other point is.
    fitting = [one for one in points if one["fits"]]
    for one in fitting:
        beaten = [
            other for other in fitting
            if other["cycles"] <= one["cycles"] and other["accuracy"] >= one["accuracy"]
            and (other["cycles"] < one["cycles"] or other["accuracy"] > one["accuracy"])
        ]  # fmt: skip
        assert not (one["best_in_cycles"] and beaten)
        assert (
            one["best_in_cycles"]
            or beaten
            or any(other["best_in_cycles"] and other["cycles"] == one["cycles"] for other in fitting)
        )
    # Nothing that is finished is done again; another density is.
    monkeypatch.setattr("openwork.sweep.points._network", lambda *_: pytest.fail("a network was made again"))
    monkeypatch.setattr("openwork.sweep.points._costs", lambda *_: pytest.fail("a point was made again"))
    again = run(folder, "sweep", "plan.toml", "--workers", "0", "-o", str(out), "--json")
    assert (again.returncode, json.loads(again.stdout)) == (0, points)
    with pytest.raises(pytest.fail.Exception, match="a network was made again"):
        run(folder, "sweep", "plan.toml", "--workers", "0", "-o", str(out), "--densities", "0.4")


@pytest.mark.slow
def test_a_sweep_on_workers_gives_the_same(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    arguments = ("--model", "sweep_models:small", "--data", "x.npy", "--densities", "0.5", "--arrays", "demo", "--json")
    found = [
        run(folder, "sweep", *arguments, "--workers", str(count), "-o", str(tmp_path / str(count))) for count in (0, 2)
    ]
    assert found[0].returncode == 0, found[0].stderr
    assert json.loads(found[0].stdout) == json.loads(found[1].stdout)
    assert json.loads(found[0].stdout)[0]["accuracy_is"] == "agreement with the dense model"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "a sweep needs a model: name one with --model"),
        (("--model", "sweep_models:small", "--data", "x.npy"), "a sweep needs an array or a board"),
        (("--model", "sweep_models:small", "--arrays", "demo"), "needs inputs: name them with --data"),
        (("--model", "nowhere:small", "--data", "x.npy", "--arrays", "demo"), "there is no module nowhere for nowhere:small"),
        (("--model", "net.pth"), "net.pth holds weights"),
        (("--densities", "0.5,x"), "densities are numbers with commas"),
        (("--densities", "2"), "each of --densities must be over 0 and at most 1"),
        (("--model", "sweep_models:small", "--data", "x.npy", "--arrays", "999x1"), "pes must be a whole number from 1 to 255"),
        (("--model", "sweep_models:small", "--data", "x.npy", "--arrays", "huge"), "there is no preset huge"),
        (("--model", "sweep_models:small", "--data", "x.npy", "--boards", "none"), "there is no board none"),
        (("--model", "sweep_models:small", "--data", "x.npy", "--arrays", "demo", "--methods", "x"), "there is no method x"),
        (("--model", "sweep_models:small", "--data", "x.npy", "--arrays", "demo", "--encodings", "x"), "there is no encoding x"),
        (("--model", "sweep_models:small", "--data", "x.npy", "--arrays", "demo", "--scope", "x"), "there is no scope x"),
        (("--scheduler", "nowhere"), "--scheduler is an address, as in tcp://10.0.0.1:8786, not nowhere"),
        (("--scheduler", ""), "--scheduler is an address, as in tcp://10.0.0.1:8786, not empty"),
        (("none.toml",), "there is no file none.toml"),
    ],
)  # fmt: skip
def test_what_cannot_be_swept_gets_a_sentence(folder: Path, arguments: tuple[str, ...], sentence: str) -> None:
    result = run(folder, "sweep", *arguments, "-o", "bad", "--workers", "0")
    assert result.returncode == 2 and sentence in result.stderr and result.stderr.count("\n") == 1, result.stderr


def test_a_model_that_cannot_be_measured_is_a_point_with_its_reason(folder: Path, tmp_path: Path) -> None:
    arguments = (
        "--model",
        "sweep_models:small",
        "--data",
        "few.npy",
        "--densities",
        "0.5",
        "--arrays",
        "demo",
        "--json",
    )
    result = run(folder, "sweep", *arguments, "--workers", "0", "-o", str(tmp_path / "out"))
    assert result.returncode == 0, result.stderr
    assert all("10 are needed to hold some back" in one["reason"] for one in json.loads(result.stdout))
