"""What must hold of a placed and routed board before its bitstream is made."""

import re
from collections.abc import Iterator
from typing import Any

from openwork_fpga.boards.chip import Chip

Bit = int | str
"""A net, or a constant."""

DRIVES = ("4", "8", "12", "16")
"""Milliamperes that a pin of LVCMOS33 can have."""


def timing_complaints(report: dict[str, Any], clock_mhz: float) -> list[str]:
    """What nextpnr's report says against running at `clock_mhz`: no clock, a slower one, one that nobody constrained."""
    clocks = report["fmax"]
    if not clocks:
        return ["no clock was timed"]
    complaints = []
    for name, entry in clocks.items():
        # nextpnr keeps periods in whole picoseconds.
        if entry["constraint"] < clock_mhz * (1 - 1e-3):
            complaints.append(f"clock {name} is constrained to {entry['constraint']:.2f} MHz, not {clock_mhz:g}")
        if entry["achieved"] < clock_mhz:
            complaints.append(f"clock {name} reaches {entry['achieved']:.2f} MHz of {clock_mhz:g}")
    return complaints


def path_complaints(netlist: dict[str, Any], chip: Chip, oscillator: str) -> list[str]:
    """Pins of a netlist between which and the nearest flip-flop there is logic: paths from outside that no clock times.

    Args:
        netlist: as Yosys writes it in JSON, with one flat module `top`.
        chip: whose cells they are.
        oscillator: what the name of its pin begins with.
    """
    top = netlist["modules"]["top"]
    touching: dict[str, dict[Bit, list[tuple[dict[str, Any], str]]]] = {"input": {}, "output": {}}
    for cell in top["cells"].values():
        for port, bits in cell["connections"].items():
            direction = cell["port_directions"][port]
            for side in ("input", "output") if direction == "inout" else (direction,):
                for bit in bits:
                    touching[side].setdefault(bit, []).append((cell, port))

    def ends(bit: Bit, side: str) -> Iterator[tuple[str, str]]:
        """Cells, with their pins, that read (`input`) or drive (`output`) a net, those behind buffers in the buffers' place."""
        for cell, port in touching[side].get(bit, []):
            if cell["type"] not in chip.buffers and not (cell["type"] in chip.inverters and _has_one_input(cell)):
                yield cell["type"], port
                continue
            for other, bits in cell["connections"].items():
                if cell["port_directions"][other] not in (side, "inout"):
                    for behind in bits:
                        yield from () if isinstance(behind, str) else ends(behind, side)

    return [
        f"pin {name} meets {pin} of a {kind} before a flip-flop"
        for name, port in top["ports"].items()
        for bit in port["bits"]
        for side in (("input", "output") if port["direction"] == "inout" else (port["direction"],))
        for kind, pin in ends(bit, side)
        if not (name.startswith(oscillator) and pin in chip.clock_pins)
        and not (kind.startswith(chip.registers) and pin in chip.data_pins)
    ]


def pin_complaints(constraints: str, netlist: dict[str, Any], prefix: str) -> list[str]:
    """What is wrong with where pins are and how they are driven, in a file of constraints for ECP5.

    Args:
        constraints: the file's text.
        netlist: as Yosys writes it in JSON, with one flat module `top`.
        prefix: what the names of pins to a chip begin with that has to be sent a bit in each cycle: they are LVCMOS33 with a named
            drive and fast slopes, and no pull-up works against the chip.
    """
    sites: dict[str, list[str]] = {}
    for name, site in re.findall(r'^LOCATE COMP "([^"]+)" SITE "(\w+)";$', constraints, re.MULTILINE):
        sites.setdefault(name, []).append(site)
    attributes = {
        name: dict(one.split("=") for one in text.split())
        for name, text in re.findall(r'^IOBUF PORT "([^"]+)" (.*);$', constraints, re.MULTILINE)
    }
    complaints = []
    used: dict[str, str] = {}
    for port, entry in netlist["modules"]["top"]["ports"].items():
        width = len(entry["bits"])
        for name in [port] if width == 1 else [f"{port}[{bit}]" for bit in range(width)]:
            places = sites.get(name, [])
            if len(places) != 1:
                complaints.append(f"pin {name} has {len(places)} places")
            complaints += [f"pins {used[site]} and {name} are both at {site}" for site in places if site in used]
            used |= dict.fromkeys(places, name)
            if port.startswith(prefix):
                has = attributes.get(name, {})
                wanted = {"IO_TYPE": "LVCMOS33", "SLEWRATE": "FAST", "PULLMODE": "NONE"}
                complaints += [
                    f"pin {name} has {key}={has.get(key)}, not {value}"
                    for key, value in wanted.items()
                    if has.get(key) != value
                ]
                if has.get("DRIVE") not in DRIVES:
                    complaints.append(f"pin {name} has DRIVE={has.get('DRIVE')}, not one of {', '.join(DRIVES)}")
    return complaints


def _has_one_input(cell: dict[str, Any]) -> bool:
    """One wire goes in, the rest are constants."""
    inputs = (bits for port, bits in cell["connections"].items() if cell["port_directions"][port] == "input")
    return sum(isinstance(bit, int) for bits in inputs for bit in bits) == 1
