"""The recipe for ResNet-50, on a few images: that it runs from weights and a folder to a pruned program."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from openwork.models.resnet50_norms import ResNet50WithNorms

ROOT = Path(__file__).parents[3]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/sparsity_resnet50.py", *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_recipe_runs_from_a_folder_to_a_pruned_program(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for part in ("train", "val"):
        for label in range(2):
            folder = tmp_path / part / f"n{label}"
            folder.mkdir(parents=True)
            for number in range(3):
                values = random.integers(0, 256, (70 + number, 90, 3), np.uint8)
                Image.fromarray(values).save(folder / f"{number}.png")
    torch.manual_seed(0)
    save_file(ResNet50WithNorms().state_dict(), tmp_path / "dense.safetensors")
    output = tmp_path / "pruned.pt2"
    options = ("--epochs", "2", "--batch", "3", "--size", "32", "--density", "0.1", "-o", str(output))
    result = run(str(tmp_path), str(tmp_path / "dense.safetensors"), *options)
    assert result.returncode == 0, result.stderr
    assert "density 0.100: dense" in result.stdout
    assert output.stat().st_size > 1_000_000


@pytest.mark.slow
def test_what_is_missing_gets_a_sentence(tmp_path: Path) -> None:
    result = run(str(tmp_path), str(tmp_path / "dense.safetensors"), "-o", str(tmp_path / "pruned.pt2"))
    assert result.returncode == 2
    assert "name a file of weights with the names of torchvision's ResNet-50" in result.stderr
