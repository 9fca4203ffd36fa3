"""The commands that compile networks and run images, as a person types them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.openwork.command_line import openwork
from tests.openwork.compiler.test_network import classifier, layer, network

from openwork.backends import BackendError, compare
from openwork.compiler.network import compile_network
from openwork.files import read_image, write_image, write_network
from openwork.golden import run_network
from openwork.image import Image
from openwork.network import LayerStep
from openwork.report.speed import board_speed
from openwork_fpga.boards.catalogue import BOARDS
from openwork_hw.arch.config import PRESETS


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quantized network, inputs for it, and its image."""
    path = tmp_path_factory.mktemp("images")
    write_network(path / "a.int8", classifier())
    np.save(path / "x.npy", np.random.default_rng(1).integers(-128, 128, (3, 3, 13, 11)).astype(np.int8))
    np.save(path / "wide.npy", np.zeros((1, 3, 13, 12), np.int8))
    assert openwork("compile", path / "a.int8", "-o", path / "a.image")[0] == 0
    large = layer("a", (90, 1, 1), 900, (1, 1)), layer("b", (900, 1, 1), 9, (1, 1))
    steps = LayerStep(("input",), "a", large[0]), LayerStep(("a",), "b", large[1])
    write_network(path / "large.int8", network((90, 1, 1), *steps))
    return path


def test_compile_writes_what_the_compiler_makes(folder: Path) -> None:
    image = read_image(folder / "a.image")
    assert (image.words == compile_network(classifier(), PRESETS["demo"]).words).all()


def test_compile_for_a_board_says_how_many_inputs_per_second_it_gives(folder: Path) -> None:
    board = BOARDS["ecpix5-85f"]
    status, said = openwork("compile", folder / "a.int8", "--board", board.name, "-o", folder / "board.image")
    image = read_image(folder / "board.image")
    assert status == 0 and image.config == board.config and image.encoding in board.encodings
    speed = board_speed(image, 112.5e6, 3_000_000)
    loaded = image.load_bytes(np.zeros(image.network.input.shape, np.int8))
    assert speed.input_s == 10 * loaded.nbytes / 3e6 and speed.bound == "the serial line"
    assert speed.inputs_per_second == pytest.approx(1 / speed.input_s)
    text = " ".join(said.split())
    assert f"ecpix5-85f at 112.5 MHz, predicted: {speed};" in text and "of 64.0 KiB of image memory" in text


@pytest.mark.parametrize("backend", ["golden", "model"])
def test_run_gives_the_golden_outputs(folder: Path, backend: str) -> None:
    status, _ = openwork(
        "run", folder / "a.image", "--inputs", folder / "x.npy", "--backend", backend, "-o", folder / "y.npy"
    )
    assert status == 0
    assert (np.load(folder / "y.npy") == run_network(classifier(), np.load(folder / "x.npy"))).all()


def test_compare_finds_no_difference(folder: Path) -> None:
    status, said = openwork("compare", folder / "a.image", "--inputs", folder / "x.npy", "--backends", "golden,model")
    assert status == 0
    assert "first difference" not in said


def test_report_is_written(folder: Path) -> None:
    status, _ = openwork(
        "report", folder / "a.image", "--clock", 100, "--accuracy", "float=90", "-o", folder / "r.html"
    )
    assert status == 0
    assert "<html" in (folder / "r.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("compile", "a.int8", "--preset", "huge", "-o", "b.image"), "there is no preset huge"),
        (("compile", "a.int8", "--feature-words", 64, "-o", "b.image"), "feature words per PE"),
        (("compile", "a.int8", "--board", "pynq", "-o", "b.image"), "there is no board pynq: there are ulx3s-85f"),
        (
            ("compile", "a.int8", "--board", "ulx3s-85f", "--lanes", 4, "-o", "b.image"),
            "has the array of the preset ecp5-85k",
        ),
        (("compile", "a.int8", "--board", "ulx3s-85f", "--preset", "tiny", "-o", "b.image"), "leave --preset out"),
        (
            ("compile", "large.int8", "--board", "tang-nano-9k", "-o", "b.image"),
            "the image memory of tang-nano-9k holds 16.0 KiB",
        ),
        (("compile", "a.image", "-o", "b.image"), "not a whole .int8 file"),
        (("run", "a.int8", "--inputs", "x.npy", "--backend", "rtl", "-o", "y.npy"), "is not compiled"),
        (("run", "a.image", "--inputs", "wide.npy", "-o", "y.npy"), "the network takes inputs"),
        (("run", "a.image", "--inputs", "x.npy", "--backend", "cloud", "-o", "y.npy"), "there is no backend cloud"),
        (("run", "a.image", "--inputs", "x.npy", "--waves", "a.vcd", "-o", "y.npy"), "waves are of one step"),
        (
            ("run", "a.image", "--inputs", "x.npy", "--waves", "a.fst", "--step", "a", "-o", "y.npy"),
            "writes a .vcd file",
        ),
        (("run", "a.image", "--inputs", "x.npy", "--waves", "a.vcd", "--step", "a", "-o", "y.npy"), "backend rtl, not"),
        (("run", "none.image", "--inputs", "x.npy", "-o", "y.npy"), "there is no file"),
        (("compare", "a.image", "--inputs", "x.npy", "--backends", "golden"), "needs two backends"),
        (("compare", "a.image", "--inputs", "x.npy", "--trace", "all"), "there is no trace all"),
        (("report", "a.image", "--accuracy", "float=nine", "-o", "r2.html"), "accuracy is NAME=PERCENT"),
        (("report", "a.image", "--accuracy", "float=900", "-o", "r2.html"), "accuracy is NAME=PERCENT"),
    ],
)
def test_a_refusal_is_one_sentence_and_status_2(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[object, ...], sentence: str
) -> None:
    monkeypatch.chdir(folder)
    status, said = openwork(*arguments)
    assert status == 2
    assert sentence in " ".join(said.split())
    assert not (folder / "b.image").exists()
    assert not (folder / "r2.html").exists()


def spoilt(*, watch: bool) -> Image:
    """An image whose weights are others than its network's."""
    other = classifier()
    weights = other.steps[2].layers[0].weights.copy()
    weights[4] = -weights[4]
    object.__setattr__(other.steps[2].layers[0], "weights", weights)
    image, changed = (compile_network(one, PRESETS["demo"], watch=watch) for one in (classifier(), other))
    return replace(image, words=changed.words)


def test_the_first_difference_is_named(folder: Path) -> None:
    mixed = spoilt(watch=True)
    found = compare(mixed, np.load(folder / "x.npy"), ("golden", "model"))
    assert not found.agrees
    assert found.first is not None
    assert (found.first.input, found.first.tensor, found.first.channel) == (0, "c", 4)
    assert next(one.tensor for one in found.tensors if one.differences) == "c"
    assert found.differing == "model"


def test_compare_runs_the_words_of_the_file(folder: Path) -> None:
    """And not only those that the compiler makes again of its network."""
    write_image(folder / "spoilt.image", spoilt(watch=False))
    status, said = openwork(
        "compare", folder / "spoilt.image", "--inputs", folder / "x.npy", "--backends", "golden,golden,model"
    )
    assert status == 1
    text = " ".join(said.split())
    assert "has other words than this version of Openwork makes of its network" in text
    assert "golden says" in text and ", and model says" in text
    write_image(folder / "watched.image", compile_network(classifier(), PRESETS["demo"], watch=True))
    status, said = openwork(
        "compare", folder / "watched.image", "--inputs", folder / "x.npy", "--backends", "golden,model"
    )
    assert status == 0 and "other words" not in said


def test_one_backend_cannot_be_compared(folder: Path) -> None:
    with pytest.raises(BackendError, match="two backends"):
        compare(read_image(folder / "a.image"), np.load(folder / "x.npy"), ("golden",))
