"""What stops a bitstream: a clock that is not met or not constrained, and logic between a pin and a flip-flop."""

from typing import Any

from openwork_fpga.boards import ecp5, gowin, ice40
from openwork_fpga.boards.checks import path_complaints, timing_complaints
from openwork_fpga.boards.chip import Chip


def cell(kind: str, inputs: dict[str, int], outputs: dict[str, int]) -> dict[str, Any]:
    directions = dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output")
    connections = {port: [bit] for port, bit in (inputs | outputs).items()}
    return {"type": kind, "port_directions": directions, "connections": connections}


def netlist(*cells: dict[str, Any]) -> dict[str, Any]:
    ports = {
        "rx": {"direction": "input", "bits": [2]},
        "tx": {"direction": "output", "bits": [3]},
        "oscillator": {"direction": "input", "bits": [4]},
    }
    return {"modules": {"top": {"ports": ports, "cells": {str(number): one for number, one in enumerate(cells)}}}}


def complaints(*cells: dict[str, Any], chip: Chip = ecp5.CHIP) -> list[str]:
    return path_complaints(netlist(*cells), chip, "oscillator")


PLL = cell("EHXPLLL", {"CLKI": 4}, {"CLKOP": 5})
RECEIVES = cell("TRELLIS_FF", {"DI": 2, "CLK": 5}, {"Q": 6})
SENDS = cell("TRELLIS_FF", {"DI": 7, "CLK": 5}, {"Q": 3})


def test_pins_at_flip_flops_are_right() -> None:
    assert complaints(PLL, RECEIVES, SENDS) == []


def test_buffers_are_looked_through() -> None:
    into = cell("TRELLIS_IO", {"B": 2}, {"O": 8})
    out_of = cell("TRELLIS_IO", {"I": 9}, {"B": 3})
    good = (cell("TRELLIS_FF", {"DI": 8}, {"Q": 6}), cell("TRELLIS_FF", {"DI": 7}, {"Q": 9}))
    assert complaints(PLL, into, out_of, *good) == []
    bad = (cell("LUT4", {"A": 8}, {"Z": 9}),)
    assert complaints(PLL, into, out_of, *bad) == [
        "pin rx meets A of a LUT4 before a flip-flop",
        "pin tx meets Z of a LUT4 before a flip-flop",
    ]


def test_logic_at_a_pin_is_found() -> None:
    enabled = cell("TRELLIS_FF", {"DI": 7, "CE": 2}, {"Q": 6})
    assert complaints(PLL, enabled, SENDS) == ["pin rx meets CE of a TRELLIS_FF before a flip-flop"]


def test_a_clock_from_a_pin_is_found() -> None:
    clocked = cell("TRELLIS_FF", {"DI": 7, "CLK": 4}, {"Q": 6})
    assert complaints(PLL, RECEIVES, SENDS, clocked) == ["pin oscillator meets CLK of a TRELLIS_FF before a flip-flop"]


def test_pins_of_gowin() -> None:
    """Constants are no paths, and an oscillator may end at clocks: it alone."""
    cells = (
        cell("IBUF", {"I": 4}, {"O": 5}),
        cell("IBUF", {"I": 2}, {"O": 8}),
        cell("GND", {}, {"G": 10}),
        cell("TBUF", {"I": 9, "OEN": 10}, {"O": 3}),
        cell("DFFRE", {"D": 8, "CLK": 5, "CE": 7, "RESET": 7}, {"Q": 6}),
        cell("DFF", {"D": 7, "CLK": 5}, {"Q": 9}),
        cell("SDPX9B", {"CLKA": 5, "CLKB": 5}, {"DO": 7}),
    )
    assert complaints(*cells, chip=gowin.CHIP) == []
    assert complaints(*cells, cell("LUT2", {"I0": 5, "I1": 8}, {"F": 11}), chip=gowin.CHIP) == [
        "pin rx meets I1 of a LUT2 before a flip-flop",
        "pin oscillator meets I0 of a LUT2 before a flip-flop",
    ]
    assert complaints(*cells, cell("DFF", {"D": 7, "CLK": 8}, {"Q": 11}), chip=gowin.CHIP) == [
        "pin rx meets CLK of a DFF before a flip-flop"
    ]


def test_an_inverter_at_a_pin_is_none_of_the_logic_that_is_looked_for() -> None:
    """iCE40 has no flip-flop that starts as 1."""
    into = cell("SB_LUT4", {"I0": 2}, {"O": 8})
    out_of = cell("SB_LUT4", {"I0": 9}, {"O": 3})
    good = (cell("SB_DFF", {"D": 8}, {"Q": 6}), cell("SB_DFF", {"D": 7}, {"Q": 9}))
    clock = cell("SB_PLL40_PAD", {"PACKAGEPIN": 4}, {"PLLOUTGLOBAL": 5})
    assert complaints(into, out_of, *good, clock, chip=ice40.CHIP) == []
    two = cell("SB_LUT4", {"I0": 9, "I1": 6}, {"O": 3})
    assert complaints(into, two, *good, clock, chip=ice40.CHIP) == ["pin tx meets O of a SB_LUT4 before a flip-flop"]


def test_timing() -> None:
    met = {"fmax": {"clk": {"achieved": 61.0, "constraint": 60.0}}}
    assert timing_complaints(met, 60) == []
    assert timing_complaints(met, 62) == [
        "clock clk is constrained to 60.00 MHz, not 62",
        "clock clk reaches 61.00 MHz of 62",
    ]
    assert timing_complaints({"fmax": {"clk": {"achieved": 59.9, "constraint": 60.0}}}, 60) == [
        "clock clk reaches 59.90 MHz of 60"
    ]
    assert timing_complaints({"fmax": {}}, 60) == ["no clock was timed"]
