"""What compile, fit and boards say about a board that fetches its image from an SDRAM."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.openwork.command_line import openwork
from tests.openwork.compiler.test_network import classifier, layer, network

from openwork.cli.on_board import fetching_table
from openwork.compiler.fetching import fetching
from openwork.compiler.network import compile_network
from openwork.files import read_image, write_network
from openwork.network import LayerStep
from openwork.report.speed import board_speed
from openwork_fpga.boards import catalogue
from openwork_fpga.boards.board import Board
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig

PLAIN = catalogue.BOARDS["ulx3s-85f"]
BOARD = replace(PLAIN, sdram="AS4C32M16")
LARGE = network(
    (90, 1, 1),
    LayerStep(("input",), "a", layer("a", (90, 1, 1), 990, (1, 1))),
    LayerStep(("a",), "b", layer("b", (990, 1, 1), 19, (1, 1))),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Networks, of which one is larger than the scratchpad, and a catalogue in which a board has an SDRAM."""
    write_network(tmp_path / "large.int8", LARGE)
    write_network(tmp_path / "small.int8", classifier())
    put(monkeypatch, BOARD)
    return tmp_path


def put(monkeypatch: pytest.MonkeyPatch, board: Board) -> None:
    """Put a board into the catalogue under its name."""
    monkeypatch.setitem(catalogue.BOARDS, board.name, board)


def test_compile_cuts_passes_for_the_scratchpad_and_says_what_is_fetched(folder: Path) -> None:
    status, said = openwork("compile", folder / "large.int8", "--board", BOARD.name, "-o", folder / "a.image")
    image = read_image(folder / "a.image")
    assert status == 0 and image.scratchpad_words == BOARD.memory_words < len(image.words)
    clock_hz = 1e6 * BOARD.clock_mhz
    found = fetching(image, BOARD.memory_words, SdramConfig(SDRAM_CHIPS["AS4C32M16"], clock_hz))
    text = " ".join(said.split())
    assert "of the 64.0 MiB of AS4C32M16" in text and "scratchpad 64.0 KiB on the chip" in text
    assert f"{found.words:,} words in {found.transfers:,} transfers" in text
    assert f"expected waits {found.waits:,} of {found.cycles:,} cycles" in text and found.waits > 0
    asked = 4 * found.words / image.predicted_cycles
    assert f"{asked:.2f} bytes per cycle; it gives 1." in text
    speed = board_speed(image, clock_hz, BOARD.baud, found)
    assert speed.array_s == found.cycles / clock_hz > image.predicted_cycles / clock_hz
    assert f"ulx3s-85f at {BOARD.clock_mhz:g} MHz, predicted: {speed}" in text and "of 64.0 MiB of SDRAM" in text


def test_what_bounds_a_board_with_an_sdram() -> None:
    image = compile_network(LARGE, BOARD.config, BOARD.encodings[0], scratchpad_words=BOARD.memory_words)
    slow = fetching(image, BOARD.memory_words, SdramConfig(SDRAM_CHIPS["AS4C32M16"], 1e8))
    fast = replace(slow, fetched=slow.fetched // 20, cycles=image.predicted_cycles, waits=0)
    for found, baud, bound in (
        (slow, 100_000_000, "the external memory"),
        (fast, 100_000_000, "the array"),
        (slow, 1000, "the serial line"),
    ):
        assert board_speed(image, 1e8, baud, found).bound == bound
    assert board_speed(image, 1e8, 100_000_000).bound == "the array"


def test_a_network_that_fits_the_scratchpad_compiles_to_the_same_file(folder: Path) -> None:
    assert openwork("compile", folder / "small.int8", "--board", BOARD.name, "-o", folder / "a.image")[0] == 0
    preset = ("--preset", BOARD.preset)
    assert openwork("compile", folder / "small.int8", *preset, "-o", folder / "b.image")[0] == 0
    assert (folder / "a.image").read_bytes() == (folder / "b.image").read_bytes()


def test_refusals_name_need_limit_and_board(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("compile", folder / "large.int8", "--board", BOARD.name, "-o", folder / "a.image")
    tiny = replace(SDRAM_CHIPS["M12L64322A"], row_bits=1, column_bits=8)
    monkeypatch.setitem(SDRAM_CHIPS, "tiny", tiny)
    put(monkeypatch, replace(BOARD, sdram="tiny"))
    status, said = openwork(*command)
    assert status == 2 and "and the SDRAM (tiny) of ulx3s-85f holds 8.0 KiB: prune further" in said
    put(monkeypatch, replace(BOARD, memory_words=300))
    status, said = openwork(*command)
    assert status == 2 and said.startswith("openwork: ulx3s-85f, with a scratchpad of 300 words: layer 'b', row ")
    assert "and may use 100" in said and said.count("\n") == 1
    assert not (folder / "a.image").exists()


@pytest.mark.slow
def test_fit_counts_the_sdram(folder: Path) -> None:
    status, said = openwork("fit", folder / "large.int8", "--json")
    found = {one["board"]: one for one in json.loads(said)}
    with_sdram, without = found[BOARD.name], found["ecpix5-85f"]
    assert status == 0 and with_sdram["fits"] and not without["fits"]
    assert with_sdram["memory_words"] == SDRAM_CHIPS["AS4C32M16"].bytes // 4
    assert with_sdram["scratchpad_words"] == BOARD.memory_words
    assert with_sdram["fetched_words"] > with_sdram["image_words"] > BOARD.memory_words
    image = compile_network(LARGE, BOARD.config, BOARD.encodings[0], scratchpad_words=BOARD.memory_words)
    assert with_sdram["cycles"] == image.predicted_cycles + with_sdram["wait_cycles"]
    assert "scratchpad_words" not in without
    status, said = openwork("fit", folder / "large.int8")
    assert status == 0 and all(len(line) <= 80 for line in said.splitlines())


def test_boards_lists_the_size_of_the_sdram(folder: Path) -> None:
    _, said = openwork("boards")
    line = next(line for line in said.splitlines() if BOARD.name in line)
    assert "65,536" in line


def test_the_table_of_a_narrow_sdram_and_of_a_wide_one() -> None:
    image = compile_network(LARGE, BOARD.config, BOARD.encodings[0], scratchpad_words=BOARD.memory_words)
    given = []
    for chip in ("AS4C32M16", "EM638325"):
        board = replace(BOARD, sdram=chip)
        cells = [
            str(cell)
            for cell in fetching_table(board, image, fetching(image, 16384, SdramConfig(SDRAM_CHIPS[chip], 1e8)))
            .columns[1]
            .cells
        ]
        given += [float(cell.rpartition(" gives ")[2]) for cell in cells if " gives " in cell]
    narrow, wide = given
    assert 1.8 < narrow < 2 and 1.85 * narrow < wide < 4
