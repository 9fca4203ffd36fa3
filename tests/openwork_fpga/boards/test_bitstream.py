"""Bitstreams: built whole, or not at all."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.netlist.networks import small_network
from tests.slow import slow_but

from openwork.compiler.network import compile_network
from openwork.records import Origin, read_record
from openwork_fpga.boards import ecp5
from openwork_fpga.boards.bitstream import ImageRefused, TimingError, build
from openwork_fpga.boards.board import Board
from openwork_fpga.boards.catalogue import BOARDS
from openwork_fpga.boards.top import BoardTop
from openwork_fpga.boards.verified import VERIFIED
from openwork_fpga.nextpnr import installed
from openwork_fpga.verilog import verilog_text
from openwork_hw.arch.config import PRESETS, ArrayConfig
from openwork_hw.arch.nonzeros import Encoding

SMALL = replace(BOARDS["ulx3s-12f"], preset="tiny", memory_words=512, receive_bytes=256, result_bytes=256, sdram=None)
"""The smallest array on ECP5, with its image on the chip, so that its bitstream takes a minute."""


def nothing(_what: str, _done: int, _steps: int) -> None:
    pass


def needs_nextpnr(board: Board) -> None:
    if not installed(board.device.family):
        pytest.skip(f"{board.device.family.nextpnr} is not installed")


@pytest.mark.parametrize("name", slow_but(BOARDS, "icebreaker", "ulx3s-85f", "tang-nano-9k"))
def test_every_board_has_its_pins(name: str) -> None:
    board = replace(BOARDS[name], preset="tiny", receive_bytes=256, result_bytes=256)
    if board.flash_byte is None:
        board = replace(board, memory_words=64)
    plan = board.platform().build(BoardTop(board), do_build=False, emit_src=False)
    text = plan.files[board.chip.pins]
    places = re.findall(r'(?:LOCATE COMP|IO_LOC|set_io) "?([\w\[\]]+)"? (?:SITE )?"?(\w+)"?', text)
    assert len(places) == len({site for _, site in places}) >= 4
    assert {"uart_0__rx__io", "uart_0__tx__io"} < {signal for signal, _ in places}
    # Gowin's file holds no frequencies: nextpnr is told the board's clock, which is the oscillator's.
    if board.chip is ecp5.CHIP:
        assert re.search(r'FREQUENCY PORT "\w+" \d+', text)
    elif board.flash_byte is not None:
        assert "set_frequency clk12_0__io 12.0" in text
    else:
        assert board.device.target_mhz == board.clock_mhz


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_that_is_said_to_be_built_has_its_record(name: str) -> None:
    record = Path(__file__).parents[3] / "fpga" / "results" / "boards" / f"{name}.json"
    assert ("bitstream built" in VERIFIED[name]) == record.exists()
    if record.exists():
        (run,) = read_record(record)
        assert run.value("clock") == BOARDS[name].clock_mhz, "built at another clock: build it anew"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("board", "seeds"),
    [(SMALL, (1, 2)), (BOARDS["tang-nano-9k"], (1,)), (BOARDS["icebreaker"], (1,))],
    ids=["small-ulx3s-12f", "tang-nano-9k", "icebreaker"],
)
def test_a_bitstream_is_built(tmp_path: Path, board: Board, seeds: tuple[int, ...]) -> None:
    needs_nextpnr(board)
    built = build(board, tmp_path, nothing, seeds=seeds, all_seeds=True)
    assert [one.seed for one in built.outcome.routed] == list(seeds)
    assert built.chosen.clock_mhz == max(one.clock_mhz for one in built.outcome.routed)
    bitstream = f"top.{board.chip.suffix}"
    assert {path.name for path in tmp_path.iterdir()} == {"tools", bitstream, "top.json", "top.v"}
    assert (tmp_path / bitstream).stat().st_size > 10_000
    assert built.chosen.clock_mhz >= board.clock_mhz
    report = json.loads((tmp_path / "tools" / f"seed_{built.chosen.seed}_report.json").read_text())
    (clock,) = report["fmax"].values()
    assert clock["constraint"] == pytest.approx(board.clock_mhz, rel=1e-3)
    run = built.run(Origin("openwork build"))
    assert run.value("macs") == board.config.macs
    assert run.value("seeds_tried") == len(seeds)


def test_the_verilog_beside_a_bitstream_has_no_process_that_a_simulator_never_runs(tmp_path: Path) -> None:
    """Flip-flops wait for their clock; a block that waits for constants would wait for ever."""
    plan = SMALL.platform().build(BoardTop(SMALL), do_build=False, emit_src=False)
    (tmp_path / "design.il").write_text(plan.files["top.il"])
    text = verilog_text(tmp_path)
    assert "module top(" in text
    waits = set(re.findall(r"^ *always(?: |_)(.*)", text, re.MULTILINE))
    assert waits and all(wait.startswith("@(posedge ") for wait in waits), waits


@pytest.mark.slow
def test_a_clock_that_is_not_met_leaves_no_bitstream(tmp_path: Path) -> None:
    board = SMALL
    needs_nextpnr(board)
    (tmp_path / "top.bit").write_bytes(b"an older one")
    fast = replace(board, clock_mhz=390, baud=3_000_000)
    with pytest.raises(TimingError, match=r"ulx3s-12f does not meet its clock with 1 placer seeds: clock .* of 390"):
        build(fast, tmp_path, nothing, seeds=(1,))
    assert not (tmp_path / "top.bit").exists()


def test_an_image_that_is_not_the_boards_is_refused(tmp_path: Path) -> None:
    network = small_network()
    board = BOARDS["orangecrab-85f"]
    cases: list[tuple[Board, ArrayConfig, Encoding, str]] = [
        (
            board,
            PRESETS["demo"],
            Encoding.PACKED,
            "compiled for an array of 4 x 4 = 16 MACs, and orangecrab-85f has one of 21 x 7",
        ),
        (board, board.config, Encoding.CSR, "the image is csr, and orangecrab-85f decodes packed"),
        (
            replace(board, memory_words=16),
            board.config,
            Encoding.PACKED,
            r"the image has \d+ words, and orangecrab-85f holds 16",
        ),
        (BOARDS["ulx3s-25f"], board.config, Encoding.PACKED, "ulx3s-25f runs its image out of its SDRAM"),
    ]
    for chosen, config, encoding, sentence in cases:
        (tmp_path / "top.bit").write_bytes(b"an older one")
        with pytest.raises(ImageRefused, match=sentence):
            build(chosen, tmp_path, nothing, image=compile_network(network, config, encoding))
        assert (tmp_path / "top.bit").exists()
