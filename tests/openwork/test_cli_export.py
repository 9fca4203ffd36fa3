"""The command that exports a model, and what other commands say to models in files that nobody reads."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.openwork.command_line import run

from openwork.frontend import load
from openwork.frontend.loading import call
from openwork.recipes import RECIPES

MODULE = """
import torch

def pair():
    torch.manual_seed(3)
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Dropout(0.5), torch.nn.ReLU())
    return model, torch.zeros(1, 2, 9, 8)

def in_tuple():
    model, example = pair()
    return model, (example,)

def alone():
    return pair()[0]

def text():
    return pair()[0], "example"

def number():
    return 7

def branches():
    class Branches(torch.nn.Module):
        def forward(self, batch):
            return batch + 1 if batch.sum() > 0 else batch
    return Branches(), torch.zeros(1, 2, 3, 3)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exporting")
    (path / "exporting_models.py").write_text(MODULE)
    np.save(path / "x.npy", np.random.default_rng(1).random((5, 2, 9, 8)).astype(np.float32))
    np.save(path / "integers.npy", np.zeros((5, 2, 9, 8), np.int32))
    return path


@pytest.mark.parametrize(
    "arguments", [["pair"], ["in_tuple"], ["alone", "--example", "x.npy"], ["pair", "--example", "x.npy"]]
)
def test_what_is_written_is_what_the_printed_lines_write(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    name, *options = arguments
    path = tmp_path / "model.pt2"
    result = run(folder, "export", f"exporting_models:{name}", *options, "-o", str(path))
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("program = torch.export.export(") and lines[1].startswith("torch.export.save(program, ")
    assert len(lines) == 3 and lines[2].endswith("inputs [1, 2, 9, 8].")
    monkeypatch.syspath_prepend(str(folder))
    model, _ = call("exporting_models:pair")
    by_hand = tmp_path / "by_hand.pt2"
    names = {"torch": torch, "model": model, "example": torch.zeros(1, 2, 9, 8)}
    exec("\n".join(lines[:2]).replace(str(path), str(by_hand)), names)
    batch = torch.rand(4, 2, 9, 8)
    outputs = [load(one, batch[:1]).run(batch) for one in (path, by_hand)]
    assert torch.equal(*outputs)
    assert torch.allclose(outputs[0], model.eval()(batch), atol=1e-5)


def test_what_was_exported_is_quantized(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    assert run(folder, "export", "exporting_models:pair", "-o", str(path)).returncode == 0
    result = run(folder, "quantize", str(path), "--calibrate", "x.npy", "-o", str(tmp_path / "model.int8"))
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nowhere:small",), "there is no module nowhere for nowhere:small"),
        (("exporting_models:none",), "module exporting_models has no function none"),
        (("exporting_models",), "a model to export is package.module:function, not exporting_models"),
        (("exporting_models:alone",), "returned no example input: it must return (model, example input)"),
        (("exporting_models:text",), "returned a str as the example input"),
        (("exporting_models:number",), "exporting_models:number returned a int: it must return (model, example input)"),
        (("exporting_models:branches",), "torch.export cannot export the model of exporting_models:branches with an input"),
        (("exporting_models:alone", "--example", "integers.npy"), "integers.npy must hold float32 or float64"),
        (("net.pth",), "net.pth holds weights, or a program that only its own classes can read: build the model in Python"),
        (("exporting_models:pair", "-o", "model.pt"), "model.pt must have a name that ends in .pt2"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_gets_a_sentence(folder: Path, arguments: tuple[str, ...], sentence: str) -> None:
    output = () if "-o" in arguments else ("-o", "bad.pt2")
    result = run(folder, "export", *arguments, *output)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1) and sentence in result.stderr
    assert not (folder / "bad.pt2").exists()


@pytest.mark.parametrize("suffix", RECIPES)
def test_a_model_that_nobody_reads_gets_the_recipe(folder: Path, suffix: str) -> None:
    for command in (
        ("quantize", f"net{suffix}", "--calibrate", "x.npy"),
        ("prune", f"NET{suffix.upper()}", "--data", "x.npy"),
    ):
        result = run(folder, *command, "-o", "out.int8")
        assert result.returncode == 2 and result.stderr.startswith(f"openwork: {command[1]} ")
        assert "openwork export module:function -o model.pt2" in result.stderr
