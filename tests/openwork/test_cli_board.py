"""Commands for boards: what cannot be done is one sentence and exit status 2."""

from pathlib import Path

import numpy as np
import pytest
from tests.openwork.command_line import run
from tests.openwork.host.models import inputs_of, small_image

from openwork.files import write_image

IMAGE = small_image()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    write_image(tmp_path / "small.image", IMAGE)
    np.save(tmp_path / "inputs.npy", inputs_of(IMAGE, 2))
    return tmp_path


def test_a_port_that_is_not_there(files: Path) -> None:
    here = ("small.image", "--inputs", "inputs.npy")
    for command in (
        ("selftest", "--port", "nowhere"),
        ("run", *here, "--backend", "board", "--port", "nowhere", "-o", "outputs.npy"),
        ("compare", *here, "--backends", "golden,board", "--port", "nowhere"),
    ):
        result = run(files, *command)
        assert result.returncode == 2
        assert result.stderr.startswith("openwork: there is no port nowhere: is the board plugged in? (ports here: ")
        assert result.stderr.count("\n") == 1
        assert not (files / "outputs.npy").exists()


def test_a_board_without_a_port(files: Path) -> None:
    result = run(files, "run", "small.image", "--inputs", "inputs.npy", "--backend", "board", "-o", "outputs.npy")
    assert result.returncode == 2
    assert result.stderr == "openwork: the backend board needs the port that the board is on: name it with --port\n"
