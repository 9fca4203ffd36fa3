"""Turn what nextpnr writes of a routed ECP5 design back into cells as synthesis has them.

nextpnr takes constants off pins and says in a parameter what a pin without a wire is: ``ADA0MUX`` is 0, 1, the pin's own name or
INV. A pin without a wire is 1, and INV makes it 0.
"""

from typing import Any

MUXED = ("DP16KD", "MULT18X18D")
"""Cells whose pins have such parameters."""

DROPPED = ("SD", "DATAMUX_ODDR", "DATAMUX_MDDR", "WCKMUX")
"""Parameters that are dealt with here, or say what is always so."""


def synthesized_cells(design: dict[str, Any]) -> dict[str, Any]:
    """The module `top` of a design alone, its cells without pins that have no wire and without nextpnr's own parameters.

    Raises:
        ValueError: a pin with a wire is inverted, which is not known here.
    """
    top = design["modules"]["top"]
    return {
        "creator": design["creator"],
        "modules": {"top": top | {"cells": {n: _cell(c) for n, c in top["cells"].items()}}},
    }


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    kind = cell["type"]
    connections = {port: bits for port, bits in cell["connections"].items() if bits}
    parameters = {name: value for name, value in cell["parameters"].items() if name not in DROPPED}
    directions = dict(cell["port_directions"])
    if kind in MUXED:
        for name in [name for name in parameters if name.endswith("MUX") and name not in ("CLKAMUX", "CLKBMUX")]:
            pin, value = name.removesuffix("MUX"), parameters.pop(name).strip()
            if pin not in connections:
                connections[pin] = ["0" if value in ("0", "INV") else "1"]
                directions[pin] = "input"
            elif value == "INV":
                raise ValueError(f"pin {pin} of a {kind} is inverted")
    if kind == "TRELLIS_COMB":
        # nextpnr says only by its wires that a cell's OFX is the wide multiplexer of two others' and not of two LUTs.
        parameters["WIDE"] = "1" if "FXA" in connections else "0"
        connections = {pin: ["1"] for pin in "ABCDM"} | connections
    if kind == "TRELLIS_FF":
        if cell["parameters"]["SD"].strip() == "0":
            # It is fed past its LUT.
            connections["DI"] = connections.pop("M")
        # Without a wire for reset it has none.
        connections.setdefault("LSR", ["0"])
    return cell | {"connections": connections, "parameters": parameters, "port_directions": directions}
