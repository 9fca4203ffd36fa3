"""The command that says what masks without a model cost."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.openwork.command_line import openwork
from tests.openwork.files.test_masks import smtx

from openwork.activation import Clip
from openwork.compiler.fetching import fetching
from openwork.compiler.network import compile_network
from openwork.golden import run_network
from openwork.layer import IntegerLayer
from openwork.masks import Geometry, Mask, layer_of
from openwork.network import one_layer_network
from openwork.report.compression import network_sizes
from openwork.simulator.image import run_image
from openwork_fpga.boards.catalogue import BOARDS
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig

RANDOM = np.random.default_rng(3)
CONV = RANDOM.random((8, 6, 3, 3)) < 0.3
FC = RANDOM.random((20, 50)) < 0.2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("masks")
    np.savez(path / "both.npz", conv=CONV, fc=FC)
    np.savez(path / "conv.npz", conv=CONV)
    np.savez(path / "fc.npz", fc=FC)
    (path / "last.smtx").write_text(smtx(CONV.transpose(0, 2, 3, 1).reshape(8, 54)))
    (path / "first.smtx").write_text(smtx(CONV.reshape(8, 54)))
    return path


def ones(stays: np.ndarray, shape: tuple[int, int, int], padding: int) -> IntegerLayer:
    """A layer of this mask whose values are all 1: it must cost what random values cost."""
    zeros = np.zeros(len(stays), np.int64)
    four = stays if stays.ndim == 4 else stays[:, :, None, None]
    return IntegerLayer(
        "conv", four.astype(np.int8), zeros, zeros, 0, 0, Clip(-128, 127), shape, padding=(padding,) * 4
    )  # fmt: skip


def test_a_mask_costs_what_the_compiler_says_of_such_a_layer(folder: Path) -> None:
    for encoding in Encoding:
        name = encoding.name.lower()
        status, said = openwork("cycles", folder / "conv.npz", "--pixels", "9x7", "--encoding", name, "--json")
        assert status == 0, said
        (found,) = json.loads(said)["layers"]
        network = one_layer_network(ones(CONV, (6, 9, 7), 1))
        image = compile_network(network, PRESETS["demo"], encoding)
        assert (found["cycles"], found["run_cycles"]) == (image.compute_cycles, image.predicted_cycles)
        assert found["utilization"] == image.utilization and found["image_words"] == len(image.words)
        sizes = network_sizes(network)
        for bits, size in (("csr", sizes.csr), ("triplet", sizes.triplet), ("packed", sizes.packed)):
            assert found[f"{bits}_bits"] == 8 * size / CONV.sum()
        assert (found["nonzeros"], found["rows"], found["columns"]) == (CONV.sum(), 8, 54)


def test_the_layer_of_a_mask_computes_the_golden_models_outputs() -> None:
    """What is laid out is a layer that runs: its sums fit even the narrowest accumulators."""
    config = replace(PRESETS["demo"], sum_bits=20)
    network = one_layer_network(layer_of(Mask("conv", CONV), Geometry((9, 7)), config))
    image = compile_network(network, config)
    inputs = RANDOM.integers(-128, 128, (6, 9, 7)).astype(np.int8)
    stored = run_image(image, inputs)
    assert np.array_equal(image.outputs(stored), run_network(network, inputs[None])[0])


@pytest.mark.parametrize(
    ("options", "heading"),
    [
        ((), "demo: 4 x 4 = 16 MACs"),
        (("--board", "ulx3s-85f"), "ulx3s-85f: 21 x 7 = 147 MACs"),
        (("--pes", "2"), "2 x 4 = 8 MACs"),
    ],
)
def test_an_array_of_other_sizes_is_not_called_by_a_presets_name(
    folder: Path, options: tuple[str, ...], heading: str
) -> None:
    status, said = openwork("cycles", folder / "fc.npz", *options)
    assert status == 0 and said.startswith(heading)


def test_columns_are_in_either_order(folder: Path) -> None:
    said = []
    for path, options in (
        (folder / "conv.npz", ()),
        (folder / "first.smtx", ("--kernel", "3x3")),
        (folder / "last.smtx", ("--kernel", "3", "--channels-last")),
    ):
        status, text = openwork("cycles", path, "--pixels", "9x7", "--json", *options)
        assert status == 0, text
        said.append({**json.loads(text)["layers"][0], "layer": ""})
    assert said[0] == said[1] == said[2]
    status, text = openwork(
        "cycles", folder / "first.smtx", "--pixels", "9x7", "--json", "--kernel", "3x3", "--channels-last"
    )
    assert {**json.loads(text)["layers"][0], "layer": ""} != said[0]


def test_layers_have_geometries_of_their_own(folder: Path) -> None:
    options = (
        "--pixels",
        "8",
        "--layer",
        "fc*=1x1",
        "--layer",
        "co*=9x7,stride=2x1,padding=0",
        "--layer",
        "x*=2",
        "--json",
    )
    status, said = openwork("cycles", folder / "both.npz", *options)
    assert (status, said) == (2, "openwork: --layer x*: no layer has such a name; there are conv, fc\n")
    status, said = openwork("cycles", folder / "both.npz", *options[:-3], "--json")
    found = {one["layer"]: one for one in json.loads(said)["layers"]}
    assert status == 0 and found["fc"]["output_shape"] == [20, 1, 1] and found["conv"]["output_shape"] == [8, 4, 5]
    total = json.loads(said)["total"]
    assert total["cycles"] == sum(one["cycles"] for one in found.values())
    assert total["density"] == (CONV.sum() + FC.sum()) / (CONV.size + FC.size)
    macs = CONV.sum() * 20 + FC.sum()
    assert total["utilization"] == macs / (total["cycles"] * PRESETS["demo"].macs)


def test_a_board_with_an_sdram_counts_what_is_fetched(folder: Path) -> None:
    board = BOARDS["ulx3s-85f"]
    status, said = openwork("cycles", folder / "fc.npz", "--board", board.name, "--json")
    (found,) = json.loads(said)["layers"]
    image = compile_network(
        one_layer_network(ones(FC, (50, 1, 1), 0)), board.config, board.encodings[0], scratchpad_words=board.memory_words
    )  # fmt: skip
    assert board.sdram is not None
    sdram = SdramConfig(SDRAM_CHIPS[board.sdram], 1e6 * board.clock_mhz)
    expected = fetching(image, board.memory_words, sdram).cycles
    assert status == 0 and found["run_cycles"] == expected > image.predicted_cycles
    status, said = openwork("cycles", folder / "fc.npz", "--board", board.name)
    computing, whole = (cycles / board.clock_mhz / 1e3 for cycles in (image.compute_cycles, expected))
    assert f"{computing:,.3f} ms computing, {whole:,.3f} ms with loading" in said


def test_a_layer_that_does_not_fit_has_its_reason_and_the_others_their_cycles(folder: Path) -> None:
    status, said = openwork(
        "cycles", folder / "both.npz", "--preset", "tiny", "--pixels", "20", "--layer", "fc=1", "--json"
    )
    conv, fc = json.loads(said)["layers"]
    assert status == 1 and conv["cycles"] is None and "feature" in conv["reason"]
    assert fc["reason"] or fc["cycles"]
    assert json.loads(said)["total"]["layers_that_fit"] == (fc["cycles"] is not None)
    status, said = openwork("cycles", folder / "both.npz", "--preset", "tiny", "--pixels", "20", "--layer", "fc=1")
    assert status == 1 and "does not fit" in said and all(len(line) <= 80 for line in said.splitlines() if "│" in line)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("conv.npz",), "the mask 'conv' is that of a convolution: say the height and width of its input with --pixels"),
        (("conv.npz", "--pixels", "9", "--kernel", "5x5"), "the mask 'conv' has a kernel of 3 x 3, not 5 x 5"),
        (("fc.npz", "--pixels", "9", "--kernel", "3x3"), "has 50 columns, which must be channels x 3 x 3"),
        (("fc.npz", "--kernel", "5x5"), "has a kernel: say the height and width of its input with --pixels"),
        (("fc.npz", "--pixels", "0x9"), "--pixels must be HxW, as in 56x56, each from 1 to 65,536, not 0x9"),
        (("fc.npz", "--stride", "1x2x3"), "--stride must be HxW"),
        (("fc.npz", "--layer", "fc"), "--layer fc: pixels must be HxW"),
        (("fc.npz", "--layer", "=3x3"), "--layer begins with a pattern of names"),
        (("fc.npz", "--layer", "fc=3x3,taps=9"), "--layer is PATTERN=HxW"),
        (("fc.npz", "fc.npz"), "two masks are called fc: give them different names"),
        (("fc.npz", "--board", "ulx3s-85f", "--pes", "4"), "leave the sizes out, or the board"),
        (("fc.npz", "--groups", "3"), "layer 'fc': 3 groups x 50 channels of the weights must be the 150 channels"),
        (("none.npz",), "there is no file none.npz"),
    ],
)  # fmt: skip
def test_what_means_nothing_gets_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(folder)
    status, said = openwork("cycles", *arguments)
    assert status == 2 and sentence in said and said.count("\n") == 1


def test_values_are_random_and_small_enough_for_the_accumulators() -> None:
    row = Mask("row", np.ones((1, 1000), bool))
    for sum_bits in (20, 24, 32):
        layer = layer_of(row, Geometry(), ArrayConfig(1, 1, sum_bits=sum_bits))
        assert layer.nonzeros == 1000 and layer.sum_bits.max() <= sum_bits
        assert len(np.unique(layer.weights)) > (200 if sum_bits == 32 else 2)
