"""The commands that prune, as a person types them."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.openwork.command_line import run
from tests.slow import slow_but

from openwork.compiler.network import compile_network
from openwork.frontend import FloatNetwork, load
from openwork.golden import run_network
from openwork.models import digits
from openwork.quantization import quantize
from openwork_hw.arch.config import PRESETS

MODULE = """
import torch
from openwork.models import digits

def small():
    return digits.build()

def nearest():
    # Says which class has the nearest mean: right most of the time, without any training.
    data = digits.load()
    images = data.train_images[:300].flatten(1)
    means = torch.stack([images[data.train_labels[:300] == label].mean(dim=0) for label in range(10)])
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
    model[1].weight.data, model[1].bias.data = means, -means.square().sum(dim=1) / 2
    return model

def with_example():
    return small(), torch.zeros(1, 1, 8, 8)

def tied():
    first, second = torch.nn.Conv2d(1, 1, 3, padding=1), torch.nn.Conv2d(1, 1, 3, padding=1)
    second.weight = first.weight
    return torch.nn.Sequential(first, torch.nn.ReLU(), second)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a module of models, digits to prune with and to measure on, and files that are wrong in one way each."""
    path = tmp_path_factory.mktemp("pruning")
    (path / "pruning_models.py").write_text(MODULE)
    data = digits.load()
    np.save(path / "x.npy", data.train_images[:300].numpy())
    np.save(path / "y.npy", data.train_labels[:300].numpy())
    np.save(path / "test.npy", data.test_images[:100].numpy())
    np.save(path / "test_labels.npy", data.test_labels[:100].numpy())
    np.save(path / "few.npy", data.train_labels[:20].numpy())
    return path


METHODS = ["magnitude", "obc", "n-of-m", "channels", "gradual", "proximal", "rigl"]


@pytest.mark.parametrize("method", slow_but(METHODS, "magnitude", "n-of-m", "gradual"))
def test_every_method_writes_a_model_of_the_density(folder: Path, tmp_path: Path, method: str) -> None:
    path = tmp_path / "pruned.pt2"
    arguments = ("--method", method, "--density", "0.5", "--data", "x.npy", "--epochs", "1", "-o", str(path))
    result = run(folder, "prune", "pruning_models:small", *arguments)
    assert result.returncode == 0, result.stderr
    said = re.search(r"([\d,]+) of ([\d,]+) weights stay", result.stdout)
    assert said is not None
    stay, before = (int(number.replace(",", "")) for number in said.groups())
    assert before == 15_136
    network = load(path, digits.load().test_images[:1])
    assert (
        sum(int(torch.count_nonzero(layer.weights)) for layer in network.layers) <= stay <= 0.51 * before
    )  # n of m rounds in each row
    again = tmp_path / "again.pt2"
    assert run(folder, "prune", "pruning_models:small", *arguments[:-1], str(again)).returncode == 0
    for layer, other in zip(network.layers, load(again, digits.load().test_images[:1]).layers, strict=True):
        assert torch.equal(layer.weights, other.weights)


@pytest.mark.slow
def test_obc_is_the_method_and_tells_what_it_lost_on_inputs_that_it_did_not_see(folder: Path, tmp_path: Path) -> None:
    images, labels = np.load(folder / "x.npy"), np.load(folder / "y.npy")
    held = np.arange(300) % 5 == 4
    other = images.copy()
    other[held] = np.random.default_rng(1).random(other[held].shape)
    np.save(tmp_path / "other.npy", other)
    said: list[str] = []
    paths: list[Path] = []
    for data, options in (("x.npy", ()), ("x.npy", ("--method", "obc")), (str(tmp_path / "other.npy"), ())):
        paths.append(tmp_path / f"{len(paths)}.pt2")
        arguments = ("--data", data, "--labels", "y.npy", "--density", "0.3", *options, "-o", str(paths[-1]))
        result = run(folder, "prune", "pruning_models:small", *arguments)
        assert result.returncode == 0, result.stderr
        said.append(result.stdout)
    networks = [load(path, torch.tensor(images[:1])) for path in paths]
    for network in networks[1:]:
        for layer, first in zip(network.layers, networks[0].layers, strict=True):
            assert torch.equal(layer.weights, first.weights)
    right = [
        (network.run(torch.tensor(images[held])).flatten(1).argmax(dim=1).numpy() == labels[held]).mean()
        for network in (digits_network(), networks[0])
    ]
    assert f"accuracy: {right[0]:.1%} before, {right[1]:.1%} after, on 60 inputs." in said[0]


def digits_network() -> FloatNetwork:
    return load(digits.build(), digits.load().test_images[:1])


def test_a_method_that_ruins_the_model_is_told_and_warned_about(folder: Path, tmp_path: Path) -> None:
    ruined = ("--method", "magnitude", "--density", "0.05")
    result = run(folder, "prune", "pruning_models:nearest", *ruined, "--data", "x.npy", "-o", str(tmp_path / "a.pt2"))
    found = re.search(r"agreement with the dense model: 100.0% before, ([\d.]+)% after, on 300 inputs\.", result.stdout)
    assert result.returncode == 0 and found is not None and float(found[1]) < 90
    lost = f"{100 - float(found[1]):.1f} points of agreement with the dense model"
    advice = "raise --density, prune with --method obc, or train on with --epochs."
    assert result.stderr == f"Warning: pruning cost {lost}: {advice}\n"
    for options in ((*ruined, "--may-lose", "1"), ("--density", "0.95")):
        result = run(
            folder, "prune", "pruning_models:nearest", *options, "--data", "x.npy", "-o", str(tmp_path / "a.pt2")
        )
        assert (result.returncode, result.stderr) == (0, "")


def test_training_prints_its_loss(folder: Path, tmp_path: Path) -> None:
    arguments = (
        "--method",
        "gradual",
        "--epochs",
        "2",
        "--data",
        "x.npy",
        "--labels",
        "y.npy",
        "-o",
        str(tmp_path / "a.pt2"),
    )
    result = run(folder, "prune", "pruning_models:small", *arguments)
    losses = [float(loss) for loss in re.findall(r"^epoch \d of 2: loss ([\d.]+)$", result.stderr, re.M)]
    assert result.returncode == 0 and len(losses) == 2 and losses[1] < losses[0]


def test_methods_that_need_no_data_do_not_ask_for_it(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.pt2"
    for method in ("magnitude", "n-of-m", "channels"):
        arguments = ("--method", method, "--density", "0.5")
        result = run(folder, "prune", "pruning_models:with_example", *arguments, "-o", str(path))
        assert result.returncode == 0, result.stderr
        assert "Nobody knows what the pruned model lost: name inputs with --data" in result.stdout
        again = run(folder, "prune", str(path), "--method", "magnitude", "-o", str(tmp_path / "b.pt2"))
        assert again.returncode == 0, again.stderr
    refusals: list[tuple[tuple[str, ...], str]] = [
        ((), "the method obc fits weights to inputs: name a file of inputs with --data"),
        (("--method", "magnitude", "--epochs", "1"), "the method magnitude fits weights to inputs"),
        (("--method", "magnitude", "--labels", "y.npy"), "--labels are those of the inputs of --data"),
    ]
    for options, sentence in refusals:
        result = run(folder, "prune", "pruning_models:with_example", *options, "-o", str(path))
        assert result.returncode == 2 and sentence in result.stderr
    result = run(folder, "prune", "pruning_models:small", "--method", "magnitude", "-o", str(path))
    assert result.returncode == 2 and "returned no example input" in result.stderr


@pytest.mark.slow
def test_a_pruned_model_goes_through_every_step_and_runs_bit_exactly_in_rtl(folder: Path, tmp_path: Path) -> None:
    pruned, quantized, image = (str(tmp_path / name) for name in ("pruned.pt2", "model.int8", "model.image"))
    method = ("--method", "obc", "--density", "0.15", "--data", "x.npy")
    assert run(folder, "prune", "pruning_models:small", *method, "-o", pruned).returncode == 0
    assert run(folder, "quantize", pruned, "--calibrate", "x.npy", "-o", quantized).returncode == 0
    assert run(folder, "compile", quantized, "-o", image).returncode == 0
    np.save(tmp_path / "two.npy", digits.load().test_images[:2].numpy())
    result = run(folder, "compare", image, "--inputs", str(tmp_path / "two.npy"), "--backends", "golden,rtl")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_budget_of_cycles_is_kept(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "pruned.pt2"
    arguments = ("--method", "obc", "--cycles", "12000", "--data", "x.npy", "-o", str(path))
    result = run(folder, "prune", "pruning_models:small", *arguments)
    assert result.returncode == 0, result.stderr
    data = digits.load()
    images = [
        compile_network(quantize(load(model, data.train_images[:1]), data.train_images[:300]), PRESETS["demo"])
        for model in (path, digits.build())
    ]
    assert images[0].compute_cycles <= 12000 < images[1].compute_cycles


def test_the_methods_are_listed(folder: Path) -> None:
    result = run(folder, "prune", "--list")
    assert result.returncode == 0
    assert all(f" {method} " in result.stdout for method in METHODS)


def test_the_page_shows_every_point_and_its_front(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "explore.html"
    result = run(
        folder, "explore", "pruning_models:small", "--data", "x.npy", "--test", "test.npy", "--test-labels", "test_labels.npy",
        "--densities", "0.5,0.1", "--methods", "magnitude,obc", "--clock", "100", "-o", str(page),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    text = page.read_text()
    assert text.count('<td class="words">') == 5
    assert "http" not in re.sub(r"xmlns\S*|http-equiv", "", text)
    # The dense line is what quantization, the golden model and the compiler give by themselves.
    data = digits.load()
    quantized = quantize(load(digits.build(), data.train_images[:1]), data.train_images[:300], error_aware=True)
    outputs = run_network(quantized, quantized.quantize_inputs(data.test_images[:100].numpy()))
    right = (outputs.reshape(100, -1).argmax(axis=1) == data.test_labels[:100].numpy()).mean()
    cycles = compile_network(quantized, PRESETS["demo"]).compute_cycles
    assert f"<td>1.000</td><td>{right:.2%}</td>" in text
    assert f"<td>{cycles:,}</td><td>{cycles / 1e5:,.3f}</td>" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--density", "0"), "density must be over 0 and at most 1, not 0.0"),
        (("--density", "1.5", "--method", "obc"), "density must be over 0 and at most 1, not"),
        (("--density", "nan"), "density must be over 0 and at most 1, not nan"),
        (("--method", "magic"), "there is no method magic: there are magnitude, obc"),
        (("--method", "gradual"), "the method gradual prunes while it trains: say for how many epochs"),
        (("--layer", "nowhere"), "modules ['nowhere'] cannot be pruned; those that can are"),
        (("--scope", "row"), "there is no scope row: there are layer, global, erk"),
        (("--cycles", "100", "--method", "magnitude"), "--cycles goes with --method obc, not with magnitude"),
        (("--cycles", "100"), "the budget is"),
        (("--may-lose", "2"), "--may-lose must be from 0 to 1, not 2.0"),
        (("--labels", "few.npy"), "few.npy must hold a whole number for each of the 300 inputs"),
        (("--epochs", "2", "--rate", "1e30", "--labels", "y.npy"), "the loss is nan in epoch 1, step 2: lower the learning rate"),
        (("--epochs", "1", "--rate", "-1"), "--rate must be a number over 0, not -1.0"),
        (("-o", "nowhere/pruned.pt2"), "there is no folder nowhere"),
    ],
)  # fmt: skip
def test_bad_input_gets_a_sentence_and_status_2(folder: Path, arguments: tuple[str, ...], sentence: str) -> None:
    defaults = () if "--data" in arguments else ("--data", "x.npy")
    result = run(folder, "prune", "pruning_models:small", *defaults, "-o", "bad.pt2", *arguments)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1 and not (folder / "bad.pt2").exists()


def test_a_model_with_tied_weights_becomes_two_layers(folder: Path, tmp_path: Path) -> None:
    """The command prunes what will run, where each layer has weights of its own; in Python they are refused by name."""
    path = tmp_path / "pruned.pt2"
    result = run(folder, "prune", "pruning_models:tied", "--density", "0.5", "--data", "x.npy", "-o", str(path))
    assert result.returncode == 0, result.stderr
