"""Registers of a netlist for ECP5 that belong into the cells at the pins.

A register in the cell at its pin is as far from the pin as that of every other pin, on every run of place and route. One that lies
somewhere in the part has a way to its pin that differs from pin to pin, and that nobody times.
"""

from itertools import count
from typing import Any

from openwork_fpga.yosys import ToolError

Cell = dict[str, Any]

WITH_RESET = {"RESET": f"{0x2222:016b}", "SET": f"{0xEEEE:016b}"}
"""Tables of a LUT4 that gives what is at A, and where B is 1, 0 or 1 instead."""


def move_to_pins(netlist: dict[str, Any], prefix: str) -> int:
    """Have nextpnr put the registers of some pins into the cells at the pins; gives how many registers that takes more.

    A register that drives several pads, as that which lets go of all data pins, becomes one per pad. A reset that Yosys took out
    of the logic before a register goes back into a LUT: the registers in the cell at a pin share theirs.

    Args:
        netlist: as Yosys writes it in JSON, with one flat module `top`; it is changed.
        prefix: what the names of these pins begin with.

    Raises:
        ToolError: a pin has no register of its own, or one with an enable.
    """
    top = netlist["modules"]["top"]
    cells: dict[str, Cell] = top["cells"]
    pins = {bit: name for name, port in top["ports"].items() if name.startswith(prefix) for bit in port["bits"]}
    drivers: dict[int, str] = {}
    readers: dict[int, list[str]] = {}
    for name, cell in cells.items():
        for port, bits in cell["connections"].items():
            for bit in bits:
                if cell["port_directions"][port] == "output":
                    drivers[bit] = name
                elif cell["port_directions"][port] == "input":
                    readers.setdefault(bit, []).append(name)
    fresh = count(1 + max(bit for bit in (*drivers, *readers) if isinstance(bit, int)))
    moved: dict[str, str] = {}
    copies = 0

    pads = [cell for cell in cells.values() if cell["type"] == "TRELLIS_IO" and cell["connections"]["B"][0] in pins]
    for pad in pads:
        pin = pins[pad["connections"]["B"][0]]
        for port in ("I", "T"):
            (bit,) = pad["connections"].get(port, ["0"])
            if isinstance(bit, str) or cells[drivers[bit]]["type"] == "ODDRX1F":
                continue
            name = drivers[bit]
            _check(pin, cells[name], "Q", bit)
            if len(readers[bit]) > 1:
                readers[bit].pop()
                copies += 1
                own = next(fresh)
                connections = cells[name]["connections"] | {"Q": [own]}
                cells[f"{name}$pin{own}"] = cells[name] | {"connections": connections}
                pad["connections"][port] = [own]
                name = f"{name}$pin{own}"
            moved[name] = "output"
        if pad["parameters"]["DIR"] != "OUTPUT":
            (bit,) = pad["connections"]["O"]
            if len(readers.get(bit, ())) != 1:
                raise ToolError(f"pin {pin} has {len(readers.get(bit, ()))} readers, and one register was expected")
            (name,) = readers[bit]
            _check(pin, cells[name], "DI", bit)
            moved[name] = "input"

    for name, direction in moved.items():
        register = cells[name]
        register["attributes"] = register["attributes"] | {"syn_useioff": f"{1:032b}", "ioff_dir": direction}
        reset = register["connections"].get("LSR", ["0"])
        if reset != ["0"]:
            bit = next(fresh)
            cells[f"{name}$reset"] = {
                "hide_name": 1,
                "type": "LUT4",
                "parameters": {"INIT": WITH_RESET[register["parameters"]["REGSET"]]},
                "attributes": {},
                "port_directions": dict.fromkeys("ABCD", "input") | {"Z": "output"},
                "connections": {
                    "A": register["connections"]["DI"],
                    "B": reset,
                    "C": ["0"],
                    "D": ["0"],
                    "Z": [bit],
                },
            }
            register["connections"] = register["connections"] | {"DI": [bit], "LSR": ["0"]}
    return copies


def _check(pin: str, cell: Cell, port: str, bit: int) -> None:
    connections, asynchronous = cell["connections"], cell["parameters"].get("SRMODE", "ASYNC") == "ASYNC"
    if cell["type"] != "TRELLIS_FF" or connections.get(port) != [bit]:
        raise ToolError(f"pin {pin} has a {cell['type']} where a register was expected")
    unreset = connections.get("LSR", ["0"]) == ["0"]
    if connections.get("CE", ["1"]) != ["1"] or (asynchronous and not unreset) or (port == "DI" and not unreset):
        raise ToolError(f"the register of pin {pin} has an enable or a reset that the cell at the pin cannot have")
