"""Registers of pins go into the cells at the pins, and the netlist does the same as before."""

from typing import Any

import pytest

from openwork_fpga.boards.pin_registers import move_to_pins
from openwork_fpga.yosys import ToolError

CLK = 2


def cell(kind: str, inputs: dict[str, Any], outputs: dict[str, Any], **parameters: str) -> dict[str, Any]:
    return {
        "type": kind,
        "parameters": parameters,
        "attributes": {},
        "port_directions": dict.fromkeys(inputs, "input") | dict.fromkeys(outputs, "output"),
        "connections": {port: [bit] for port, bit in (inputs | outputs).items()},
    }


def register(data: int | str, output: int, reset: int | str = "0", **more: Any) -> dict[str, Any]:
    parameters = {"REGSET": "RESET", "SRMODE": "LSR_OVER_CE"} | {k: v for k, v in more.items() if k != "enable"}
    inputs = {"CLK": CLK, "DI": data, "LSR": reset} | ({"CE": more["enable"]} if "enable" in more else {})
    return cell("TRELLIS_FF", inputs, {"Q": output}, **parameters)


def pad(pin: int, direction: str, **connections: int | str) -> dict[str, Any]:
    one = cell("TRELLIS_IO", {k: v for k, v in connections.items() if k != "O"}, {}, DIR=direction)
    one["connections"] |= {"B": [pin]} | ({"O": [connections["O"]]} if "O" in connections else {})
    one["port_directions"] |= {"B": "inout", "O": "output"}
    return one


def netlist(ports: dict[str, list[int]], **cells: dict[str, Any]) -> dict[str, Any]:
    return {
        "modules": {
            "top": {
                "ports": {name: {"direction": "inout", "bits": bits} for name, bits in ports.items()},
                "cells": cells,
            }
        }
    }


def test_each_pad_has_registers_of_its_own() -> None:
    """Two data pins, let go of by one register, which some logic reads as well."""
    design = netlist(
        {"sdram_dq": [10, 11], "tx": [12]},
        pad_0=pad(10, "BIDIR", I=20, T=30, O=40),
        pad_1=pad(11, "BIDIR", I=21, T=30, O=41),
        pad_tx=pad(12, "OUTPUT", I=22, T="0"),
        out_0=register(50, 20),
        out_1=register(51, 21),
        off=register(52, 30, REGSET="SET"),
        in_0=register(40, 60),
        in_1=register(41, 61),
        other=register(53, 22),
        logic=cell("LUT4", {"A": 30}, {"Z": 62}),
    )
    assert move_to_pins(design, "sdram") == 2
    cells = design["modules"]["top"]["cells"]
    directions = {name: one["attributes"].get("ioff_dir") for name, one in cells.items() if one["type"] == "TRELLIS_FF"}
    copies = [name for name in directions if name.startswith("off$")]
    assert directions == {"out_0": "output", "out_1": "output", "in_0": "input", "in_1": "input"} | dict.fromkeys(
        copies, "output"
    ) | {"off": None, "other": None}
    assert {cells[name]["connections"]["Q"][0] for name in copies} == {
        cells[name]["connections"]["T"][0] for name in ("pad_0", "pad_1")
    }
    assert all(
        cells[name]["connections"]["DI"] == [52] and cells[name]["parameters"]["REGSET"] == "SET" for name in copies
    )
    assert cells["logic"]["connections"]["A"] == [30]


@pytest.mark.parametrize(("regset", "held"), [("RESET", 0), ("SET", 1)])
def test_a_reset_becomes_logic(regset: str, held: int) -> None:
    design = netlist(
        {"sdram_a": [10]}, pad=pad(10, "OUTPUT", I=20, T="0"), out=register(50, 20, reset=51, REGSET=regset)
    )
    assert move_to_pins(design, "sdram") == 0
    cells = design["modules"]["top"]["cells"]
    lut = cells["out$reset"]
    assert cells["out"]["connections"] == {"CLK": [CLK], "DI": lut["connections"]["Z"], "LSR": ["0"], "Q": [20]}
    assert lut["connections"]["A"] == [50] and lut["connections"]["B"] == [51]
    table = lut["parameters"]["INIT"][::-1]  # by what A, B, C, D say as a number, A lowest
    for data in (0, 1):
        assert table[data] == str(data) and table[2 + data] == str(held)


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (
            {"pad": pad(10, "OUTPUT", I=20, T="0"), "out": cell("LUT4", {"A": 50}, {"Z": 20})},
            "pin sdram_a has a LUT4 where a register was expected",
        ),
        (
            {"pad": pad(10, "OUTPUT", I=20, T="0"), "out": register(50, 20, enable=51)},
            "the register of pin sdram_a has an enable or a reset that the cell at the pin cannot have",
        ),
        (
            {"pad": pad(10, "OUTPUT", I=20, T="0"), "out": register(50, 20, reset=51, SRMODE="ASYNC")},
            "the register of pin sdram_a has an enable or a reset that the cell at the pin cannot have",
        ),
        (
            {"pad": pad(10, "INPUT", O=20), "in": register(20, 50), "logic": cell("LUT4", {"A": 20}, {"Z": 51})},
            "pin sdram_a has 2 readers, and one register was expected",
        ),
        (
            {"pad": pad(10, "INPUT", O=20), "in": cell("LUT4", {"A": 20}, {"Z": 51})},
            "pin sdram_a has a LUT4 where a register was expected",
        ),
    ],
)
def test_what_cannot_lie_at_a_pin_is_refused(cells: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ToolError, match=sentence):
        move_to_pins(netlist({"sdram_a": [10]}, **cells), "sdram")
