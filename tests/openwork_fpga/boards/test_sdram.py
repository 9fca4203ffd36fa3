"""The pins of boards with an SDRAM chip: where they are, how they are driven, what lies at them, and what time is left there."""

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from tests.slow import slow_but

from openwork_fpga.boards.bitstream import write_netlist
from openwork_fpga.boards.catalogue import BOARDS
from openwork_fpga.boards.checks import pin_complaints
from openwork_fpga.boards.sdram import RESOURCE, connect_sdram
from openwork_fpga.boards.sdram_timing import margins
from openwork_fpga.boards.top import BoardTop
from openwork_fpga.nextpnr import installed, route
from openwork_hw.arch.config import ConfigError
from openwork_hw.arch.refusal import Refusal
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig
from openwork_hw.memory.payloads import SdramPins

WITH_SDRAM = [name for name, board in BOARDS.items() if board.sdram is not None]

CLOCKS = {"ulx3s-85f": 62.5, "ulx3s-25f": 81.25, "ulx3s-12f": 81.25, "colorlight-i5": 81.25}


def test_these_boards_have_an_sdram() -> None:
    assert set(WITH_SDRAM) == set(CLOCKS)


@pytest.mark.parametrize("name", WITH_SDRAM)
def test_a_chip_is_as_wide_as_its_pins_and_no_board_is_faster_than_it(name: str) -> None:
    config = BOARDS[name].sdram_config
    assert config is not None
    ios = {subsignal.name: len(subsignal.ios[0].names) for subsignal in BOARDS[name].platform().lookup("sdram", 0).ios}
    assert (ios["a"], ios["dq"], ios["ba"]) == (config.chip.address_pins, config.chip.data_bits, config.chip.bank_bits)
    assert config.clock_hz == CLOCKS[name] * 1e6 and config.cas == 2


def test_ulx3s_keeps_the_times_of_both_chips_that_it_may_have() -> None:
    both, first, second = (SDRAM_CHIPS[name] for name in ("IS42S16160G/AS4C32M16", "IS42S16160G", "AS4C32M16"))
    for name in ("trcd", "trp", "tras", "trc", "trfc", "trrd", "twr", "tmrd", "refreshes", "startup"):
        assert getattr(both, name) == max(getattr(first, name), getattr(second, name))
    for name in ("column_bits", "row_bits", "tras_most", "retention", "cl2_hz", "cl3_hz"):
        assert getattr(both, name) == min(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("name", WITH_SDRAM)
def test_data_sheets_leave_time_at_each_boards_phase(name: str) -> None:
    board = BOARDS[name]
    assert board.sdram_config is not None
    assert margins(board.sdram_config, board.sdram_phase).least > 0.8


def test_a_faster_clock_leaves_time_at_an_earlier_phase_alone() -> None:
    config = SdramConfig(SDRAM_CHIPS["IS42S16160G"], 133e6)
    assert margins(config, 190).least > 0.2
    assert margins(config, BOARDS["ulx3s-85f"].sdram_phase).least < 0


@pytest.mark.parametrize("name", slow_but(["ulx3s-85f", "colorlight-i5"], "ulx3s-85f"))
def test_every_pin_of_a_chip_has_its_place_its_drive_and_a_register_beside_it(name: str, tmp_path: Path) -> None:
    board = BOARDS[name]
    write_netlist(board, tmp_path, tester=True)  # refuses a pin that is not as it must be
    netlist = json.loads((tmp_path / "netlist.json").read_text())
    cells = netlist["modules"]["top"]["cells"].values()
    found = Counter(cell["attributes"]["ioff_dir"] for cell in cells if "ioff_dir" in cell["attributes"])
    config = board.sdram_config
    assert config is not None
    data, masks = config.chip.data_bits, config.chip.data_bits // 8 if name == "ulx3s-85f" else 0
    commands = 3 + config.chip.bank_bits + config.chip.address_pins
    # A data pin has one to send, one to let go and one to receive.
    assert found == {"output": commands + masks + 2 * data, "input": data}
    assert sum(cell["type"] == "ODDRX1F" for cell in cells) == 1


@pytest.fixture(scope="module")
def places_of_pins() -> str:
    """The constraints of a board with an SDRAM chip."""
    board = BOARDS["ulx3s-85f"]
    files = board.platform().build(BoardTop(board, tester=True), do_build=False, emit_src=False).files
    text: str = files["top.lpf"]
    return text


@pytest.mark.parametrize(
    ("was", "now", "complaint"),
    [
        ('SITE "J16"', 'SITE "F20"', r"pins .* and .* are both at F20"),
        ('LOCATE COMP "sdram_0__dq__io\\[3\\]" .*\n', "", r"pin sdram_0__dq__io\[3\] has 0 places"),
        ('(COMP "sdram_0__we__io" SITE) "T20";', r'\1 "T20";\nLOCATE \1 "A2";', "pin sdram_0__we__io has 2 places"),
        (
            r'(PORT "sdram_0__clk__io" .*)LVCMOS33',
            r"\1LVCMOS18",
            "pin sdram_0__clk__io has IO_TYPE=LVCMOS18, not LVCMOS33",
        ),
        (
            r'(PORT "sdram_0__ba__io\[1\]" .*) SLEWRATE=FAST',
            r"\1",
            r"pin sdram_0__ba__io\[1\] has SLEWRATE=None, not FAST",
        ),
        (
            r'(PORT "sdram_0__clk__io" .*)DRIVE=4',
            r"\1DRIVE=5",
            "pin sdram_0__clk__io has DRIVE=5, not one of 4, 8, 12, 16",
        ),
    ],
)
def test_a_pin_that_is_not_as_it_must_be_is_found(places_of_pins: str, was: str, now: str, complaint: str) -> None:
    places = re.findall(r'LOCATE COMP "(\w+)(?:\[(\d+)\])?"', places_of_pins)
    widths = Counter(name for name, _ in places)
    ports = {name: {"bits": list(range(width))} for name, width in widths.items()}
    netlist = {"modules": {"top": {"ports": ports}}}
    assert pin_complaints(places_of_pins, netlist, RESOURCE) == []
    changed, count = re.subn(was, now, places_of_pins)
    assert count == 1
    found = pin_complaints(changed, netlist, RESOURCE)
    assert len(found) == 1 and re.fullmatch(complaint, found[0]), found


def test_a_chip_with_other_pins_than_the_board_is_refused() -> None:
    platform = BOARDS["ulx3s-85f"].platform()
    pins = wiring.flipped(SdramPins(SDRAM_CHIPS["EM638325"]).create())
    with pytest.raises(ConfigError, match="the board has 13 pins a to its SDRAM chip, and the chip 11"):
        connect_sdram(Module(), platform, pins)


def test_a_board_without_a_chip_has_no_tester() -> None:
    with pytest.raises(Refusal, match="ecpix5-85f has no SDRAM chip that we use"):
        BOARDS["ecpix5-85f"].sdram_tester()


@pytest.mark.slow
def test_nextpnr_puts_the_registers_at_the_pins_and_meets_the_clock(tmp_path: Path) -> None:
    board = BOARDS["ulx3s-85f"]
    if not installed(board.device.family):
        pytest.skip(f"{board.device.family.nextpnr} is not installed")
    write_netlist(board, tmp_path, tester=True)
    routed = route(board.device, tmp_path, "netlist.json", 1, board.chip.read_pins)
    # One per pin but the two that never change, and the clock's.
    assert routed.used["IOLOGIC"] == 3 + 2 + 13 + 2 + 16 + 1
    assert routed.clock_mhz >= board.clock_mhz
    log = (tmp_path / "seed_1.log").read_text()
    assert "promoting clock net sdram_clk to global network" in log
    assert f"Derived frequency constraint of {board.clock_mhz:.1f} MHz for net sdram_clk" in log


def test_another_phase_is_another_setting_of_the_second_clock() -> None:
    settings = {}
    for phase in (0, 180, 255):
        board = replace(BOARDS["ulx3s-85f"], clock_mhz=100, sdram_phase=phase)
        text = board.platform().build(BoardTop(board, tester=True), do_build=False, emit_src=False).files["top.il"]
        settings[phase] = tuple(int(value) for value in re.findall(r"parameter \\CLKOS_[CF]PHASE (\d+)", text))
    # Of 6 periods of the PLL's oscillator in a cycle, from the third on, which is where the first clock's edge is.
    assert settings == {0: (3, 0), 180: (6, 0), 255: (7, 2)}
