"""The command that says on which boards a network fits."""

import json
from pathlib import Path

from tests.openwork.command_line import openwork
from tests.openwork.compiler.test_network import classifier, layer, network

from openwork.compiler.network import compile_network
from openwork.files import write_network
from openwork.network import LayerStep
from openwork.report.speed import board_speed
from openwork_fpga.boards.catalogue import BOARDS


def test_every_board_says_how_fast_it_is_or_what_it_lacks(tmp_path: Path) -> None:
    write_network(tmp_path / "a.int8", classifier())
    status, said = openwork("fit", tmp_path / "a.int8", "--json")
    found = json.loads(said)
    assert status == 0 and {one["board"] for one in found} == set(BOARDS)
    fast = [one["inputs_per_second"] for one in found if one["inputs_per_second"] is not None]
    assert len(fast) >= 6 and fast == sorted(fast, reverse=True)
    for one in found:
        board = BOARDS[one["board"]]
        if board.sdram is not None:
            assert one["fits"] and one["scratchpad_words"] == board.memory_words and one["fetched_words"] > 0
        elif one["inputs_per_second"] is not None:
            image = compile_network(classifier(), board.config, board.encodings[0])
            speed = board_speed(image, 1e6 * board.clock_mhz, board.baud)
            assert (one["inputs_per_second"], one["bound"]) == (speed.inputs_per_second, speed.bound)
            assert (one["cycles"], one["image_words"]) == (image.predicted_cycles, len(image.words))
        elif one["fits"]:
            assert board.flash_byte is not None and one["bound"] == "the flash"


def test_what_does_not_fit_comes_last_with_its_need(tmp_path: Path) -> None:
    steps = (
        LayerStep(("input",), "a", layer("a", (90, 1, 1), 400, (1, 1))),
        LayerStep(("a",), "b", layer("b", (400, 1, 1), 9, (1, 1))),
    )
    write_network(tmp_path / "a.int8", network((90, 1, 1), *steps))
    status, said = openwork("fit", tmp_path / "a.int8", "--json")
    found = {one["board"]: one for one in json.loads(said)}
    assert status == 0
    assert found["tang-nano-9k"]["fits"] is False and "holds 16.0 KiB: prune further" in found["tang-nano-9k"]["reason"]
    status, said = openwork("fit", tmp_path / "a.int8")
    lines = said.splitlines()
    assert status == 0 and all(len(line) <= 80 for line in lines)
    ends = next(number for number, line in enumerate(lines) if "tang-nano-9k" in line)
    assert "the image takes" in lines[ends] and not any("the serial line" in line for line in lines[ends:])
